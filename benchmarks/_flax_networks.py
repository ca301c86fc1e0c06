"""ResNet-50 and MobileNetV2 built of `flax.nnx`'s own layers, with jaxml's configurations."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import Array

Activation = Callable[[Array], Array]


class _Layer(nnx.Module):
    """Convolution, batch norm, activation."""

    def __init__(
        self, i: int, o: int, kernel: int, stride: int = 1, *, groups: int = 1, act: Activation, **options: Any
    ):
        norm = {name: options.pop(name) for name in ("momentum", "epsilon")}
        padding = [(kernel // 2, kernel // 2)] * 2
        conv = {"strides": stride, "padding": padding, "feature_group_count": groups, "use_bias": False}
        self.conv = nnx.Conv(i, o, (kernel, kernel), **conv, **options)
        self.norm = nnx.BatchNorm(o, **norm, **options)
        self.act = act

    def __call__(self, x: Array, train: bool) -> Array:
        return self.act(self.norm(self.conv(x), use_running_average=not train))


class _Block(nnx.Module):
    """Layers one after the other, x (or its projection) added to their result."""

    def __init__(self, layers: list[_Layer], projection: _Layer | None, *, adds: bool, act: Activation):
        self.layers = nnx.List(layers)
        self.projection = projection
        self.adds, self.act = adds, act

    def __call__(self, x: Array, train: bool) -> Array:
        y = x
        for layer in self.layers:
            y = layer(y, train)
        if not self.adds:
            return y
        return self.act(y + (x if self.projection is None else self.projection(x, train)))


class _Network(nnx.Module):
    def __init__(self, stem: _Layer, blocks: list[Any], features: int, config: Any, *, pool: bool, dtype: str):
        self.stem, self.blocks, self.pool = stem, nnx.List(blocks), pool
        self.head = nnx.Linear(features, config.num_classes, dtype=dtype, rngs=nnx.Rngs(0))

    def __call__(self, x: Array, *, train: bool = False) -> Array:
        x = self.stem(x, train)
        if self.pool:
            padding: Any = ((1, 1), (1, 1))  # which flax takes, and declares as a string
            x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=padding)
        for block in self.blocks:
            x = block(x, train)
        return self.head(jnp.mean(x, (1, 2)))


def _identity(x: Array) -> Array:
    return x


def resnet(config: Any, *, dtype: str) -> nnx.Module:
    """Bottleneck blocks with the stride in the 3x3 (version 1.5)."""
    options = {"momentum": 0.9, "epsilon": 1e-5, "dtype": dtype, "rngs": nnx.Rngs(0)}
    stem, blocks, i = _Layer(3, 64, 7, 2, act=nnx.relu, **options), [], 64
    for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        for index in range(depth):
            stride, o = 2 if stage and index == 0 else 1, 4 * width
            layers = [
                _Layer(i, width, 1, act=nnx.relu, **options),
                _Layer(width, width, 3, stride, act=nnx.relu, **options),
                _Layer(width, o, 1, act=_identity, **options),
            ]
            projection = _Layer(i, o, 1, stride, act=_identity, **options) if index == 0 else None
            blocks.append(_Block(layers, projection, adds=True, act=nnx.relu))
            i = o
    return _Network(stem, blocks, i, config, pool=True, dtype=dtype)


def mobilenet_v2(config: Any, *, dtype: str) -> nnx.Module:
    """Inverted residuals with linear bottlenecks."""
    options = {"momentum": 0.9, "epsilon": 1e-5, "dtype": dtype, "rngs": nnx.Rngs(0)}
    stem, blocks = _Layer(3, config.stem_features, 3, 2, act=nnx.relu6, **options), []
    for shape in config.blocks:
        i, wide, o, stride = shape.in_features, shape.hidden, shape.out_features, shape.stride
        layers = [] if wide == i else [_Layer(i, wide, 1, act=nnx.relu6, **options)]
        layers += [
            _Layer(wide, wide, 3, stride, groups=wide, act=nnx.relu6, **options),
            _Layer(wide, o, 1, act=_identity, **options),
        ]
        blocks.append(_Block(layers, None, adds=stride == 1 and i == o, act=_identity))
    blocks.append(_Layer(config.blocks[-1].out_features, config.last_features, 1, act=nnx.relu6, **options))
    return _Network(stem, blocks, config.last_features, config, pool=False, dtype=dtype)
