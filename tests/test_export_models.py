"""`models.export`: files that any JAX runs, for any batch and platform, without jaxml."""

import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import models, nn

# In a process of its own: JAX and numpy alone.
RUN = """
import sys, numpy as np, jax, jax.export
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
for n in (1, 3):
    x = np.load(sys.argv[2])[:n]
    np.save(f"{sys.argv[1]}.{n}.npy", np.asarray(exported.call(x)))
assert not [name for name in sys.modules if name.startswith(("jaxml", "flax"))]
"""


def small(**options):
    return models.create("cnn_separable", rngs=nnx.Rngs(0), widths=(2, 4), strides=(1, 2), num_classes=3, **options)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    model = small()
    model.preprocessing = models.Preprocessing(size=8, resize=None, mean=(0.5,), std=(0.5,), channels="L")
    return model, models.export(model, tmp_path_factory.mktemp("exported") / "small.jax")


def test_any_batch(written, rng):
    model, path = written
    again = models.load_exported(path)
    for n in (1, 4):
        x = jnp.asarray(rng.normal(size=(n, 8, 8, 1)), jnp.float32)
        np.testing.assert_allclose(again(x), model(x), rtol=1e-5, atol=1e-6)


def test_metadata(written):
    model, path = written
    found = models.load_exported(path).metadata
    assert found == json.loads((path.parent / "small.jax.json").read_text())
    assert found.pop("jax") == jax.__version__
    assert models.Preprocessing.from_json(json.dumps(found.pop("preprocessing"))) == model.preprocessing
    assert found == {
        "format": 1, "family": "cnn", "input_shape": [None, 8, 8, 1], "input_dtype": "float32",
        "output_shape": [[None, 3]], "num_classes": 3, "params": nn.count_params(nn.functionalize(model)[1]),
        "platforms": ["cpu", "cuda", "tpu"], "folded": False,
    }  # fmt: skip


def test_each_platform_has_its_own_depthwise(written):
    """Shifted products on the CPU, XLA's grouped convolution where nobody has measured; the file chooses."""
    _, path = written
    everywhere = models.load_exported(path).exported.mlir_module()
    apply, params, state = nn.functionalize(written[0])

    def grouped(platform):
        x = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32)
        f = jax.jit(lambda x: apply(params, state, x)[0])
        return len(
            re.findall(r"feature_group_count = 2\b", jax.export.export(f, platforms=(platform,))(x).mlir_module())
        )

    assert (grouped("cpu"), grouped("cuda"), grouped("tpu")) == (0, 1, 1)
    assert "stablehlo.case" in everywhere and re.search(r"feature_group_count = 2\b", everywhere)


def test_other_models_and_dtypes(tmp_path):
    """A model without a configuration, folded, in bfloat16, for one platform."""
    rngs = nnx.Rngs(0)
    model = nn.Sequential(nn.Conv(2, 3, 3, rngs=rngs), nn.BatchNorm(3), F.relu)
    folded = models.fold_batch_norm(model)
    path = models.export(folded, tmp_path / "m", input_shape=(4, 4, 2), dtype=jnp.bfloat16, platforms=("cpu",))
    again = models.load_exported(path)
    assert (again.metadata["folded"], again.metadata["platforms"]) == (True, ["cpu"])
    assert again(jnp.ones((2, 4, 4, 2), jnp.bfloat16)).dtype == jnp.bfloat16


def test_errors(tmp_path, written, unchecked_types):
    with pytest.raises(TypeError, match=r"^export: model must be an nnx.Module, got dict"):
        models.export({}, tmp_path / "m")
    with pytest.raises(
        ValueError, match=r"^export: input_shape must be given, since this Flatten has no configuration"
    ):
        models.export(nn.Flatten(), tmp_path / "m")
    with pytest.raises(ValueError, match=r"^export: input_shape must be positive"):
        models.export(nn.Flatten(), tmp_path / "m", input_shape=(0, 3))
    with pytest.raises(ValueError, match=r"^export: platforms must be of 'cpu', 'cuda', 'rocm', 'tpu', got 'gpu'"):
        models.export(nn.Flatten(), tmp_path / "m", input_shape=(3,), platforms=("gpu",))
    with pytest.raises(FileNotFoundError):
        models.load_exported(tmp_path / "none")
    (tmp_path / "damaged").write_bytes(written[1].read_bytes()[:100])
    with pytest.raises(ValueError, match=r"^load_exported: .*damaged is no artifact of jax.export that can be read"):
        models.load_exported(tmp_path / "damaged")
    again = models.load_exported(written[1])
    for x in (jnp.ones((8, 8, 1)), jnp.ones((1, 8, 8, 3)), jnp.ones((1, 8, 8, 1), jnp.int32)):
        with pytest.raises(ValueError, match=r"^exported model: x must be \(N, 8, 8, 1\) of float32, got \("):
            again(x)
    assert list(tmp_path.iterdir()) == [tmp_path / "damaged"]


@pytest.mark.slow
def test_a_process_without_jaxml(tmp_path, rng):
    """MobileNetV2 with its weights inside, on an image of 64, in a process that has JAX and numpy alone."""
    model = models.create("mobilenet_v2", rngs=nnx.Rngs(0), width_multiplier=0.1, num_classes=5, image_size=64)
    path = models.export(model, tmp_path / "model")
    x = rng.normal(size=(3, 64, 64, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(tmp_path / "x.npy")], check=True, timeout=120, cwd=tmp_path
    )
    apply, params, state = nn.functionalize(model)
    for n in (1, 3):
        expected = jax.jit(apply)(params, state, jnp.asarray(x[:n]))[0]
        got = np.load(f"{path}.{n}.npy")
        assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
