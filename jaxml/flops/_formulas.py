"""Closed forms for the cost of layers, in exact integers and without JAX.

The convention is the papers' (MobileNet, arXiv:1704.04861; ResNet, arXiv:1512.03385): one MAC is one multiply-add and
makes 2 FLOPs; convolutions and linear layers count, every output position counts with all its taps, those that read
padding included; biases, normalisation, activations and pooling count nothing. Bytes are the least a layer must move:
each input, weight and output once.

Sizes are given, not derived: a layer takes its input's size and its output's, so that stride, padding and dilation,
which do not enter otherwise, need no second implementation here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

Size = int | Sequence[int]  # an int is a square


@dataclass(frozen=True)
class LayerCost:
    """Cost of a layer, or of several added up. `input_shape` and `output_shape` are those of the first and the last.

    >>> sum([linear(1, 784, 100), linear(1, 100, 10)]).macs
    79400
    """

    name: str
    params: int
    macs: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiply-add is two."""
        return 2 * self.macs

    @property
    def bytes(self) -> int:
        """Input, weights and output, each moved once."""
        return self.input_bytes + self.weight_bytes + self.output_bytes

    @property
    def intensity(self) -> float:
        """FLOPs per byte moved: low means that memory, not arithmetic, sets the time."""
        return self.flops / self.bytes

    def __add__(self, other: "LayerCost") -> "LayerCost":
        """One layer after the other; what passes between them is written, then read."""
        return LayerCost(
            "total",
            self.params + other.params,
            self.macs + other.macs,
            self.input_bytes + other.input_bytes,
            self.weight_bytes + other.weight_bytes,
            self.output_bytes + other.output_bytes,
            self.input_shape,
            other.output_shape,
        )

    def __radd__(self, other: int) -> "LayerCost":
        """`sum(costs)` starts from 0."""
        return self if other == 0 else NotImplemented


def conv(
    batch: int,
    in_size: Size,
    out_size: Size,
    in_channels: int,
    out_channels: int,
    *,
    kernel: Size,
    groups: int = 1,
    bias: bool = False,
    itemsize: int = 4,
    name: str = "conv",
) -> LayerCost:
    """Convolution: MACs = batch * prod(out_size) * prod(kernel) * in_channels / groups * out_channels.

    A sequence of sizes gives the number of axes: `(H, W)`, `(L,)`, `(D, H, W)`; an int is a square.

    >>> conv(1, 16, 16, 3, 256, kernel=3).macs
    1769472
    """
    in_size, out_size, kernel = _spatial(in_size), _spatial(out_size), _spatial(kernel)
    _check_positive(
        name, batch=batch, in_size=in_size, out_size=out_size, in_channels=in_channels, out_channels=out_channels
    )
    _check_positive(name, kernel=kernel, groups=groups, itemsize=itemsize)
    if not len(in_size) == len(out_size) == len(kernel):
        raise ValueError(f"{name}: in_size, out_size and kernel must agree in axes: {in_size}, {out_size}, {kernel}")
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"{name}: groups must divide {in_channels} and {out_channels} channels, got {groups}")
    weights = math.prod(kernel) * (in_channels // groups) * out_channels
    return _layer(
        name,
        (batch, *in_size, in_channels),
        (batch, *out_size, out_channels),
        params=weights + (out_channels if bias else 0),
        macs=batch * math.prod(out_size) * weights,
        itemsize=itemsize,
    )


def depthwise(
    batch: int,
    in_size: Size,
    out_size: Size,
    channels: int,
    *,
    kernel: Size,
    multiplier: int = 1,
    bias: bool = False,
    itemsize: int = 4,
    name: str = "depthwise",
) -> LayerCost:
    """Depthwise convolution, a group for every channel: MACs = batch * prod(out_size) * prod(kernel) * C * multiplier.

    >>> depthwise(1, 16, 16, 3, kernel=3).macs
    6912
    """
    _check_positive(name, channels=channels, multiplier=multiplier)
    return conv(
        batch,
        in_size,
        out_size,
        channels,
        channels * multiplier,
        kernel=kernel,
        groups=channels,
        bias=bias,
        itemsize=itemsize,
        name=name,
    )


def pointwise(
    batch: int,
    size: Size,
    in_channels: int,
    out_channels: int,
    *,
    bias: bool = False,
    itemsize: int = 4,
    name: str = "pointwise",
) -> LayerCost:
    """1x1 convolution, a matrix product at every position: MACs = batch * prod(size) * in_channels * out_channels.

    >>> pointwise(1, 16, 3, 256).macs
    196608
    """
    one = [1] * len(_spatial(size))
    return conv(batch, size, size, in_channels, out_channels, kernel=one, bias=bias, itemsize=itemsize, name=name)


def separable(
    batch: int,
    in_size: Size,
    out_size: Size,
    in_channels: int,
    out_channels: int,
    *,
    kernel: Size,
    multiplier: int = 1,
    bias: bool = False,
    itemsize: int = 4,
    name: str = "separable",
) -> LayerCost:
    """Depthwise, then pointwise convolution; a bias belongs to the pointwise half.

    >>> separable(1, 16, 16, 3, 256, kernel=3).macs
    203520
    """
    first = depthwise(
        batch, in_size, out_size, in_channels, kernel=kernel, multiplier=multiplier, itemsize=itemsize, name=name
    )
    second = pointwise(batch, out_size, in_channels * multiplier, out_channels, bias=bias, itemsize=itemsize, name=name)
    return replace(first + second, name=name)


def linear(
    batch: int, in_features: int, out_features: int, *, bias: bool = False, itemsize: int = 4, name: str = "linear"
) -> LayerCost:
    """Matrix product: MACs = batch * in_features * out_features.

    >>> linear(1, 1024, 1000).macs
    1024000
    """
    _check_positive(name, batch=batch, in_features=in_features, out_features=out_features, itemsize=itemsize)
    weights = in_features * out_features
    params = weights + (out_features if bias else 0)
    return _layer(
        name, (batch, in_features), (batch, out_features), params=params, macs=batch * weights, itemsize=itemsize
    )


def separable_ratio(kernel: Size, out_channels: int) -> float:
    """Separable over standard MACs, in theory and exactly: 1 / out_channels + 1 / prod(kernel).

    >>> round(1 / separable_ratio(3, 512), 3)
    8.845
    """
    kernel = _spatial(kernel)
    _check_positive("separable_ratio", kernel=kernel, out_channels=out_channels)
    return 1 / out_channels + 1 / math.prod(kernel)


def _layer(
    name: str,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    params: int,
    macs: int,
    itemsize: int,
) -> LayerCost:
    """The bytes follow from the shapes: each tensor once."""
    return LayerCost(
        name=name,
        params=params,
        macs=macs,
        input_bytes=math.prod(input_shape) * itemsize,
        weight_bytes=params * itemsize,
        output_bytes=math.prod(output_shape) * itemsize,
        input_shape=input_shape,
        output_shape=output_shape,
    )


def _spatial(size: Size) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _check_positive(function: str, **options: int | tuple[int, ...]) -> None:
    for name, value in options.items():
        entries = value if isinstance(value, tuple) else (value,)
        if not entries or any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in entries):
            raise ValueError(f"{function}: {name} must be positive integers, got {value}")
