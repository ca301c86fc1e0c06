"""`load_weights`, `save_weights`, `create(weights=...)`: reports, refusals, the hub."""

import sys
from types import SimpleNamespace

import _weight_files as files
import jax
import numpy as np
import pytest
from _weight_models import SMALL, arrays_of, as_foreign, saved, scrambled, tiny
from _weight_models import without_compiling as without_compiling
from flax import nnx

from jaxml import models
from jaxml.functional import init
from jaxml.models._weights._layers import entries
from jaxml.models._weights._read import read

pytestmark = pytest.mark.usefixtures("without_compiling")


@pytest.fixture
def relu6(rng):
    return scrambled(tiny(variant="keras"), rng)


def test_own_names_round_trip_with_preprocessing(tmp_path, rng):
    model = scrambled(tiny(), rng)
    model.preprocessing = models.Preprocessing(size=64, resize=72, labels=("a", "b", "c", "d", "e"))
    path = tmp_path / "w.safetensors"
    models.save_weights(model, path)
    other = tiny(1)
    assert models.load_weights(other, path).naming == "own"
    for key, array in arrays_of(model).items():
        np.testing.assert_array_equal(arrays_of(other)[key], array)
    assert other.preprocessing == model.preprocessing
    assert not list(tmp_path.glob("*.part"))
    again = models.create("mobilenet_v1", rngs=nnx.Rngs(2), weights=path, **SMALL)
    assert again.preprocessing == model.preprocessing


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn_separable"])
def test_families_without_foreign_names(name, tmp_path, rng):
    model = scrambled(models.create(name, rngs=nnx.Rngs(0)), rng)
    path = tmp_path / "w.safetensors"
    models.save_weights(model, path)
    other = models.create(name, rngs=nnx.Rngs(1), weights=path)
    assert other.preprocessing is None
    for key, array in arrays_of(model).items():
        np.testing.assert_array_equal(arrays_of(other)[key], array)


def test_create_sets_what_the_weights_need(relu6, tmp_path):
    path = files.as_npz(tmp_path / "w.npz", as_foreign(relu6, "keras"))
    model = models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, **SMALL)
    assert (model.config.variant, model.config.activation) == ("keras", "relu6")
    with pytest.raises(ValueError, match="made with activation='relu6'; this one has activation='relu'"):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, activation="relu", **SMALL)
    with pytest.raises(ValueError, match="has keras names, and such weights are for a model made with padding='SAME'"):
        models.load_weights(tiny(variant="keras", padding=1), path)


def test_saved_from_another_arithmetic(tmp_path):
    path = tmp_path / "w.safetensors"
    models.save_weights(tiny(eps=1e-5), path)
    with pytest.raises(ValueError, match=r"was saved from a model made with eps=1e-05; this one has eps=0\.001"):
        models.load_weights(tiny(), path)
    assert models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, **SMALL).config.eps == 1e-5


def test_report_and_all_or_nothing(relu6, tmp_path):
    found = as_foreign(relu6, "keras")
    del found["conv1_bn/gamma"]
    found["conv_pw_1/kernel"] = found["conv_pw_1/kernel"][..., :1]
    found["conv_pw_2/kernel"] = found["conv_pw_2/kernel"].astype(np.int32)
    found["conv_pw_3/kernel"] = found["conv_pw_3/kernel"] * np.nan
    found["another/kernel"] = np.zeros(3, np.float32)
    path = files.as_npz(tmp_path / "w.npz", found)
    model = tiny(1, variant="keras")
    before = arrays_of(model)
    with pytest.raises(ValueError, match="nothing was changed") as error:
        models.load_weights(model, path)
    for part in (
        "1 missing in the file: stem.norm.scale (conv1_bn/gamma)",
        "1 unused, the model has none such: another/kernel",
        "3 cannot be used: conv_pw_1/kernel is (1, 1, 1, 1) in our layout, blocks.0.pointwise.w is (1, 1, 1, 2)",
        "conv_pw_2/kernel is int32, not floating point",
        "conv_pw_3/kernel has entries that are not finite",
    ):
        assert part in str(error.value)
    for key, array in arrays_of(model).items():
        np.testing.assert_array_equal(before[key], array)
    report = models.load_weights(model, path, strict=False)
    assert not report.ok and report.missing == ("stem.norm.scale (conv1_bn/gamma)",)
    assert report.unused == ("another/kernel",) and len(report.misfits) == 3
    assert len(report.loaded) == len(entries(model)) - 4
    np.testing.assert_array_equal(arrays_of(model)["stem.conv.w"], arrays_of(relu6)["stem.conv.w"])
    np.testing.assert_array_equal(arrays_of(model)["stem.norm.scale"], before["stem.norm.scale"])


