"""Residual networks: blocks, options, activations by name; that they train."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn

TINY = {"num_classes": 3, "widths": (4, 8), "depths": (1, 1), "in_channels": 2}
X = (2, 6, 6, 2)


def tiny(block="bottleneck", **options):
    return models.ResNet(models.ResNetConfig(block=block, **TINY, **options), rngs=nnx.Rngs(0))


def test_layers_of_resnet50():
    """Table 1 of the paper: what comes out of the stem and of each block, at 224."""
    apply, params, state = nn.abstract(lambda: models.create("resnet50", rngs=nnx.Rngs(0)))
    model = models.ResNetConfig.resnet50()
    names = ("stem", *(f"blocks/{i}" for i in range(16)), "features", "pool")
    x = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    (logits, taps), _ = jax.eval_shape(partial(apply, taps=names), params, state, x)
    sides = [112] + [56] * 3 + [28] * 4 + [14] * 6 + [7] * 3
    channels = [64, *(block.out_features for block in model.blocks)]
    assert channels[1:] == [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
    shapes = {name: (1, side, side, c) for name, side, c in zip(names, sides, channels, strict=False)}
    shapes |= {"features": (1, 7, 7, 2048), "pool": (1, 2048)}
    assert {name: x.shape for name, x in taps.items()} == shapes
    assert logits.shape == (1, 1000)


@pytest.mark.parametrize("preactivation", [False, True])
def test_remat_is_the_same_step(preactivation, rng):
    """The loss, its gradient and the statistics after it; nothing is computed otherwise."""
    x = jnp.asarray(rng.normal(size=X), jnp.float32)
    results = []
    for remat in (False, True):
        apply, params, state = nn.functionalize(
            tiny("basic", stem="cifar", preactivation=preactivation, remat=remat, stochastic_depth=0.5)
        )

        def loss(params, apply=apply, state=state):
            logits, new = apply(params, state, x, train=True)
            return jnp.sum(logits * jnp.arange(3.0).reshape(1, 3)), new

        compiler_options = {"xla_backend_optimization_level": 0}
        results.append(jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=compiler_options)(params))
    before = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    after = [leaf for leaf in jax.tree.leaves(results[1][0][1]) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_stage_taps():
    assert models.create("resnet18", rngs=nnx.Rngs(0), widths=(2, 2, 2, 2)).stage_taps == (
        "stem",
        *(f"blocks/{i}" for i in (1, 3, 5, 7)),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "tensorflow"}, r"^ResNet: variant must be one of 'torchvision', 'keras', 'paper'"),
        ({"block": "botleneck"}, r"^ResNet: block must be one of .*did you mean 'bottleneck'"),
        ({"depths": (1, 1), "widths": (4,)}, r"^ResNet: the number of widths must be 2, got 1"),
        ({"pool": "mean"}, r"^ResNet: pool must be one of 'avg', 'max', 'none', got 'mean'"),
        ({"shortcut": "pad", "widths": (8, 4)}, r"^ResNet: shortcut='pad' needs widths that never fall, got \(8, 4\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        models.ResNetConfig(**({"depths": (1, 1), "widths": (4, 8)} | options))


def test_errors_of_taps():
    model = tiny()
    with pytest.raises(ValueError, match=r"^ResNet: tap must be one of .*'blocks/1', .*got 'block/1'"):
        jax.eval_shape(partial(model, taps=("block/1",)), jnp.ones(X))
    with pytest.raises(
        ValueError, match=r"^ResNet: taps must be a sequence of names, got 'pool'; write taps=\('pool',"
    ):
        jax.eval_shape(partial(model, taps="pool"), jnp.ones(X))
