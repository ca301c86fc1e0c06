"""MobileNetV2: inverted residuals with linear bottlenecks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flax import nnx
from jaxtyping import Array, DTypeLike, Float

from jaxml import nn
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

# Table 2 of the paper: expansion t, output channels c, repetitions n, stride s of the first.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM, _LAST = 32, 1280

VARIANTS = {
    "torchvision": Rules(explicit_padding=True, eps=1e-5, momentum=0.9, dropout=0.2),
    "keras": Rules(explicit_padding=False, eps=1e-3, momentum=0.999, dropout=0.0),
    "paper": Rules(explicit_padding=False, eps=1e-3, momentum=0.997, dropout=0.2),
}


@dataclass(frozen=True)
class MobileNetV2Config:
    """`width_multiplier` scales every layer's channels, rounded to multiples of 8; the last layer never has fewer than
    1280.

    `variant` says whose network it is:

    * `"torchvision"`: padding by 1 on both sides; eps 1e-5, momentum 0.9, dropout 0.2.
    * `"keras"`: TensorFlow's SAME padding, behind alone at stride 2 of an even size; eps 1e-3, momentum 0.999, no
      dropout.
    * `"paper"`: as its authors' code (TF-slim) has it: SAME; eps 1e-3, momentum 0.997, dropout 0.2.

    `eps`, `momentum` (the share of the old statistic that is kept) and `dropout` can be set on their own.

    `num_classes=0` leaves the classifier out: the pooled features come. `pool` is `"avg"`, `"max"` or `"none"`, where
    the classifier is applied at each pixel of the last map. `stochastic_depth` is the rate of the last block; the rates
    of the others rise to it linearly from the first. Only blocks that add their input have it.

    `dtype` is that of the blocks' computation (x's own if None); parameters, statistics and the classifier keep theirs.
    `remat` keeps blocks' inputs alone for the backward pass (`jax.checkpoint`); `recompute` keeps one array a layer
    (`F.batch_norm_conv`). `axis_name` averages batch statistics over a mapped axis; on a mesh under `jax.jit` they are
    the whole batch's without it. `implementation` is that of the depthwise layers; `"xla"` makes every convolution
    XLA's own.
    """

    num_classes: int = 1000
    in_channels: int = 3
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
        features.check_pool("MobileNetV2", self.pool)
        rules_of("MobileNetV2", self, VARIANTS)
        if not self.width_multiplier > 0:
            raise ValueError(f"MobileNetV2: width_multiplier must be positive, got {self.width_multiplier}")

    @classmethod
    def width_035(cls, **options: Any) -> "MobileNetV2Config":
        """1,677,128 parameters, 59,285,808 MACs; 60.3 % top-1 as its authors released it."""
        return cls(width_multiplier=0.35, **options)

    @classmethod
    def width_050(cls, **options: Any) -> "MobileNetV2Config":
        """1,968,680 parameters, 97,131,840 MACs; 65.4 % top-1 as its authors released it."""
        return cls(width_multiplier=0.5, **options)

    @classmethod
    def width_075(cls, **options: Any) -> "MobileNetV2Config":
        """2,636,424 parameters, 209,069,792 MACs; 69.8 % top-1 as its authors released it."""
        return cls(width_multiplier=0.75, **options)

    @classmethod
    def width_100(cls, **options: Any) -> "MobileNetV2Config":
        """3,504,872 parameters, 300,774,272 MACs; 72.0 % top-1 in the paper."""
        return cls(width_multiplier=1.0, **options)

    @classmethod
    def width_130(cls, **options: Any) -> "MobileNetV2Config":
        """5,386,792 parameters, 509,374,560 MACs; 74.4 % top-1 as its authors released it."""
        return cls(width_multiplier=1.3, **options)

    @classmethod
    def width_140(cls, **options: Any) -> "MobileNetV2Config":
        """6,108,776 parameters, 582,195,824 MACs; 74.7 % top-1 in the paper, which counts 6.9 M and 585 M."""
        return cls(width_multiplier=1.4, **options)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one example, without the batch axis. The network takes images of any size."""
        return (self.image_size, self.image_size, self.in_channels)

    @property
    def rules(self) -> Rules:
        """The variant's, with what this configuration says otherwise."""
        return rules_of("MobileNetV2", self, VARIANTS)

    @property
    def stem_features(self) -> int:
        """Channels of the first convolution."""
        return make_divisible(_STEM * self.width_multiplier)

    @property
    def last_features(self) -> int:
        """Channels of the last convolution."""
        return make_divisible(_LAST * max(1.0, self.width_multiplier))

    @property
    def blocks(self) -> tuple[BlockShape, ...]:
        """The 17 blocks, first to last."""
        shapes, i = [], self.stem_features
        for expansion, channels, repetitions, stride in _STAGES:
            o = make_divisible(channels * self.width_multiplier)
            for n in range(repetitions):
                shapes.append(BlockShape(i, i * expansion, o, stride if n == 0 else 1))
                i = o
        return tuple(shapes)


