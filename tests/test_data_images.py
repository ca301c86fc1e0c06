"""Augmentation: what each function does to pixels, from one key, compiled, and what it refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import data

KEY = jax.random.key(0)
EVERY = {
    "flip": data.random_flip, "crop": partial(data.random_crop, padding=2), "erasing": data.random_erasing,
    "brightness": partial(data.random_brightness, delta=0.3), "contrast": data.random_contrast,
    "affine": partial(data.random_affine, degrees=20.0, shift=0.1, scale=(0.8, 1.2), shear=10.0),
}  # fmt: skip


def images(n=16, h=8, w=6, dtype=jnp.float32):
    """Pixels that are all different, so that each can be found again."""
    return (jnp.arange(n * h * w * 2, dtype=jnp.float32).reshape(n, h, w, 2) / 100).astype(dtype)


@pytest.mark.parametrize("name", EVERY)
def test_pure_compiled_and_one_draw_an_image(name):
    f, x = EVERY[name], images()
    compiled = jax.jit(f)
    z = compiled(KEY, x)
    np.testing.assert_allclose(z, f(KEY, x), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(z, compiled(KEY, x))
    assert (z.shape, z.dtype) == (x.shape, x.dtype)
    assert (np.asarray(z) != np.asarray(compiled(jax.random.key(1), x))).any()
    same = np.asarray(compiled(KEY, jnp.broadcast_to(x[:1], x.shape)))
    assert len({image.tobytes() for image in same}) > 1, "images of one batch must not be changed alike"
    for like in (images(2, dtype=jnp.bfloat16), x[:0]):
        got = jax.eval_shape(f, KEY, like)
        assert (got.shape, got.dtype) == (like.shape, like.dtype)


def test_flip():
    x = images()
    for axis in (1, 2):
        z = np.asarray(data.random_flip(KEY, x, axis=axis))
        kinds = [
            (np.array_equal(a, b), np.array_equal(a, np.flip(b, axis - 1)))
            for a, b in zip(z, np.asarray(x), strict=True)
        ]
        assert set(kinds) == {(True, False), (False, True)}
    np.testing.assert_array_equal(data.random_flip(KEY, x, rate=0.0), x)
    np.testing.assert_array_equal(data.random_flip(KEY, x, rate=1.0), x[:, :, ::-1])


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_crop_is_a_window_of_the_padded_image(mode):
    x = images()
    z = np.asarray(data.random_crop(KEY, x, padding=1, output_size=(7, 5), mode=mode))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode)
    places = set()
    for image, whole in zip(z, padded, strict=True):
        found = [(i, j) for i in range(4) for j in range(4) if np.array_equal(image, whole[i : i + 7, j : j + 5])]
        assert len(found) == 1
        places |= set(found)
    assert {i for i, _ in places} == {j for _, j in places} == {0, 1, 2, 3}


def test_erasing():
    x = 1 + images(64, 20, 20)
    z = np.asarray(data.random_erasing(KEY, x, rate=1.0, area=(0.1, 0.3), value=-1.0))
    shares = []
    for image, before in zip(z, np.asarray(x), strict=True):
        gone = image[..., 0] == -1
        rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
        assert gone.sum() == len(rows) * len(columns) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        np.testing.assert_array_equal(image[~gone], before[~gone])
        shares.append(gone.mean())
    assert 0.05 < min(shares) < max(shares) < 0.36 and abs(np.mean(shares) - 0.2) < 0.04
    kept = np.asarray(data.random_erasing(KEY, x, rate=0.25) == x).all((1, 2, 3)).mean()
    assert abs(kept - 0.75) < 0.2


def test_brightness_and_contrast():
    x = images()
    added = np.asarray(data.random_brightness(KEY, x, delta=0.5) - x)
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-5 and np.abs(added).max() <= 0.5 and np.ptp(added) > 0.3
    z = data.random_contrast(KEY, x, low=0.5, high=2.0)
    np.testing.assert_allclose(z.mean((1, 2)), x.mean((1, 2)), rtol=1e-4)
    factors = np.asarray(z.std((1, 2)) / x.std((1, 2)))
    np.testing.assert_allclose(factors[:, 0], factors[:, 1], rtol=1e-3)
    assert factors.min() > 0.499 and factors.max() < 2.001 and np.ptp(factors) > 0.5


def fixed(monkeypatch, *draws):
    """`random_affine` with these draws (angle, shear, scale, right, down) in place of random ones."""
    left = list(draws)
    monkeypatch.setattr(
        "jaxml.data._images._uniform", lambda key, x, low, high: jnp.full((len(x), 1, 1, 1), left.pop(0))
    )


def test_affine_moves_pixels_where_it_says(monkeypatch):
    """A quarter turn, whole shifts and a factor of 2 land on pixels, so they are known exactly."""
    oblong = images(2, 4, 8)
    fixed(monkeypatch, np.pi / 2, 0.0, 1.0, 0.0, 0.0)
    z = data.random_affine(KEY, oblong, degrees=1.0)
    np.testing.assert_allclose(z[:, :, 2:6], jnp.rot90(oblong[:, :, 2:6], 1, (1, 2)), atol=1e-3)
    fixed(monkeypatch, 0.0, 0.0, 1.0, 2 * 2 / 8, 2 * 1 / 4)
    z = data.random_affine(KEY, oblong, shift=0.5)
    np.testing.assert_allclose(z[:, 1:, 2:], oblong[:, :-1, :-2], atol=1e-3)
    np.testing.assert_allclose(z[:, 0], 0, atol=1e-3)
    fixed(monkeypatch, 0.0, 0.0, 0.5, 0.0, 0.0)
    z = data.random_affine(KEY, oblong, scale=(0.5, 0.5))
    pooled = oblong.reshape(2, 2, 2, 4, 2, 2).mean((2, 4))
    np.testing.assert_allclose(z[:, 1:3, 2:6], pooled, atol=1e-3)
    fixed(monkeypatch, 0.0, np.pi / 4, 1.0, 0.0, 0.0)
    z = data.random_affine(KEY, oblong, shear=45.0)
    # Slope 1: a row moves by as many pixels as it is away from the middle, which here is half a pixel more.
    between = (oblong[:, 2, 1:] + oblong[:, 2, :-1]) / 2
    np.testing.assert_allclose(z[:, 2, :-1], between, atol=1e-3)


def test_affine_is_differentiable():
    slope = jax.jit(jax.grad(lambda x: data.random_affine(KEY, x, degrees=10.0).sum()))(images(2))
    assert np.isfinite(slope).all() and (slope != 0).any()


def test_augment():
    augment = data.Augment(EVERY["flip"], EVERY["crop"], lambda key, x: x + jax.random.uniform(key, (), x.dtype))
    x = images()
    z = jax.jit(augment)(KEY, x)
    np.testing.assert_allclose(z, augment(KEY, x), rtol=1e-6)
    assert (z != augment(jax.random.key(1), x)).any()
    twice = data.Augment(EVERY["brightness"], EVERY["brightness"])(KEY, x) - x
    once = data.Augment(EVERY["brightness"])(KEY, x) - x
    assert np.abs(twice - 2 * once).max() > 1e-3, "each step has a key of its own"


X = jnp.ones((2, 8, 8, 3))
ERRORS = [
    (lambda: data.random_flip(KEY, X[0]), ValueError, r"random_flip: x must have 4 axes \(N, H, W, C\), got 3"),
    (lambda: data.random_flip(KEY, X.astype(jnp.uint8)), TypeError, "random_flip: x must be floating point, got uint8"),
    (lambda: data.random_flip(None, X), TypeError, "random_flip: key must be a jax.random.key, got None"),
    (lambda: data.random_flip(KEY, X, rate=1.5), ValueError, "random_flip: rate must lie between 0 and 1"),
    (lambda: data.random_flip(KEY, X, axis=3), ValueError, "random_flip: axis must be one of 1, 2"),
    (lambda: data.random_crop(KEY, X, padding=-1), ValueError, "random_crop: padding must be at least 0"),
    (lambda: data.random_crop(KEY, X, mode="wrap"), ValueError, "random_crop: mode must be one of"),
    (lambda: data.random_crop(KEY, X, output_size=0), ValueError, "random_crop: output_size must be positive"),
    (lambda: data.random_crop(KEY, X, output_size=11, padding=1), ValueError, "random_crop: output_size must fit into"),
    (lambda: data.random_erasing(KEY, X, rate=-1.0), ValueError, "random_erasing: rate must lie between 0 and 1"),
    (lambda: data.random_erasing(KEY, X, area=(0.0, 0.1)), ValueError, "random_erasing: area must be finite and above"),
    (lambda: data.random_erasing(KEY, X, area=(0.5, 1.1)), ValueError, "random_erasing: area must lie between 0.5"),
    (lambda: data.random_erasing(KEY, X, ratio=(2.0, 1.0)), ValueError, "random_erasing: ratio must be at least 2.0"),
    (lambda: data.random_brightness(KEY, X, delta=-0.1), ValueError, "random_brightness: delta must be at least 0"),
    (lambda: data.random_contrast(KEY, X, low=-0.1), ValueError, "random_contrast: low must be at least 0"),
    (lambda: data.random_contrast(KEY, X, low=2.0), ValueError, "random_contrast: high must be at least 2.0"),
    (lambda: data.random_affine(KEY, X, degrees=-1.0), ValueError, "random_affine: degrees must be at least 0"),
    (lambda: data.random_affine(KEY, X, shift=-1.0), ValueError, "random_affine: shift must be at least 0"),
    (lambda: data.random_affine(KEY, X, shear=90.0), ValueError, "random_affine: shear must lie between 0 and 89"),
    (lambda: data.random_affine(KEY, X, scale=(0.0, 1.0)), ValueError, "random_affine: scale must be finite and above"),
    (lambda: data.random_affine(KEY, X, scale=(2.0, 1.0)), ValueError, "random_affine: scale must be at least 2.0"),
    (lambda: data.random_affine(KEY, X, scale=(1.0,)), ValueError, "random_affine: the length of scale must be 2"),
    (lambda: data.random_affine(KEY, X, mode="cubic"), ValueError, "mode must be one of 'nearest', 'bilinear'"),
    (lambda: data.Augment(), ValueError, "Augment: at least one function"),
    (lambda: data.Augment(3), TypeError, "Augment: a function of .key, x. must be given, got 3"),
    (lambda: data.Augment(data.random_flip)(None, X), TypeError, "Augment: key must be a jax.random.key, got None"),
]  # fmt: skip


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_error(case):
    f, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        f()
