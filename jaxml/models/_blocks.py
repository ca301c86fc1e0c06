"""The two blocks that standard and separable networks are built of, with one call signature so that they swap."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, NotRequired, TypedDict

import jax
from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.functional._padding import Padding
from jaxml.models._folded_norm import FoldedNorm
from jaxml.nn._scope import scope, scope_name, within


def _identity(x: Array) -> Array:
    return x


# "none" is for the layers that a network leaves linear: the last before a residual is added.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_swish": F.hard_swish,
    "none": _identity,
}


Norm = nn.BatchNorm | FoldedNorm


class Layer(NamedTuple):
    """`activation(norm(conv(x)))`; the activation is a name in `ACTIVATIONS`."""

    conv: nn.Conv | nn.DepthwiseConv
    norm: Norm
    activation: str


class NormOptions(TypedDict):
    """What all blocks of a network share but, it may be, the padding."""

    activation: str
    momentum: float
    eps: float
    axis_name: NotRequired[str | None]
    implementation: str | None


class BlockOptions(NormOptions):
    """What all blocks of a network share."""

    padding: Padding


def check_options(block: str, activation: str, implementation: str | None) -> str | None:
    """Checks what blocks share and returns the `implementation` of standard convolutions.

    Depthwise layers take every name. The others have algorithms of other names, so they follow only to `"xla"`, where
    the whole network is meant to run in XLA's own convolutions, and choose for themselves otherwise.
    """
    check_choice(block, "activation", activation, ACTIVATIONS)
    check_choice(block, "implementation", implementation, (None, *F.depthwise_implementations()))
    return "xla" if implementation == "xla" else None


def norm_act(norm: Norm, activation: str, x: Array, *, train: bool) -> Array:
    """`activation(norm(x))`, all of it in the scope of the norm."""
    with scope(norm):
        return ACTIVATIONS[activation](norm(x, train=train))


def norm_act_conv(
    norm: Norm,
    activation: str,
    conv: nn.Conv | nn.DepthwiseConv,
    x: Array,
    *,
    train: bool,
    recompute: bool = True,
) -> Array:
    """`conv(activation(norm(x)))`; with `recompute` by `F.batch_norm_conv`, whose backward pass keeps x alone."""
    if not recompute:
        return conv(norm_act(norm, activation, x, train=train), train=train)
    convolve = within(conv, conv.function())
    y = norm.then(x, conv.w[...].astype(x.dtype), conv=convolve, activation=ACTIVATIONS[activation], train=train)
    if conv.b is None:
        return y
    with jax.named_scope(scope_name(conv)):
        return y + conv.b[...].astype(y.dtype).reshape(1, 1, 1, -1)


def run(layers: Sequence[Layer], x: Array, *, train: bool, recompute: bool = True) -> Array:
    """`x = activation(norm(conv(x)))` for every layer in turn.

    With `recompute`, each norm and activation goes with the convolution after it, by `F.batch_norm_conv`, so that the
    backward pass keeps one array a layer instead of two.
    """
    x = layers[0].conv(x, train=train)
    for layer, following in pairwise(layers):
        x = norm_act_conv(layer.norm, layer.activation, following.conv, x, train=train, recompute=recompute)
    return norm_act(layers[-1].norm, layers[-1].activation, x, train=train)


class ConvBlock(nnx.Module):
    """`act(BN(conv(x)))`: a k×k convolution without bias (batch norm has one), batch norm, activation."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        padding: Padding,
        activation: str,
        momentum: float,
        eps: float,
        axis_name: str | None = None,
        implementation: str | None,
        rngs: nnx.Rngs,
    ):
        standard = check_options("ConvBlock", activation, implementation)
        self.activation = activation
        self.conv = nn.Conv(
            in_features,
            out_features,
            kernel_size,
            stride=stride,
            padding=padding,
            use_bias=False,
            implementation=standard,
            rngs=rngs,
        )
        self.norm = nn.BatchNorm(out_features, momentum=momentum, eps=eps, axis_name=axis_name)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        return run(self.layers, x, train=train)

    @property
    def layers(self) -> list[Layer]:
        """The one convolution and its norm."""
        return [Layer(self.conv, self.norm, self.activation)]


class SeparableBlock(nnx.Module):
    """`act(BN(pointwise(act(BN(depthwise(x))))))`: a k×k depthwise, then a 1×1 convolution, both without bias.

    It takes the place of a `ConvBlock` of the same features and stride with 1/out_features + 1/k² of its MACs.
    Reference: Howard et al. 2017, Figure 3, arXiv:1704.04861.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        padding: Padding,
        activation: str,
        momentum: float,
        eps: float,
        axis_name: str | None = None,
        implementation: str | None,
        rngs: nnx.Rngs,
    ):
        standard = check_options("SeparableBlock", activation, implementation)
        self.activation = activation
        self.depthwise = nn.DepthwiseConv(
            in_features,
            kernel_size,
            stride=stride,
            padding=padding,
            use_bias=False,
            implementation=implementation,
            rngs=rngs,
        )
        self.depthwise_norm = nn.BatchNorm(in_features, momentum=momentum, eps=eps, axis_name=axis_name)
        self.pointwise = nn.Conv(in_features, out_features, 1, use_bias=False, implementation=standard, rngs=rngs)
        self.pointwise_norm = nn.BatchNorm(out_features, momentum=momentum, eps=eps, axis_name=axis_name)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        return run(self.layers, x, train=train)

    @property
    def layers(self) -> list[Layer]:
        """The two convolutions, each with its norm."""
        return [
            Layer(self.depthwise, self.depthwise_norm, self.activation),
            Layer(self.pointwise, self.pointwise_norm, self.activation),
        ]
