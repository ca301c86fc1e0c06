"""MobileNetV1, and the network of standard convolutions its paper compares it with."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flax import nnx
from jaxtyping import Array, DTypeLike, Float

from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.functional._padding import Padding
from jaxml.models import _features as features
from jaxml.models._blocks import ConvBlock, Layer, NormOptions, SeparableBlock, run

# Table 1 of the paper: output channels and stride of the stem, then of the 13 blocks. (Its last block is printed with
# stride 2 and a 7x7 input and output; the output says that 1 is meant, as in every implementation.)
_CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_ACTIVATIONS = {"paper": "relu", "keras": "relu6"}  # by variant


@dataclass(frozen=True)
class MobileNetV1Config:
    """`width_multiplier` α scales every layer's channels, `resolution_multiplier` ρ the side of the image (224 ρ).

    `separable=False` is Table 4's "Conv MobileNet": every separable block becomes one standard 3x3 block.

    `variant` says whose network it is: `"paper"` has ReLU, `"keras"` ReLU6 and, for `"SAME"` in blocks of stride 2, one
    row and one column of padding behind whatever the size, which is the same at even sizes. Where `activation` is not
    given, the configuration takes the variant's, and keeps it. `padding` may be PyTorch's 1. `eps`, `momentum` and
    `dropout` are Keras's.

    `num_classes=0` leaves the classifier out: the pooled features come. `pool` is `"avg"`, `"max"` or `"none"`, where
    the classifier is applied at each pixel of the last map.

    `implementation` is that of the depthwise layers; `"xla"` makes every convolution XLA's own. `dtype` is that of the
    blocks' computation (x's own if None); parameters, statistics and the classifier keep theirs. `recompute=False`
    keeps normalised activations for the backward pass instead of computing them again (`F.batch_norm_conv`): twice the
    memory, and no faster where it was measured. `remat` keeps the inputs of blocks alone (`jax.checkpoint`).
    `axis_name` averages batch statistics over a mapped axis; on a mesh under `jax.jit` they are the whole batch's
    without it.
    """

    num_classes: int = 1000
    in_channels: int = 3
    width_multiplier: float = 1.0
    resolution_multiplier: float = 1.0
    separable: bool = True
    dropout: float = 1e-3
    variant: str = "paper"
    padding: Padding = "SAME"
    activation: str | None = None
    momentum: float = 0.99
    eps: float = 1e-3
    pool: str = "avg"
    implementation: str | None = None
    dtype: DTypeLike | None = None
    remat: bool = False
    recompute: bool = True
    axis_name: str | None = None

    def __post_init__(self):
        for name in ("width_multiplier", "resolution_multiplier"):
            if not getattr(self, name) > 0:
                raise ValueError(f"MobileNetV1: {name} must be positive, got {getattr(self, name)}")
        check_choice("MobileNetV1", "variant", self.variant, _ACTIVATIONS)
        if self.activation is None:
            object.__setattr__(self, "activation", _ACTIVATIONS[self.variant])
        features.check_pool("MobileNetV1", self.pool)

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

    def block_padding(self, stride: int) -> Padding:
        """The padding of a block's 3x3 convolution."""
        behind = self.variant == "keras" and stride == 2 and self.padding == "SAME"
        return ((0, 1), (0, 1)) if behind else self.padding


class MobileNetV1(nnx.Module):
    """A 3x3 stem of stride 2, 13 depthwise separable blocks, global average pool, dropout, linear layer.

    Shapes: x (N, H, W, in_channels), any H and W -> (N, num_classes); (N, features) with `num_classes=0`.
    `taps` asks for activations by name (`model.tap_names`: `"stem"`, `"blocks/0"` and on, `"features"`, the last map,
    `"pool"`); the result is then `(logits, {name: activation})`. `model.stage_taps` are the last at each resolution.
    Cost: 568,740,352 MACs an example of 224x224 at α = 1; 4,867,293,184 with standard convolutions.
    Reference: Howard et al. 2017, arXiv:1704.04861.
    """

    family = "MobileNetV1"
    paper = "Howard et al. 2017, arXiv:1704.04861"

    def __init__(self, config: MobileNetV1Config, *, rngs: nnx.Rngs):
        self.config = config
        options = NormOptions(
            activation=config.activation or "relu",
            momentum=config.momentum,
            eps=config.eps,
            axis_name=config.axis_name,
            implementation=config.implementation,
        )
        block = SeparableBlock if config.separable else ConvBlock
        size = (config.in_channels, config.channels[0])
        self.stem = ConvBlock(*size, stride=_STRIDES[0], padding=config.padding, **options, rngs=rngs)
        self.blocks = nnx.List(
            [block(i, o, stride=s, padding=config.block_padding(s), **options, rngs=rngs) for i, o, s in config.blocks]
        )
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = features.classifier(config.channels[-1], config.num_classes, rngs=rngs)

    def __call__(
        self, x: Float[Array, "N H W C"], *, train: bool = False, taps: Sequence[str] = ()
    ) -> Float[Array, "N *rest"] | tuple[Float[Array, "N *rest"], dict[str, Any]]:
        config, tap = self.config, features.Taps("MobileNetV1", taps, self.tap_names)
        dtype, x = x.dtype, features.compute_in(x, config.dtype)
        if config.remat:
            for name, block in self._named_blocks():
                x = tap(name, features.run_block(block, x, train=train, remat=True))
        else:
            x = self._run_through(x, tap, train=train)
        x = tap("pool", features.global_pool(tap("features", x), config.pool))
        return tap.result(features.classify(x, self.dropout, self.head, dtype=dtype, train=train))

    @property
    def tap_names(self) -> tuple[str, ...]:
        """What `taps` may ask for."""
        return features.tap_names(len(self.config.blocks))

    @property
    def stage_taps(self) -> tuple[str, ...]:
        """The last activation at each resolution, the finest first: what detection and segmentation build on."""
        return features.last_at_each_stride(_STRIDES[1:])

    def _named_blocks(self) -> list[tuple[str, ConvBlock | SeparableBlock]]:
        return [("stem", self.stem), *((f"blocks/{i}", block) for i, block in enumerate(self.blocks))]

    def _run_through(self, x: Array, tap: features.Taps, *, train: bool) -> Array:
        """Every block; from one activation asked for to the next, norms go with the convolutions after them."""
        pending: list[Layer] = []
        for name, block in self._named_blocks():
            pending += block.layers
            if tap.wants(name):
                x, pending = tap(name, run(pending, x, train=train, recompute=self.config.recompute)), []
        return run(pending, x, train=train, recompute=self.config.recompute) if pending else x
