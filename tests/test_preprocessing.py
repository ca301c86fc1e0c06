"""`models.Preprocessing`: sizes, crops, modes and numbers, beside Pillow's own."""

import jax
import numpy as np
import pytest
from PIL import Image

from jaxml import models
from jaxml.models._preprocessing import CAFFE, TORCHVISION, UNIT


@pytest.fixture
def photograph(rng):
    """300 x 200, smooth."""
    small = rng.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((300, 200), Image.Resampling.BICUBIC)


def test_short_side_and_crop(photograph):
    """torchvision's Resize(256), CenterCrop(224), Normalize, written out."""
    resized = photograph.resize((384, 256), Image.Resampling.BILINEAR)
    wanted = np.asarray(resized.crop((80, 16, 304, 240)), np.float32) / 255
    wanted = (wanted - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    got = TORCHVISION(photograph)
    assert (got.shape, got.dtype) == ((1, 224, 224, 3), np.float32)
    np.testing.assert_allclose(got[0], wanted, atol=1e-6)


def test_squashed(photograph):
    wanted = np.asarray(photograph.resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    np.testing.assert_allclose(UNIT(photograph)[0], wanted / 127.5 - 1, atol=1e-6)
    means = np.float32([103.939, 116.779, 123.68])
    np.testing.assert_allclose(CAFFE(photograph)[0], wanted[..., ::-1] - means, atol=1e-4)


@pytest.mark.parametrize(("width", "height"), [(301, 200), (200, 303), (1, 1), (1000, 3), (224, 224), (255, 257)])
def test_odd_sizes(width, height, rng):
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8))
    for preprocessing in (TORCHVISION, UNIT):
        got = preprocessing(image)
        assert got.shape == (1, 224, 224, 3) and np.isfinite(got).all()


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I"]


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode, photograph, tmp_path):
    """Every mode of Pillow's gives an image like the grey or coloured one; 16 bits are scaled, not clipped."""
    grey = mode in ("1", "L", "LA", "I;16", "I")
    base = photograph.convert("L") if grey else photograph
    if mode in ("I;16", "I"):
        pixels = np.asarray(base).astype(np.uint16 if mode == "I;16" else np.int32) * 257
        image = Image.fromarray(pixels)
    else:
        image = base.convert(mode)
    got, wanted = UNIT(image), UNIT(base.convert("RGB"))
    tolerance = {"1": 2.0, "P": 1.0, "YCbCr": 0.05, "HSV": 0.1}.get(mode, 1e-6)
    np.testing.assert_allclose(got, wanted, atol=tolerance)
    if mode in ("I;16", "RGBA"):
        image.save(tmp_path / "image.png")
        np.testing.assert_allclose(UNIT(tmp_path / "image.png"), wanted, atol=1e-6)


def test_grey_network(photograph):
    grey = models.Preprocessing(size=8, resize=None, mean=(0.0,), std=(1.0,), channels="L")
    assert grey([photograph, np.asarray(photograph)]).shape == (2, 8, 8, 1)


def test_sequences_paths_and_arrays(photograph, tmp_path):
    photograph.save(tmp_path / "a.png")
    pixels = np.asarray(photograph)
    got = UNIT([tmp_path / "a.png", str(tmp_path / "a.png"), photograph, pixels])
    assert got.shape == (4, 224, 224, 3)
    assert all(np.array_equal(got[0], image) for image in got)
    assert UNIT([]).shape == (0, 224, 224, 3)


def test_turned_as_exif_says(photograph, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(UNIT(tmp_path / "turned.png"), UNIT(photograph.transpose(Image.Transpose.ROTATE_270)))


def test_another_size_and_json():
    half = TORCHVISION.for_size(112)
    assert (half.size, half.resize) == (112, 128)
    labelled = models.Preprocessing(labels=("cat", "dog"))
    assert models.Preprocessing.from_json(labelled.to_json()) == labelled
    assert models.Preprocessing.from_json(CAFFE.to_json()) == CAFFE
    assert hash(labelled) == hash(models.Preprocessing(labels=("cat", "dog")))


def test_gradient_of_a_batch_needs_no_more(photograph):
    """What comes out is float32, ready for a network."""
    assert jax.numpy.asarray(TORCHVISION(photograph)).dtype == np.float32


ERRORS = [
    (lambda: models.Preprocessing(size=0), "size must be positive"),
    (lambda: models.Preprocessing(resize=200), "resize must be at least size, 224, got 200"),
    (lambda: models.Preprocessing(channels="GBR"), "channels must be one of 'RGB', 'BGR', 'L'"),
    (lambda: models.Preprocessing(interpolation="linear"), "interpolation must be one of"),
    (lambda: models.Preprocessing(mean=(0.5,)), "mean must have 3 numbers for RGB"),
    (lambda: models.Preprocessing(mean=(0.5, float("nan"), 0.5)), "mean must have 3 numbers for RGB"),
    (lambda: models.Preprocessing(size=20_000, resize=None), "size must lie between 1 and 16384, got 20000"),
    (lambda: models.Preprocessing(std=(0.0, 1.0, 1.0)), "scale and std must be positive"),
    (lambda: models.Preprocessing.from_json("[]"), "not the text of one"),
    (lambda: models.Preprocessing.from_json('{"sizes": 3}'), "its entries must be of"),
    (lambda: TORCHVISION(np.zeros((4, 4, 3))), r"arrays must be uint8 .* got float64 \(4, 4, 3\)"),
    (lambda: TORCHVISION(np.zeros((2, 4, 4, 3), np.uint8)), r"got uint8 \(2, 4, 4, 3\)"),
    (lambda: TORCHVISION(Image.new("F", (4, 4))), "pixels are floating point, of a range that is not known"),
    (lambda: TORCHVISION(Image.fromarray(np.full((2, 2), 70_000, np.int32))), "pixels of more than 16 bits"),
    (lambda: TORCHVISION(Image.new("RGB", (0, 3))), "it has no pixels"),
    (
        lambda: TORCHVISION(Image.new("L", (1, 5_000))),
        "is too narrow: its short side resized, it would be 256x12800",
    ),
    (lambda: TORCHVISION("nowhere.png"), r"nowhere\.png cannot be read as an image"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_error(case):
    f, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        f()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"labels": "cat"}', "labels must be a tuple of names, got 'cat'"),
        ('{"labels": ["cat", 3]}', r"labels must be a tuple of names, got \('cat', 3\)"),
        ('{"std": ["1", "1", "1"]}', "std must have 3 numbers for RGB"),
    ],
)
def test_text_of_other_types(text, message, unchecked_types):
    """A file says what it likes; users have no type checks."""
    with pytest.raises(ValueError, match=message):
        models.Preprocessing.from_json(text)


def test_corrupt_image_is_named(photograph, tmp_path):
    path = tmp_path / "broken.jpg"
    photograph.save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read as an image"):
        TORCHVISION([photograph, path])
