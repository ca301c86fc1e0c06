"""`models.fold_batch_norm`: the same outputs from fewer layers; what cannot be folded stays; the model is untouched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import models, nn
from jaxml.nn._scope import members


def norms(model):
    return [module for _, module in members(model) if isinstance(module, nn.BatchNorm)]


def trained(model, rng):
    """The model as if it had been trained: no statistic, scale or shift is what it starts as."""
    for norm in norms(model):
        shape = norm.mean[...].shape
        for variable, value in [
            (norm.mean, rng.normal(0, 0.1, shape)),
            (norm.var, rng.uniform(0.5, 2, shape)),
            (norm.scale, rng.uniform(0.5, 1.5, shape)),
            (norm.bias, rng.normal(0, 0.1, shape)),
        ]:
            variable[...] = jnp.asarray(value, jnp.float32)
    return model


TINY = {"depths": (1, 1), "widths": (4, 8), "num_classes": 3}
# A model, how many batch norms it has and how many are left.
CASES = {
    "separable": (lambda r: models.create("cnn_separable", rngs=r, widths=(4, 6), strides=(1, 2)), 3, 0),
    "basic": (lambda r: models.ResNet(models.ResNetConfig(block="basic", in_channels=1, **TINY), rngs=r), 6, 0),
    "keras": (  # biases beside the norms
        lambda r: models.ResNet(models.ResNetConfig(variant="keras", in_channels=1, **TINY), rngs=r), 9, 0,
    ),
    "preactivation": (
        lambda r: models.ResNet(
            models.ResNetConfig(preactivation=True, variant="keras", in_channels=1, stem="cifar", **TINY), rngs=r
        ), 7, 3,
    ),
    "mobilenet_v1": (lambda r: models.create("mobilenet_v1", rngs=r, width_multiplier=0.1, in_channels=1), 27, 0),
    "mobilenet_v2": (lambda r: models.create("mobilenet_v2", rngs=r, width_multiplier=0.1, in_channels=1), 52, 0),
    "mobilenet_v3": (lambda r: models.create("mobilenet_v3_small", rngs=r, width_multiplier=0.1, in_channels=1), 32, 0),
    "sequential": (
        lambda r: nn.Sequential(
            nn.Conv(1, 4, 3, rngs=r), nn.BatchNorm(4), F.relu, nn.BatchNorm(4),
            nn.Sequential(nn.ConvTranspose(4, 6, 2, groups=2, use_bias=False, rngs=r), nn.BatchNorm(6, use_scale=True)),
        ), 3, 1,
    ),
}  # fmt: skip
SLOW = {"mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "keras"}


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.slow if c in SLOW else ()) for c in CASES])
def test_outputs_are_equal(case, rng):
    build, before, after = CASES[case]
    model = trained(build(nnx.Rngs(0)), rng)
    x = jnp.asarray(rng.normal(size=(2, 16, 16, 1)), jnp.float32)
    apply, params, state = nn.functionalize(model)
    expected = jax.jit(apply)(params, state, x)[0]
    folded = models.fold_batch_norm(model)
    assert (len(norms(model)), len(norms(folded))) == (before, after)
    apply, params, state = nn.functionalize(folded)
    got = jax.jit(apply)(params, state, x)[0]
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()
    # The model is as it was.
    apply, params, state = nn.functionalize(model)
    np.testing.assert_array_equal(jax.jit(apply)(params, state, x)[0], expected)


def test_a_folded_model_is_for_inference():
    model = models.create("cnn", rngs=nnx.Rngs(0), widths=(4,), strides=(1,))
    folded = models.fold_batch_norm(model)
    x = jnp.ones((1, 8, 8, 1))
    with pytest.raises(ValueError, match=r"^fold_batch_norm: a folded model is for inference; train the model it was"):
        folded(x, train=True)
    with pytest.raises(ValueError, match=r"^fold_batch_norm: this CNN is folded already"):
        models.fold_batch_norm(folded)
    model(x, train=True)  # which still trains
    assert not getattr(model, "folded", False) and folded.folded


def test_nothing_to_fold():
    for model in (models.create("mlp", rngs=nnx.Rngs(0)), nn.Sequential(nn.BatchNorm(3), F.relu)):
        with pytest.raises(ValueError, match=r"^fold_batch_norm: this \w+ has no nn.BatchNorm behind a convolution"):
            models.fold_batch_norm(model)


def test_weights_are_loaded_before(tmp_path):
    model = models.create("cnn", rngs=nnx.Rngs(0), widths=(4,), strides=(1,))
    np.savez(tmp_path / "w.npz", x=np.ones(1))
    with pytest.raises(ValueError, match=r"^load_weights: .*folded.* load the weights (first|before)"):
        models.load_weights(models.fold_batch_norm(model), tmp_path / "w.npz")