def test_ignore_keeps_a_new_head(relu6, tmp_path):
    path = files.as_npz(tmp_path / "w.npz", as_foreign(relu6, "keras"))
    options = {**SMALL, "num_classes": 3}
    with pytest.raises(ValueError, match=r"2 cannot be used: .*conv_preds/kernel is \(32, 5\) in our layout, head.w"):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, **options)
    model = models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, ignore="head.*", **options)
    np.testing.assert_array_equal(arrays_of(model)["blocks.3.depthwise.w"], arrays_of(relu6)["blocks.3.depthwise.w"])
    by_name = models.load_weights(model, path, ignore=["conv_preds/*"])
    assert by_name.ok and set(by_name.ignored) == {"head.w", "head.b"}


def test_what_the_weights_hold_is_not_drawn_before(relu6, tmp_path, monkeypatch):
    """A start for each shape is a compiled program; only a new head needs one, and it is as random as ever."""
    path = files.as_npz(tmp_path / "w.npz", as_foreign(relu6, "keras"))
    computed = []

    def start(**options):
        def draw(key, shape, dtype):
            computed_here = lambda key: computed.append(tuple(shape)) or np.full(shape, 0.5, dtype)  # noqa: E731
            return jax.pure_callback(computed_here, jax.ShapeDtypeStruct(shape, dtype), jax.random.key_data(key))

        return draw

    monkeypatch.setattr(init, "he_normal", start)
    monkeypatch.setattr(init, "lecun_normal", start)
    models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, **SMALL)
    assert computed == []
    options = {**SMALL, "num_classes": 3}
    model = models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, ignore="head.*", **options)
    assert computed == [(32, 3)]
    np.testing.assert_array_equal(model.head.w[...], 0.5)
    np.testing.assert_array_equal(model.head.b[...], 0)


def test_background_class_is_dropped(tmp_path, rng):
    model = scrambled(tiny(activation="relu6", num_classes=1000), rng)
    found = as_foreign(model, "slim")
    head = "MobilenetV1/Logits/Conv2d_1c_1x1"
    found[f"{head}/weights"] = np.pad(found[f"{head}/weights"], ((0, 0), (0, 0), (0, 0), (1, 0)))
    found[f"{head}/biases"] = np.pad(found[f"{head}/biases"], (1, 0))
    found["global_step"] = np.zeros(1, np.float32)
    other = tiny(1, activation="relu6", num_classes=1000)
    assert models.load_weights(other, files.as_npz(tmp_path / "w.npz", found)).ok
    np.testing.assert_array_equal(arrays_of(other)["head.w"], arrays_of(model)["head.w"])


def test_half_precision_is_cast_and_prefix_dropped(tmp_path, rng):
    model = scrambled(tiny(), rng)
    found = {f"module.{key}": array.astype(np.float16) for key, array in arrays_of(model).items()}
    other = tiny(1)
    assert models.load_weights(other, files.as_npz(tmp_path / "w.npz", found)).ok
    for key, array in arrays_of(other).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, found[f"module.{key}"])


def test_bfloat16_there_and_back(tmp_path, rng):
    model = scrambled(models.create("linear", rngs=nnx.Rngs(0)), rng)
    model.head.w = nnx.Param(model.head.w[...].astype(jax.numpy.bfloat16))
    model.head.b = nnx.Param(model.head.b[...].astype(jax.numpy.bfloat16))
    path = saved(tmp_path, model)
    assert {array.dtype.name for array in read(path).values()} == {"bfloat16"}
    other = models.create("linear", rngs=nnx.Rngs(1), weights=path)
    assert other.head.w[...].dtype == np.float32
    np.testing.assert_array_equal(other.head.w[...], model.head.w[...].astype(np.float32))


def test_another_architecture(tmp_path):
    path = files.as_npz(tmp_path / "w.npz", {"encoder.w": np.zeros(3), "decoder.w": np.zeros(3)})
    with pytest.raises(
        ValueError, match=r"of another architecture than MobileNetV1: of its 2 names \(encoder.w, decoder.w, ...\) none"
    ):
        models.load_weights(tiny(), path)
    with pytest.raises(ValueError, match="does not fit MobileNetV1; nothing was changed"):
        models.load_weights(tiny(width_multiplier=0.0625), saved(tmp_path, tiny()))


