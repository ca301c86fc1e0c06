"""Residual networks: what the blocks compute, and what the options change."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import models, nn
from jaxml.models._registry import OneKey
from jaxml.models._resnet_blocks import padded_shortcut

TINY = {"num_classes": 3, "widths": (4, 8), "depths": (1, 1), "in_channels": 2}
X = (2, 6, 6, 2)


def tiny(block="basic", **options):
    return models.ResNet(models.ResNetConfig(block=block, **TINY | {"stem": "cifar"} | options), rngs=nnx.Rngs(0))


def x_like(rng, *shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


@pytest.mark.parametrize("name", ["resnet50", "resnet50_v2"])
def test_layers_of_resnet50(name):
    """Table 1 of the paper: what comes out of the stem and of each block, at 224."""
    config = getattr(models.ResNetConfig, name)()
    apply, params, state = nn.abstract(lambda: models.ResNet(config, rngs=OneKey(0)))
    names = ("stem", *(f"blocks/{i}" for i in range(16)), "features", "pool")
    x = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    (logits, taps), _ = jax.eval_shape(partial(apply, taps=names), params, state, x)
    sides = [112] + [56] * 3 + [28] * 4 + [14] * 6 + [7] * 3
    channels = [64] + [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
    shapes = {name: (1, side, side, c) for name, side, c in zip(names, sides, channels, strict=False)}
    shapes |= {"features": (1, 7, 7, 2048), "pool": (1, 2048)}
    assert {name: x.shape for name, x in taps.items()} == shapes
    assert logits.shape == (1, 1000)


def test_where_the_stride_is():
    """In the 3x3 of a stage's first block, in its first 1x1, or (Keras's version 2) in the 3x3 of the last but one."""

    def strides(**options):
        config = models.ResNetConfig(depths=(2, 2), widths=(2, 4), **options)
        blocks = models.ResNet(config, rngs=nnx.Rngs(0)).blocks
        return [tuple(conv.stride[0] for conv in block.convs) for block in blocks]

    plain = (1, 1, 1)
    assert strides() == [plain, plain, (1, 2, 1), plain]
    assert strides(variant="paper") == strides(variant="keras") == [plain, plain, (2, 1, 1), plain]
    assert strides(preactivation=True) == strides(preactivation=True, variant="paper") == strides()
    assert strides(preactivation=True, variant="keras") == [plain, (1, 2, 1), plain, plain]


def test_variants_reach_every_layer():
    """Epsilon, momentum and biases; and what the configuration says itself goes before the variant."""
    for variant, (eps, momentum), biased in [
        ("torchvision", (1e-5, 0.9), 0),
        ("paper", (1e-5, 0.9), 0),
        ("keras", (1.001e-5, 0.99), 1 + 2 * 2 + 1),
    ]:
        model = tiny(variant=variant)
        modules = [m for _, m in nnx.iter_modules(model)]
        assert {(m.eps, m.momentum) for m in modules if isinstance(m, nn.BatchNorm)} == {(eps, momentum)}
        assert sum(m.b is not None for m in modules if isinstance(m, nn.Conv)) == biased
    norms = [m for _, m in nnx.iter_modules(tiny(eps=0.5, momentum=0.7)) if isinstance(m, nn.BatchNorm)]
    assert {(m.eps, m.momentum) for m in norms} == {(0.5, 0.7)}


def test_implementation_and_axis_reach_every_layer():
    modules = [m for _, m in nnx.iter_modules(tiny(implementation="xla", axis_name="data"))]
    assert {m.implementation for m in modules if isinstance(m, nn.Conv)} == {"xla"}
    assert {m.axis_name for m in modules if isinstance(m, nn.BatchNorm)} == {"data"}


def test_shortcut_without_parameters():
    """Option A: every second pixel, and zeros for the channels that are new."""
    x = jnp.arange(2.0 * 4 * 4 * 3).reshape(2, 4, 4, 3)
    y = padded_shortcut(x, 5, 2)
    assert (y[..., :3] == x[:, ::2, ::2]).all() and (y[..., 3:] == 0).all() and y.shape == (2, 2, 2, 5)
    assert "projection" not in {key for key, _ in nnx.iter_modules(tiny(shortcut="pad").blocks[1])}


@pytest.mark.parametrize("preactivation", [False, True])
def test_a_last_norm_of_zero_makes_blocks_identities(preactivation, rng):
    block = tiny("bottleneck", widths=(4, 4), shortcut="pad", preactivation=preactivation, zero_init_last=True).blocks[
        0
    ]
    x = x_like(rng, 1, 3, 3, 4)
    y = block(x)
    y = y if preactivation else (y - jnp.pad(jnp.maximum(x, 0), ((0, 0), (0, 0), (0, 0), (0, 12))))
    want = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, 12))) if preactivation else jnp.zeros_like(y)
    np.testing.assert_array_equal(y, want)


def test_stochastic_depth_rises_to_the_last_block(rng):
    model = tiny(depths=(2, 2), stochastic_depth=0.8)
    assert [block.drop_path.rate for block in model.blocks] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert tiny().blocks[0].drop_path is None
    block = tiny(stochastic_depth=1.0, shortcut="pad").blocks[1]  # always dropped: the shortcut remains
    x = jnp.abs(x_like(rng, 2, 4, 4, 4))
    np.testing.assert_array_equal(block(x, train=True), padded_shortcut(x, 8, 2))
    assert (block(x) != padded_shortcut(x, 8, 2)).any()


def test_padding(rng):
    """At stride 2 TensorFlow pads behind alone: another network with the same weights and shapes."""
    explicit, same = (tiny(stem="imagenet", padding=padding) for padding in ("explicit", "SAME"))
    assert explicit.stem.padding == 3 and same.stem.padding == "SAME"
    x = x_like(rng, 1, 8, 8, 2)
    assert explicit.stem(x).shape == same.stem(x).shape and (explicit.stem(x) != same.stem(x)).any()
    y = -jnp.ones((1, 4, 4, 4))
    assert explicit._max_pool(y).shape == same._max_pool(y).shape == (1, 2, 2, 4)
    keras = tiny(stem="imagenet", variant="keras", preactivation=True)._max_pool(y)  # its zeros take part
    assert (explicit._max_pool(y) == -1).all() and (keras[:, 0] == 0).all() and (keras[:, 1, 1] == -1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "tensorflow"}, r"^ResNet: variant must be one of 'torchvision', 'keras', 'paper'"),
        ({"block": "botleneck"}, r"^ResNet: block must be one of .*did you mean 'bottleneck'"),
        ({"stem": "cfar"}, r"^ResNet: stem must be one of .*did you mean 'cifar'"),
        ({"padding": "VALID"}, r"^ResNet: padding must be one of 'explicit', 'SAME', got 'VALID'"),
        ({"depths": (1, 1), "widths": (4,)}, r"^ResNet: the number of widths must be 2, got 1"),
        ({"depths": (), "widths": ()}, r"^ResNet: the number of stages must be positive"),
        ({"depths": (0, 1)}, r"^ResNet: depths must be positive integers, got \(0, 1\)"),
        ({"pool": "mean"}, r"^ResNet: pool must be one of 'avg', 'max', 'none', got 'mean'"),
        ({"shortcut": "pad", "widths": (8, 4)}, r"^ResNet: shortcut='pad' needs widths that never fall, got \(8, 4\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        models.ResNetConfig(**({"depths": (1, 1), "widths": (4, 8), "block": "basic"} | options))


def test_errors_of_sizes():
    with pytest.raises(ValueError, match=r"^ResNet: layers must be one of 18, 34, 50, 101, 152, got 51"):
        models.ResNetConfig.imagenet(51)
    for layers in (2, 21):
        with pytest.raises(ValueError, match=rf"^ResNet: layers must be 6 n \+ 2 with n at least 1, got {layers}"):
            models.ResNetConfig.cifar(layers)


def test_stems_on_a_cpu():
    """Small patches are gathered for one matrix product, 7x7 ones are not: XLA's own convolution is faster there."""

    def lowered(kernel):
        x, w = (
            jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32),
            jax.ShapeDtypeStruct((kernel, kernel, 3, 8), jnp.float32),
        )
        stem = jax.jit(partial(F.conv2d, stride=2, padding=kernel // 2))
        return stem.trace(x, w).lower(lowering_platforms=("cpu",)).as_text()

    assert "stablehlo.convolution" in lowered(7) and "stablehlo.dot_general" not in lowered(7)
    assert "stablehlo.convolution" not in lowered(3) and "stablehlo.dot_general" in lowered(3)
