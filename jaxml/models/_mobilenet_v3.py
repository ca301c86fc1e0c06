"""MobileNetV3: inverted residuals with squeeze-and-excite and hard swish, found by search, small and large."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.models import _features as features
from jaxml.models._blocks import ConvBlock
from jaxml.models._inverted_residual import (
    BlockShape,
    Rules,
    inverted_residuals,
    make_divisible,
    padding_of,
    rules_of,
)

# Tables 1 and 2 of the paper: kernel, hidden features, output features, squeeze-and-excite, hard swish, stride.
_LARGE = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
_SMALL = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
SIZES = {"small": _SMALL, "large": _LARGE}
_STEM, _HIDDEN = 16, {"small": 1024, "large": 1280}

VARIANTS = {
    "torchvision": Rules(explicit_padding=True, eps=1e-3, momentum=0.99, dropout=0.2),
    "keras": Rules(explicit_padding=False, eps=1e-3, momentum=0.999, dropout=0.2),
    "paper": Rules(explicit_padding=False, eps=1e-3, momentum=0.99, dropout=0.2),
}


@dataclass(frozen=True)
class MobileNetV3Config:
    """`size` is `"small"` or `"large"`; `width_multiplier` scales the channels, rounded to multiples of 8.

    `variant` says whose network it is:

    * `"torchvision"`: padding by (k - 1) / 2 on both sides; eps 1e-3, momentum 0.99; the width scales every layer.
    * `"keras"`: TensorFlow's SAME padding, less in front at stride 2 of an even size; eps 1e-3, momentum 0.999; the
      width leaves the stem at 16 channels, and scales the layer before the classifier only when it is above 1. (Keras's
      model brings images from [0, 255] to [-1, 1] itself; here that is preprocessing.)
    * `"paper"`: SAME; eps 1e-3, momentum 0.99; the width as in Keras.

    All have a squeeze-and-excite of a quarter of the hidden features behind the depthwise layer's activation, and
    biases in it and in the two layers after the pool. `eps`, `momentum` (the share of the old statistic that is kept)
    and `dropout` can be set on their own.

    `num_classes=0` leaves the classifier out: what it reads comes, 1024 or 1280 features. `pool` is `"avg"`, `"max"` or
    `"none"`, where the classifier is applied at each pixel of the last map. `stochastic_depth` is the rate of the last
    block; the rates of the others rise to it linearly from the first. Only blocks that add their input have it.

    `dtype` is that of the blocks' computation (x's own if None); parameters, statistics and the two last layers keep
    theirs. `remat` keeps blocks' inputs alone for the backward pass (`jax.checkpoint`); `recompute` keeps one array a
    layer (`F.batch_norm_conv`). `axis_name` averages batch statistics over a mapped axis; on a mesh under `jax.jit`
    they are the whole batch's without it. `implementation` is that of the depthwise layers; `"xla"` makes every
    convolution XLA's own.
    """

    num_classes: int = 1000
    in_channels: int = 3
    size: str = "large"
    width_multiplier: float = 1.0
    variant: str = "torchvision"
    eps: float | None = None
    momentum: float | None = None
    pool: str = "avg"
    dropout: float | None = None
    stochastic_depth: float = 0.0
    dtype: DTypeLike | None = None
    remat: bool = False
    recompute: bool = True
    axis_name: str | None = None
    implementation: str | None = None
    image_size: int = 224

    def __post_init__(self):
        check_choice("MobileNetV3", "size", self.size, SIZES)
        features.check_pool("MobileNetV3", self.pool)
        rules_of("MobileNetV3", self, VARIANTS)
        if not self.width_multiplier > 0:
            raise ValueError(f"MobileNetV3: width_multiplier must be positive, got {self.width_multiplier}")

    @classmethod
    def small(cls, **options: Any) -> "MobileNetV3Config":
        """2,542,856 parameters, 56,510,400 MACs; 67.4 % top-1 in the paper."""
        return cls(size="small", **options)

    @classmethod
    def large(cls, **options: Any) -> "MobileNetV3Config":
        """5,483,032 parameters, 216,589,760 MACs; 75.2 % top-1 in the paper."""
        return cls(size="large", **options)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one example, without the batch axis. The network takes images of any size."""
        return (self.image_size, self.image_size, self.in_channels)

    @property
    def rules(self) -> Rules:
        """The variant's, with what this configuration says otherwise."""
        return rules_of("MobileNetV3", self, VARIANTS)

    @property
    def stem_features(self) -> int:
        """Channels of the first convolution."""
        return make_divisible(_STEM * self.width_multiplier) if self.variant == "torchvision" else _STEM

    @property
    def last_features(self) -> int:
        """Channels of the last convolution: six times those of the last block."""
        return make_divisible(6 * self.blocks[-1].out_features)

    @property
    def hidden_features(self) -> int:
        """Features of the layer between pool and classifier."""
        width = self.width_multiplier if self.variant == "torchvision" else max(1.0, self.width_multiplier)
        return make_divisible(_HIDDEN[self.size] * width)

    @property
    def blocks(self) -> tuple[BlockShape, ...]:
        """The 11 or 15 blocks, first to last."""
        shapes, i, table_i = [], self.stem_features, _STEM
        for kernel, hidden, out, squeeze, swish, stride in SIZES[self.size]:
            # torchvision scales the table's hidden features; the others keep the table's expansion of what comes in.
            scaled = hidden * self.width_multiplier if self.variant == "torchvision" else i * (hidden / table_i)
            wide, o = make_divisible(scaled), make_divisible(out * self.width_multiplier)
            wide = i if hidden == table_i else wide
            squeezed = make_divisible(wide / 4) if squeeze else 0
            shapes.append(BlockShape(i, wide, o, stride, kernel, "hard_swish" if swish else "relu", squeezed))
            i, table_i = o, out
        return tuple(shapes)