class MobileNetV2(nnx.Module):
    """A 3x3 stem of stride 2, 17 inverted residual blocks, a 1x1 convolution, global pool, dropout, linear layer.

    Shapes: x (N, H, W, in_channels), any H and W -> (N, num_classes); (N, features) with `num_classes=0`.
    `taps` asks for activations by name (`model.tap_names`: `"stem"`, `"blocks/0"` and on, `"features"`, the last map,
    `"pool"`), and the result is then `(logits, {name: activation})`; `model.stage_taps` are one a resolution.
    Variant: see `MobileNetV2Config`.
    Cost: 300,774,272 MACs an example of 224x224 at width 1; the sizes' classmethods say theirs.
    Errors: `ValueError` for an unknown tap, and for what `MobileNetV2Config` refuses.
    Reference: Sandler et al. 2018, arXiv:1801.04381.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import models
    >>> model = models.create("mobilenet_v2", rngs=nnx.Rngs(0), num_classes=5, width_multiplier=0.1)
    >>> logits, taps = model(jnp.ones((1, 32, 32, 3)), taps=("blocks/2",))
    >>> logits.shape, taps["blocks/2"].shape
    ((1, 5), (1, 8, 8, 8))
    """

    family = "MobileNetV2"
    paper = "Sandler et al. 2018, arXiv:1801.04381"

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs):
        self.config = config
        rules = config.rules
        ends = {
            "activation": "relu6",
            "momentum": rules.momentum,
            "eps": rules.eps,
            "axis_name": config.axis_name,
            "implementation": config.implementation,
            "rngs": rngs,
        }
        padding = padding_of(rules.explicit_padding, 3)
        self.stem = ConvBlock(config.in_channels, config.stem_features, stride=2, padding=padding, **ends)
        self.blocks = nnx.List(inverted_residuals(config, rngs=rngs))
        i, o = config.blocks[-1].out_features, config.last_features
        self.last = ConvBlock(i, o, kernel_size=1, padding=0, **ends)
        self.dropout = nn.Dropout(rules.dropout, rngs=rngs)
        self.head = features.classifier(o, config.num_classes, rngs=rngs)

    def __call__(
        self, x: Float[Array, "N H W C"], *, train: bool = False, taps: Sequence[str] = ()
    ) -> Float[Array, "N *rest"] | tuple[Float[Array, "N *rest"], dict[str, Any]]:
        config, tap = self.config, features.Taps("MobileNetV2", taps, self.tap_names)
        dtype, x = x.dtype, features.compute_in(x, config.dtype)
        x = tap("stem", self.stem(x, train=train))
        for i, block in enumerate(self.blocks):
            x = tap(f"blocks/{i}", features.run_block(block, x, train=train, remat=config.remat))
        x = tap("features", self.last(x, train=train))
        x = tap("pool", features.global_pool(x, config.pool))
        return tap.result(features.classify(x, self.dropout, self.head, dtype=dtype, train=train))

    @property
    def tap_names(self) -> tuple[str, ...]:
        """What `taps` may ask for."""
        return features.tap_names(len(self.config.blocks))

    @property
    def stage_taps(self) -> tuple[str, ...]:
        """The last activation at each resolution, the finest first: what detection and segmentation build on."""
        return features.last_at_each_stride([block.stride for block in self.config.blocks])
