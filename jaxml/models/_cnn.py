"""A small convolutional network and its depthwise separable twin."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_equal, check_positive
from jaxml.functional._padding import Padding
from jaxml.models._blocks import BlockOptions, ConvBlock, SeparableBlock, run


@dataclass(frozen=True)
class CNNConfig:
    """One 3x3 block for each entry of `widths`, with the stride beside it. The first block is a standard convolution
    in both twins, as in MobileNet (an image has too few channels to separate); `separable` says what the others are.
    `implementation` is that of the depthwise layers; `"xla"` makes every convolution XLA's own.
    """

    num_classes: int = 10
    in_channels: int = 1
    widths: tuple[int, ...] = (32, 64, 128, 128)
    strides: tuple[int, ...] = (1, 2, 1, 2)
    separable: bool = False
    dropout: float = 0.0
    padding: Padding = "SAME"
    activation: str = "relu"
    momentum: float = 0.9
    eps: float = 1e-5
    implementation: str | None = None
    image_size: int = 8

    @classmethod
    def separable_twin(cls, **options: Any) -> "CNNConfig":
        """The same widths and strides, depthwise separable blocks."""
        return cls(separable=True, **options)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one example, without the batch axis: of scikit-learn's digits unless told otherwise. The network
        takes images of any size."""
        return (self.image_size, self.image_size, self.in_channels)


class CNN(nnx.Module):
    """3x3 blocks (convolution, batch norm, ReLU), global average pool, dropout, linear layer.

    Shapes: x (N, H, W, in_channels), any H and W -> (N, num_classes).
    Cost: H * W * 9 * C_in * C_out MACs for a standard block's output of H x W, H * W * C_in * (9 + C_out) for a
    separable one's.
    """

    family = "cnn"
    paper = "LeCun et al. 1998, Proc. IEEE 86(11)"

    def __init__(self, config: CNNConfig, *, rngs: nnx.Rngs):
        check_positive("CNN", "the number of widths", (len(config.widths),))
        check_equal("CNN", "the number of strides", len(config.strides), len(config.widths))
        self.config = config
        options = BlockOptions(
            padding=config.padding,
            activation=config.activation,
            momentum=config.momentum,
            eps=config.eps,
            implementation=config.implementation,
        )
        block = SeparableBlock if config.separable else ConvBlock
        self.stem = ConvBlock(config.in_channels, config.widths[0], stride=config.strides[0], **options, rngs=rngs)
        pairs = zip(pairwise(config.widths), config.strides[1:], strict=True)
        self.blocks = nnx.List([block(i, o, stride=stride, **options, rngs=rngs) for (i, o), stride in pairs])
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = nn.Linear(config.widths[-1], config.num_classes, rngs=rngs)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N K"]:
        layers = [layer for block in (self.stem, *self.blocks) for layer in block.layers]
        x = run(layers, x, train=train)
        return self.head(self.dropout(F.global_avg_pool(x), train=train), train=train)