class MobileNetV3(nnx.Module):
    """A 3x3 stem of stride 2, inverted residual blocks, a 1x1 convolution, global pool, two linear layers.

    Between the two are a hard swish and dropout.

    Shapes: x (N, H, W, in_channels), any H and W -> (N, num_classes); (N, features) with `num_classes=0`.
    `taps` asks for activations by name (`model.tap_names`: `"stem"`, `"blocks/0"` and on, `"features"`, the last map,
    `"pool"`), and the result is then `(logits, {name: activation})`; `model.stage_taps` are one a resolution.
    Variant: see `MobileNetV3Config`.
    Cost: 216,589,760 MACs an example of 224x224 for the large one, 56,510,400 for the small.
    Errors: `ValueError` for an unknown tap, and for what `MobileNetV3Config` refuses.
    Reference: Howard et al. 2019, arXiv:1905.02244.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import models
    >>> model = models.create("mobilenet_v3_small", rngs=nnx.Rngs(0), num_classes=5, width_multiplier=0.1)
    >>> logits, taps = model(jnp.ones((1, 32, 32, 3)), taps=("blocks/2",))
    >>> logits.shape, taps["blocks/2"].shape
    ((1, 5), (1, 4, 4, 8))
    """

    family = "MobileNetV3"
    paper = "Howard et al. 2019, arXiv:1905.02244"

    def __init__(self, config: MobileNetV3Config, *, rngs: nnx.Rngs):
        self.config = config
        rules = config.rules
        ends = {
            "activation": "hard_swish",
            "momentum": rules.momentum,
            "eps": rules.eps,
            "axis_name": config.axis_name,
            "implementation": config.implementation,
            "rngs": rngs,
        }
        padding = padding_of(rules.explicit_padding, 3)
        self.stem = ConvBlock(config.in_channels, config.stem_features, stride=2, padding=padding, **ends)
        self.blocks = nnx.List(inverted_residuals(config, rngs=rngs))
        self.last = ConvBlock(config.blocks[-1].out_features, config.last_features, kernel_size=1, padding=0, **ends)
        self.hidden = nn.Linear(config.last_features, config.hidden_features, rngs=rngs)
        self.dropout = nn.Dropout(rules.dropout, rngs=rngs)
        self.head = features.classifier(config.hidden_features, config.num_classes, rngs=rngs)

    def __call__(
        self, x: Float[Array, "N H W C"], *, train: bool = False, taps: Sequence[str] = ()
    ) -> Float[Array, "N *rest"] | tuple[Float[Array, "N *rest"], dict[str, Any]]:
        config, tap = self.config, features.Taps("MobileNetV3", taps, self.tap_names)
        dtype, x = x.dtype, features.compute_in(x, config.dtype)
        x = tap("stem", self.stem(x, train=train))
        for i, block in enumerate(self.blocks):
            x = tap(f"blocks/{i}", features.run_block(block, x, train=train, remat=config.remat))
        x = tap("features", self.last(x, train=train))
        x = tap("pool", features.global_pool(x, config.pool))
        x = F.hard_swish(self.hidden(x.astype(dtype), train=train))
        return tap.result(features.classify(x, self.dropout, self.head, dtype=dtype, train=train))

    @property
    def tap_names(self) -> tuple[str, ...]:
        """What `taps` may ask for."""
        return features.tap_names(len(self.config.blocks))

    @property
    def stage_taps(self) -> tuple[str, ...]:
        """The last activation at each resolution, the finest first: what detection and segmentation build on."""
        return features.last_at_each_stride([block.stride for block in self.config.blocks])
