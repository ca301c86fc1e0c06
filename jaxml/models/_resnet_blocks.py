"""Residual blocks: convolution, norm, ReLU and an addition (version 1), or norm, ReLU, convolution (version 2)."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional import init
from jaxml.models._blocks import Layer, norm_act, norm_act_conv, run
from jaxml.models._features import drop_path
from jaxml.models._resnet_config import Block, ResNetConfig


def convolution(
    config: ResNetConfig, i: int, o: int, kernel: int, stride: int = 1, *, bias: bool, rngs: nnx.Rngs
) -> nn.Conv:
    """A convolution as this network has them: He's initialisation by fan out, padding by the configuration."""
    return nn.Conv(
        i,
        o,
        kernel,
        stride=stride,
        padding="SAME" if config.padding == "SAME" else kernel // 2,
        use_bias=bias,
        implementation=config.implementation,
        w_init=init.he_normal(mode="fan_out"),
        rngs=rngs,
    )


def projection(config: ResNetConfig, block: Block, *, rngs: nnx.Rngs) -> nn.Conv | None:
    """The 1x1 convolution of a shortcut whose ends differ."""
    if not block.projection:
        return None
    size = (block.in_features, block.out_features, 1, block.stride)
    return convolution(config, *size, bias=config.rules.biases, rngs=rngs)


def norm(config: ResNetConfig, features: int) -> nn.BatchNorm:
    """A batch norm as this network has them."""
    rules = config.rules
    return nn.BatchNorm(features, momentum=rules.momentum, eps=rules.eps, axis_name=config.axis_name)


def shapes(config: ResNetConfig, block: Block) -> list[tuple[int, int, int, int]]:
    """`(in_features, out_features, kernel, stride)` of the convolutions of a block."""
    i, width, o, stride, _ = block
    if config.block == "basic":
        return [(i, width, 3, stride), (width, o, 3, 1)]
    first, second = (stride, 1) if config.rules.stride_first else (1, stride)
    return [(i, width, 1, first), (width, width, 3, second), (width, o, 1, 1)]


def padded_shortcut(x: Array, out_features: int, stride: int) -> Array:
    """The paper's option A: every `stride`-th pixel, and zeros behind x's channels; x where nothing changes."""
    x = x[:, ::stride, ::stride]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, out_features - x.shape[-1])))


class ResidualBlock(nnx.Module):
    """Version 1: `relu(shortcut(x) + f(x))`, f being convolutions with norms, and ReLUs between them."""

    def __init__(self, config: ResNetConfig, block: Block, *, rate: float, rngs: nnx.Rngs):
        self.stride, self.out_features, self.recompute = block.stride, block.out_features, config.recompute
        bias, sizes = config.rules.biases, shapes(config, block)
        self.convs = nnx.List([convolution(config, *size, bias=bias, rngs=rngs) for size in sizes])
        self.norms = nnx.List([norm(config, o) for _, o, _, _ in sizes])
        self.projection = projection(config, block, rngs=rngs)
        self.projection_norm = norm(config, block.out_features) if block.projection else None
        scale = self.norms[-1].scale
        if config.zero_init_last and scale is not None:
            scale.set_value(jnp.zeros_like(scale[...]))
        self.drop_path = drop_path(rate, rngs)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        y = run(self.layers, x, train=train, recompute=self.recompute)
        if self.projection is not None and self.projection_norm is not None:
            skip = run([Layer(self.projection, self.projection_norm, "none")], x, train=train)
        else:
            skip = padded_shortcut(x, self.out_features, self.stride)
        return F.relu(skip + (y if self.drop_path is None else self.drop_path(y, train=train)))

    @property
    def layers(self) -> list[Layer]:
        """The convolutions of the branch, each with its norm; the last is linear."""
        activations = ["relu"] * (len(self.convs) - 1) + ["none"]
        return [Layer(*layer) for layer in zip(self.convs, self.norms, activations, strict=True)]

    @property
    def folds(self) -> list[tuple[Any, Any]]:
        """Each convolution with the norm behind it, for `fold_batch_norm`."""
        return [*((layer.conv, layer.norm) for layer in self.layers), (self.projection, self.projection_norm)]


class PreactivationBlock(nnx.Module):
    """Version 2: `shortcut(z) + f(z)` with `z = relu(norm(x))`; a shortcut that projects nothing is that of x itself.

    Reference: He et al. 2016, arXiv:1603.05027.
    """

    def __init__(self, config: ResNetConfig, block: Block, *, rate: float, rngs: nnx.Rngs):
        self.stride, self.out_features, self.recompute = block.stride, block.out_features, config.recompute
        bias, sizes = config.rules.biases, shapes(config, block)
        last = len(sizes) - 1
        convs = [convolution(config, *size, bias=bias and n == last, rngs=rngs) for n, size in enumerate(sizes)]
        self.norms = nnx.List([norm(config, i) for i, *_ in sizes])
        self.convs = nnx.List(convs)
        self.projection = projection(config, block, rngs=rngs)
        if config.zero_init_last:
            convs[-1].w.set_value(jnp.zeros_like(convs[-1].w[...]))
        self.drop_path = drop_path(rate, rngs)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        (first, first_conv), *rest = zip(self.norms, self.convs, strict=True)
        if self.projection is not None:
            z = norm_act(first, "relu", x, train=train)
            skip, y = self.projection(z, train=train), first_conv(z, train=train)
        else:
            skip = padded_shortcut(x, self.out_features, self.stride)
            y = norm_act_conv(first, "relu", first_conv, x, train=train, recompute=self.recompute)
        for inner, conv in rest:
            y = norm_act_conv(inner, "relu", conv, y, train=train, recompute=self.recompute)
        return skip + (y if self.drop_path is None else self.drop_path(y, train=train))

    @property
    def folds(self) -> list[tuple[Any, Any]]:
        """The convolutions with a norm behind them: all but the last, whose norm is the next block's, past the sum."""
        return list(zip(self.convs, list(self.norms)[1:], strict=False))
