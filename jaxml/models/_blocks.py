"""The two blocks that standard and separable networks are built of, with one call signature so that they swap."""

from collections.abc import Callable, Sequence
from typing import TypedDict

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.functional._padding import Padding
from jaxml.nn._scope import scope, within

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": F.relu, "relu6": F.relu6}


def check_options(block: str, activation: str, implementation: str | None) -> str | None:
    """Checks what blocks share and returns the `implementation` of standard convolutions.

    Depthwise layers take every name. The others have algorithms of other names, so they follow only to `"xla"`, where
    the whole network is meant to run in XLA's own convolutions, and choose for themselves otherwise.
    """
    check_choice(block, "activation", activation, ACTIVATIONS)
    check_choice(block, "implementation", implementation, (None, *F.depthwise_implementations()))
    return "xla" if implementation == "xla" else None


class BlockOptions(TypedDict):
    """What all blocks of a network share."""

    padding: Padding
    activation: str
    momentum: float
    eps: float
    implementation: str | None


Layer = tuple[nn.Conv | nn.DepthwiseConv, nn.BatchNorm]


def run(layers: Sequence[Layer], activation: str, x: Array, *, train: bool, recompute: bool = True) -> Array:
    """`x = act(norm(conv(x)))` for every `(conv, norm)` in turn; the convolutions have no bias.

    With `recompute`, each norm and activation goes with the convolution after it, by `F.batch_norm_conv`, so that the
    backward pass keeps one array a layer instead of two. The activation is in the scope of the norm.
    """
    act = ACTIVATIONS[activation]

    def activated(norm: nn.BatchNorm, x: Array) -> Array:
        with scope(norm):
            return act(norm(x, train=train))

    if not recompute:
        for conv, norm in layers:
            x = activated(norm, conv(x, train=train))
        return x
    (conv, norm), *rest = layers
    x = conv(x, train=train)
    for conv, next_norm in rest:
        convolve = within(conv, conv.function())
        x = norm.then(x, conv.w[...].astype(x.dtype), conv=convolve, activation=act, train=train)
        norm = next_norm
    return activated(norm, x)


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
        self.norm = nn.BatchNorm(out_features, momentum=momentum, eps=eps)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        return run(self.layers, self.activation, x, train=train)

    @property
    def layers(self) -> list[Layer]:
        """The one convolution and its norm."""
        return [(self.conv, self.norm)]


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
        self.depthwise_norm = nn.BatchNorm(in_features, momentum=momentum, eps=eps)
        self.pointwise = nn.Conv(in_features, out_features, 1, use_bias=False, implementation=standard, rngs=rngs)
        self.pointwise_norm = nn.BatchNorm(out_features, momentum=momentum, eps=eps)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        return run(self.layers, self.activation, x, train=train)

    @property
    def layers(self) -> list[Layer]:
        """The two convolutions, each with its norm."""
        return [(self.depthwise, self.depthwise_norm), (self.pointwise, self.pointwise_norm)]
