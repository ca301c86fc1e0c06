"""The same networks built of `flax.nnx`'s own layers: what a user of stock JAX and Flax gets."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import Array

from benchmarks import _flax_networks
from jaxml import models, nn

_NETWORKS = {"resnet50": _flax_networks.resnet, "mobilenet_v2": _flax_networks.mobilenet_v2}


class _ConvNet(nnx.Module):
    """A stem and blocks of convolution, batch norm and ReLU; global average pool; linear layer."""

    def __init__(self, config: Any, channels: tuple[int, ...], strides: tuple[int, ...], *, dtype: str):
        rngs = nnx.Rngs(0)
        convs, inputs = [], (config.in_channels, *channels)
        for index, (i, o, stride) in enumerate(zip(inputs, channels, strides, strict=False)):
            separable = config.separable and index > 0
            if separable:
                convs.append(_conv(i, i, 3, stride, groups=i, dtype=dtype, rngs=rngs))
            convs.append(_conv(i, o, 1 if separable else 3, 1 if separable else stride, dtype=dtype, rngs=rngs))
        self.convs = nnx.List(convs)
        options = {"momentum": config.momentum, "epsilon": config.eps, "dtype": dtype, "rngs": rngs}
        self.norms = nnx.List([nnx.BatchNorm(conv.out_features, **options) for conv in convs])
        self.head = nnx.Linear(channels[-1], config.num_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: Array, *, train: bool = False) -> Array:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = nnx.relu(norm(conv(x), use_running_average=not train))
        return self.head(jnp.mean(x, (1, 2)))


def _conv(i: int, o: int, kernel: int, stride: int, *, groups: int = 1, **options: Any) -> nnx.Conv:
    kernel_size = (kernel, kernel)
    return nnx.Conv(i, o, kernel_size, strides=stride, feature_group_count=groups, use_bias=False, **options)


class _MLP(nnx.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, sizes: tuple[int, ...], *, dtype: str):
        rngs = nnx.Rngs(0)
        self.layers = nnx.List([nnx.Linear(i, o, dtype=dtype, rngs=rngs) for i, o in pairwise(sizes)])

    def __call__(self, x: Array, *, train: bool = False) -> Array:
        *hidden, last = self.layers
        for layer in hidden:
            x = nnx.relu(layer(x))
        return last(x)


def twin(name: str, options: dict[str, Any], dtype: str) -> Callable[[], nnx.Module]:
    """What makes the Flax network of the same layers, sizes and batch norm as `models.create(name, **options)`; it
    computes in `dtype` and keeps its parameters in float32, as jaxml's does."""
    config = _config(name, options)
    if name in _NETWORKS:
        return lambda: _NETWORKS[name](config, dtype=dtype)
    if hasattr(config, "channels"):  # MobileNetV1
        strides = (2, *(stride for *_, stride in config.blocks))
        return lambda: _ConvNet(config, config.channels, strides, dtype=dtype)
    if hasattr(config, "widths"):
        return lambda: _ConvNet(config, config.widths, config.strides, dtype=dtype)
    sizes = (config.in_features, *config.hidden, config.num_classes)
    return lambda: _MLP(sizes, dtype=dtype)


def _config(name: str, options: dict[str, Any]) -> Any:
    """The model's configuration; no weight is drawn."""
    found = []

    def build() -> nnx.Module:
        model: Any = models.create(name, rngs=nnx.Rngs(0), **options)
        found.append(model.config)
        return model

    nn.abstract(build)
    return found[0]
