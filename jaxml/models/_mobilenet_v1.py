"""MobileNetV1, and the network of standard convolutions its paper compares it with."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._padding import Padding
from jaxml.models._blocks import BlockOptions, ConvBlock, SeparableBlock, run

# Table 1 of the paper: output channels and stride of the stem, then of the 13 blocks. (Its last block is printed with
# stride 2 and a 7x7 input and output; the output says that 1 is meant, as in every implementation.)
_CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


@dataclass(frozen=True)
class MobileNetV1Config:
    """`width_multiplier` α scales every layer's channels, `resolution_multiplier` ρ the side of the image (224 ρ).

    `separable=False` is Table 4's "Conv MobileNet": every separable block becomes one standard 3x3 block.
    `activation` is the paper's ReLU, or Keras's `"relu6"`; `padding` is TensorFlow's `"SAME"`, or PyTorch's 1.
    `eps`, `momentum` and `dropout` are Keras's. `implementation` is that of the depthwise layers; `"xla"` makes every
    convolution XLA's own. `recompute=False` keeps normalised activations for the backward pass instead of computing
    them again (`F.batch_norm_conv`): twice the memory, and no faster where it was measured.
    """

    num_classes: int = 1000
    in_channels: int = 3
    width_multiplier: float = 1.0
    resolution_multiplier: float = 1.0
    separable: bool = True
    dropout: float = 1e-3
    padding: Padding = "SAME"
    activation: str = "relu"
    momentum: float = 0.99
    eps: float = 1e-3
    implementation: str | None = None
    recompute: bool = True

    def __post_init__(self):
        for name in ("width_multiplier", "resolution_multiplier"):
            if not getattr(self, name) > 0:
                raise ValueError(f"MobileNetV1: {name} must be positive, got {getattr(self, name)}")

    @classmethod
    def width_075(cls, **options: Any) -> "MobileNetV1Config":
        """α = 0.75: 2,585,560 parameters, 68.4 % top-1 in the paper."""
        return cls(width_multiplier=0.75, **options)

    @classmethod
    def width_050(cls, **options: Any) -> "MobileNetV1Config":
        """α = 0.5: 1,331,592 parameters, 63.7 % top-1 in the paper."""
        return cls(width_multiplier=0.5, **options)

    @classmethod
    def width_025(cls, **options: Any) -> "MobileNetV1Config":
        """α = 0.25: 470,072 parameters, 50.6 % top-1 in the paper."""
        return cls(width_multiplier=0.25, **options)

    @classmethod
    def conv(cls, **options: Any) -> "MobileNetV1Config":
        """Standard convolutions throughout: 29,294,088 parameters, 71.7 % top-1 in the paper."""
        return cls(separable=False, **options)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one example, without the batch axis. The network takes images of any size."""
        side = round(224 * self.resolution_multiplier)
        return (side, side, self.in_channels)

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of the stem and of the 13 blocks; rounded down, as in Keras."""
        return tuple(int(c * self.width_multiplier) for c in _CHANNELS)

    @property
    def blocks(self) -> tuple[tuple[int, int, int], ...]:
        """`(in_features, out_features, stride)` of the 13 blocks."""
        return tuple((i, o, s) for (i, o), s in zip(pairwise(self.channels), _STRIDES[1:], strict=True))


class MobileNetV1(nnx.Module):
    """A 3x3 stem of stride 2, 13 depthwise separable blocks, global average pool, dropout, linear layer.

    Shapes: x (N, H, W, in_channels), any H and W -> (N, num_classes).
    Cost: 568,740,352 MACs an example of 224x224 at α = 1; 4,867,293,184 with standard convolutions.
    Reference: Howard et al. 2017, arXiv:1704.04861.
    """

    family = "MobileNetV1"
    paper = "Howard et al. 2017, arXiv:1704.04861"

    def __init__(self, config: MobileNetV1Config, *, rngs: nnx.Rngs):
        self.config = config
        options = BlockOptions(
            padding=config.padding,
            activation=config.activation,
            momentum=config.momentum,
            eps=config.eps,
            implementation=config.implementation,
        )
        block = SeparableBlock if config.separable else ConvBlock
        self.stem = ConvBlock(config.in_channels, config.channels[0], stride=_STRIDES[0], **options, rngs=rngs)
        self.blocks = nnx.List([block(i, o, stride=s, **options, rngs=rngs) for i, o, s in config.blocks])
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = nn.Linear(config.channels[-1], config.num_classes, rngs=rngs)

    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N K"]:
        layers = [layer for block in (self.stem, *self.blocks) for layer in block.layers]
        x = run(layers, x, train=train, recompute=self.config.recompute)
        return self.head(self.dropout(F.global_avg_pool(x), train=train), train=train)