def test_save_refuses(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.safetensors"):
        models.save_weights(tiny(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match="Empty has no parameters"):
        models.save_weights(Empty(), tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="Empty has no parameters"):
        models.load_weights(Empty(), saved(tmp_path, tiny()))


def test_folded_models_are_refused(tmp_path):
    path = saved(tmp_path, tiny())
    folded = tiny()
    folded.folded = True  # as `fold_batch_norm` marks its copies
    with pytest.raises(
        ValueError, match="load_weights: the batch norms of this MobileNetV1 are folded; load the weights"
    ):
        models.load_weights(folded, path)
    with pytest.raises(ValueError, match="save_weights: the batch norms of this MobileNetV1 are folded into its conv"):
        models.save_weights(folded, path)


class Empty(nnx.Module):
    pass


def test_weights_that_are_not_there():
    with pytest.raises(FileNotFoundError, match=r"weights nothing\.pth are not there; no network is made without them"):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights="nothing.pth")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth is not there"):
        models.load_weights(tiny(), "nothing.pth")


def test_missing_package_is_said(tmp_path, monkeypatch):
    path = saved(tmp_path, tiny())
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"load_weights: needs safetensors; install it with pip install 'jaxml-nn\[w"):
        read(path)


# The hub, of which a stand-in keeps the calls: the real one cannot be reached from the machines that test.
class Hub(SimpleNamespace):
    def __init__(self, folder, listed, error=None):
        super().__init__(folder=folder, listed=listed, error=error, calls=[])

    def list_repo_files(self, repo, *, revision):
        if self.error:
            raise self.error
        return self.listed

    def hf_hub_download(self, repo, file, *, revision):
        self.calls.append((repo, file, revision))
        if self.error:
            raise self.error
        return str(self.folder / file)


def test_hub(tmp_path, monkeypatch, rng):
    model = scrambled(tiny(), rng)
    models.save_weights(model, tmp_path / "model.safetensors")
    hub = Hub(tmp_path, ["README.md", "model.safetensors", "extra.safetensors", "pytorch_model.bin"])
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    for asked, file, revision in [
        ("hub:owner/repo", "model.safetensors", None),
        ("hub:owner/repo@v1.0", "model.safetensors", "v1.0"),
        ("hub:owner/repo@main/model.safetensors", "model.safetensors", "main"),
        ("hub:owner/repo/model.safetensors", "model.safetensors", None),
    ]:
        made = models.create("mobilenet_v1", rngs=nnx.Rngs(1), weights=asked, **SMALL)
        np.testing.assert_array_equal(arrays_of(made)["head.w"], arrays_of(model)["head.w"])
        assert hub.calls[-1] == ("owner/repo", file, revision)


@pytest.mark.parametrize(
    ("asked", "hub", "kind", "message"),
    [
        (
            "hub:repo",
            None,
            ValueError,
            r"weights must be a path or hub:owner/repo\[@revision\]\[/file\], got 'hub:repo'",
        ),
        (
            "hub:a/b",
            Hub(None, [], OSError("no route")),
            ConnectionError,
            "cannot be had: OSError: no route. Without a net",
        ),
        ("hub:a/b", Hub(None, ["a.h5", "b.h5"]), ValueError, r"has several files of weights, name one: a\.h5, b\.h5"),
        ("hub:a/b", Hub(None, ["README.md"]), ValueError, r"has no file of weights; its files are README\.md"),
    ],
)
def test_hub_failure_is_loud(asked, hub, kind, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(kind, match=message):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=asked)


def test_hub_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        ImportError, match=r"create: needs huggingface_hub; install it with pip install 'jaxml-nn\[hub\]'"
    ):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights="hub:a/b")


LIES = [
    ("jaxml.preprocessing", "{", "Preprocessing: not the text of one"),
    ("jaxml.preprocessing", '{"size": -1}', "Preprocessing: not the text of one"),
    ("jaxml.preprocessing", '{"size": 100000000, "resize": null}', "size must lie between 1 and 16384"),
    ("jaxml.preprocessing", '{"labels": ["cat", "dog"]}', "has 2 labels for 5 classes"),
    ("jaxml.config", "{", r"its jaxml\.config is no JSON"),
    ("jaxml.config", "[1]", r"its jaxml\.config must be an object of variant, padding, activation, eps, it is \[1\]"),
    ("jaxml.config", '{"eps": "x"}', r"its jaxml\.config must be an object"),
    ("jaxml.config", '{"depth": 3}', r"its jaxml\.config must be an object"),
]


@pytest.mark.parametrize(("key", "text", "message"), LIES)
def test_metadata_that_lies(key, text, message, tmp_path):
    path = files.as_safetensors(tmp_path / "w.safetensors", arrays_of(tiny()), {key: text})
    with pytest.raises(ValueError, match=rf"^load_weights: .*w\.safetensors.*{message}"):
        models.load_weights(tiny(), path)


def test_labels_stay_behind_with_the_head(tmp_path):
    metadata = {"jaxml.preprocessing": '{"labels": ["a", "b", "c", "d"]}'}
    path = files.as_safetensors(tmp_path / "w.safetensors", arrays_of(tiny()), metadata)
    model = tiny()
    models.load_weights(model, path, ignore="head.*")
    assert model.preprocessing == models.Preprocessing()
