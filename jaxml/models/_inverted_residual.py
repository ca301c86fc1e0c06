"""The inverted residual block of MobileNetV2 and V3, V3's squeeze-and-excite, and what the two networks share."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.functional._padding import Padding
from jaxml.models import _features as features
from jaxml.models._blocks import Layer, check_options, run


class Rules(NamedTuple):
    """What a variant decides where the configuration leaves it open."""

    explicit_padding: bool  # (k - 1) / 2 on both sides, or TensorFlow's SAME
    eps: float
    momentum: float
    dropout: float


class BlockShape(NamedTuple):
    """One inverted residual block: `squeezed` features of its squeeze-and-excite, 0 where it has none."""

    in_features: int
    hidden: int
    out_features: int
    stride: int
    kernel_size: int = 3
    activation: str = "relu6"
    squeezed: int = 0


class Options(TypedDict):
    """What all blocks of a network share."""

    explicit_padding: bool
    momentum: float
    eps: float
    axis_name: str | None
    implementation: str | None
    recompute: bool


def rules_of(model: str, config: Any, variants: dict[str, Rules]) -> Rules:
    """The variant's, with what the configuration says otherwise."""
    check_choice(model, "variant", config.variant, variants)
    given = {name: getattr(config, name) for name in ("eps", "momentum", "dropout")}
    return variants[config.variant]._replace(**{name: value for name, value in given.items() if value is not None})


def options_of(config: Any) -> Options:
    """The part of a configuration that its blocks take."""
    return Options(
        explicit_padding=config.rules.explicit_padding,
        momentum=config.rules.momentum,
        eps=config.rules.eps,
        axis_name=config.axis_name,
        implementation=config.implementation,
        recompute=config.recompute,
    )


def make_divisible(channels: float, divisor: int = 8) -> int:
    """`channels` rounded to a multiple of `divisor`, never to less than nine tenths of it.

    As in the papers' own code, torchvision and Keras.

    >>> make_divisible(16 * 0.35), make_divisible(24 * 0.75), make_divisible(18)
    (8, 24, 24)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def padding_of(explicit: bool, kernel_size: int) -> Padding:
    """PyTorch's padding by `(k - 1) / 2`, or TensorFlow's SAME, which pads less in front at stride 2."""
    return (kernel_size - 1) // 2 if explicit else "SAME"


class SqueezeExcite(nnx.Module):
    """`x · hard_sigmoid(expand(relu(reduce(mean of x over positions))))`, both layers 1x1 convolutions with a bias.

    Shapes: x (N, H, W, features) -> the same; `squeezed` features between the two.
    Cost: 2 * features * squeezed MACs an example.
    Reference: Hu et al. 2017, arXiv:1709.01507; with the hard sigmoid, Howard et al. 2019, arXiv:1905.02244.
    """

    def __init__(self, features: int, squeezed: int, *, rngs: nnx.Rngs):
        self.reduce = nn.Conv(features, squeezed, 1, rngs=rngs)
        self.expand = nn.Conv(squeezed, features, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H W C"]:
        pooled = F.global_avg_pool(x)[:, None, None, :]
        gate = self.expand(F.relu(self.reduce(pooled, train=train)), train=train)
        return x * F.hard_sigmoid(gate)


class InvertedResidual(nnx.Module):
    """`BN(project(act(BN(depthwise(act(BN(expand(x))))))))`, plus x where neither the shape nor the features change.

    A 1x1 convolution expands to `hidden` features (none where x has as many), a k×k depthwise one works there, and a
    1x1 one projects them back to few, without an activation: the bottleneck is linear. A `SqueezeExcite` of `squeezed`
    features stands before the projection, where there is one. `rate` is that of stochastic depth.

    Shapes: x (N, H, W, in_features) -> (N, ⌈H/stride⌉, ⌈W/stride⌉, out_features).
    Cost: H W in_features hidden + H' W' hidden (k² + out_features) MACs an example.
    Reference: Sandler et al. 2018, arXiv:1801.04381; Howard et al. 2019, arXiv:1905.02244.
    """

    def __init__(
        self,
        shape: BlockShape,
        *,
        rate: float,
        explicit_padding: bool,
        momentum: float,
        eps: float,
        axis_name: str | None,
        implementation: str | None,
        recompute: bool,
        rngs: nnx.Rngs,
    ):
        standard = check_options("InvertedResidual", shape.activation, implementation)
        norm = {"momentum": momentum, "eps": eps, "axis_name": axis_name}
        pointwise = {"use_bias": False, "implementation": standard, "rngs": rngs}
        i, hidden, o = shape.in_features, shape.hidden, shape.out_features
        self.activation, self.recompute = shape.activation, recompute
        self.residual = shape.stride == 1 and i == o
        self.expand = None if hidden == i else nn.Conv(i, hidden, 1, **pointwise)
        self.expand_norm = None if hidden == i else nn.BatchNorm(hidden, **norm)
        self.depthwise = nn.DepthwiseConv(
            hidden,
            shape.kernel_size,
            stride=shape.stride,
            padding=padding_of(explicit_padding, shape.kernel_size),
            use_bias=False,
            implementation=implementation,
            rngs=rngs,
        )
        self.depthwise_norm = nn.BatchNorm(hidden, **norm)
        self.squeeze_excite = SqueezeExcite(hidden, shape.squeezed, rngs=rngs) if shape.squeezed else None
        self.project = nn.Conv(hidden, o, 1, **pointwise)
        self.project_norm = nn.BatchNorm(o, **norm)
        self.drop_path = features.drop_path(rate if self.residual else 0.0, rngs)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        if self.squeeze_excite is None:
            y = run(self.layers, x, train=train, recompute=self.recompute)
        else:
            y = run(self.layers[:-1], x, train=train, recompute=self.recompute)
            y = run(self.layers[-1:], self.squeeze_excite(y, train=train), train=train)
        if not self.residual:
            return y
        return x + (y if self.drop_path is None else self.drop_path(y, train=train))

    @property
    def layers(self) -> list[Layer]:
        """The two or three convolutions, each with its norm; the last is linear."""
        act = self.activation
        last = [Layer(self.depthwise, self.depthwise_norm, act), Layer(self.project, self.project_norm, "none")]
        if self.expand is None or self.expand_norm is None:
            return last
        return [Layer(self.expand, self.expand_norm, act), *last]


def inverted_residuals(config: Any, *, rngs: nnx.Rngs) -> list[InvertedResidual]:
    """A configuration's blocks; the rates of stochastic depth rise linearly to the last one's."""
    shapes: Sequence[BlockShape] = config.blocks
    rates = [config.stochastic_depth * (i + 1) / len(shapes) for i in range(len(shapes))]
    options = options_of(config)
    return [InvertedResidual(s, rate=r, **options, rngs=rngs) for s, r in zip(shapes, rates, strict=True)]
