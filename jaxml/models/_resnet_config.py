"""The configurations of residual networks: the published sizes, and where their implementations differ."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import DTypeLike

from jaxml.functional._checks import check_choice, check_equal, check_positive
from jaxml.models._features import check_pool

IMAGENET_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class Rules(NamedTuple):
    """What a variant decides where the configuration leaves it open."""

    stride_first: bool  # in a bottleneck block: in its first 1x1 convolution, or in its 3x3 one
    biases: bool  # of convolutions, beside the batch norm
    eps: float
    momentum: float


VARIANTS = {
    "torchvision": Rules(stride_first=False, biases=False, eps=1e-5, momentum=0.9),
    "keras": Rules(stride_first=True, biases=True, eps=1.001e-5, momentum=0.99),
    "paper": Rules(stride_first=True, biases=False, eps=1e-5, momentum=0.9),
}


class Block(NamedTuple):
    """One residual block: `width` is that of its 3x3 convolutions."""

    in_features: int
    width: int
    out_features: int
    stride: int
    projection: bool


@dataclass(frozen=True)
class ResNetConfig:
    """`depths` blocks a stage, of `widths`; `block` is `"basic"` (two 3x3) or `"bottleneck"` (1x1, 3x3, 1x1; 4 widths
    out). `preactivation` is version 2 (norm, ReLU, convolution). `stem` is `"imagenet"` (7x7 and max pool, both of
    stride 2) or `"cifar"` (3x3). `shortcut` is the paper's option B, `"projection"`, or A, `"pad"`: every second
    pixel, zeros for the new channels.

    `variant` says whose network it is:

    * `"torchvision"`: version 1.5, a bottleneck's stride in the 3x3; no biases; eps 1e-5, momentum 0.9.
    * `"keras"`: the stride in the first 1x1; biases in every convolution; eps 1.001e-5, momentum 0.99. Version 2 has
      the stride in the 3x3 of the LAST block of a stage, biases in stem, projections and last convolutions alone, and
      zeros (not nothing) around the input of the max pool.
    * `"paper"`: the stride in the first 1x1, as in arXiv:1512.03385; no biases; eps 1e-5, momentum 0.9. Version 2 has
      the stride in the 3x3 of the first block, as in its authors' code and timm's resnetv2; so has torchvision's name.

    All of them pad k // 2 on both sides; `padding="SAME"` is TensorFlow's instead, less in front at stride 2.

    `num_classes=0` leaves the classifier out: the pooled features come. `pool` is `"avg"`, `"max"` or `"none"`, where
    the classifier is applied at each pixel of the last map. `stochastic_depth` is the rate of the last block; the rates
    of the others rise to it linearly from the first. `zero_init_last` starts every block as the identity: the scale of
    its last norm (in version 2 its last convolution) is zero.

    `dtype` is that of the blocks' computation (x's own if None); parameters, statistics and the classifier keep theirs.
    `remat` keeps blocks' inputs alone for the backward pass (`jax.checkpoint`); `recompute` keeps one array a layer
    (`F.batch_norm_conv`). `axis_name` averages batch statistics over a mapped axis; on a mesh under `jax.jit` they are
    the whole batch's without it. `implementation="xla"` makes every convolution XLA's own.
    """

    num_classes: int = 1000
    in_channels: int = 3
    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    block: str = "bottleneck"
    preactivation: bool = False
    stem: str = "imagenet"
    shortcut: str = "projection"
    variant: str = "torchvision"
    padding: str = "explicit"
    eps: float | None = None
    momentum: float | None = None
    pool: str = "avg"
    dropout: float = 0.0
    stochastic_depth: float = 0.0
    zero_init_last: bool = False
    dtype: DTypeLike | None = None
    remat: bool = False
    recompute: bool = True
    axis_name: str | None = None
    implementation: str | None = None
    image_size: int = 224

    def __post_init__(self):
        f = "ResNet"
        check_choice(f, "block", self.block, ("basic", "bottleneck"))
        check_choice(f, "stem", self.stem, ("imagenet", "cifar"))
        check_choice(f, "shortcut", self.shortcut, ("projection", "pad"))
        check_choice(f, "variant", self.variant, VARIANTS)
        check_choice(f, "padding", self.padding, ("explicit", "SAME"))
        check_choice(f, "implementation", self.implementation, (None, "xla"))
        check_pool(f, self.pool)
        check_equal(f, "the number of widths", len(self.widths), len(self.depths))
        check_positive(f, "the number of stages", (len(self.depths),))
        check_positive(f, "depths", self.depths)
        check_positive(f, "widths", self.widths)
        if self.shortcut == "pad" and any(b.out_features < b.in_features for b in self.blocks):
            raise ValueError(f"ResNet: shortcut='pad' needs widths that never fall, got {self.widths}")

    @classmethod
    def imagenet(cls, layers: int, **options: Any) -> "ResNetConfig":
        """The paper's Table 1: 18 and 34 layers of basic blocks, 50, 101 and 152 of bottleneck blocks."""
        check_choice("ResNet", "layers", layers, IMAGENET_DEPTHS)
        return cls(depths=IMAGENET_DEPTHS[layers], block="basic" if layers < 50 else "bottleneck", **options)

    @classmethod
    def resnet18(cls, **options: Any) -> "ResNetConfig":
        """11,689,512 parameters, 1,814,073,344 MACs."""
        return cls.imagenet(18, **options)

    @classmethod
    def resnet34(cls, **options: Any) -> "ResNetConfig":
        """21,797,672 parameters, 3,663,761,408 MACs."""
        return cls.imagenet(34, **options)

    @classmethod
    def resnet50(cls, **options: Any) -> "ResNetConfig":
        """25,557,032 parameters, 4,089,184,256 MACs; 3,857,973,248 with the stride in the first 1x1."""
        return cls.imagenet(50, **options)

    @classmethod
    def resnet101(cls, **options: Any) -> "ResNetConfig":
        """44,549,160 parameters, 7,801,405,440 MACs; 7,570,194,432 with the stride in the first 1x1."""
        return cls.imagenet(101, **options)

    @classmethod
    def resnet152(cls, **options: Any) -> "ResNetConfig":
        """60,192,808 parameters, 11,513,626,624 MACs; 11,282,415,616 with the stride in the first 1x1."""
        return cls.imagenet(152, **options)

    @classmethod
    def resnet50_v2(cls, **options: Any) -> "ResNetConfig":
        """Version 2: 25,549,352 parameters, 4,089,184,256 MACs; with Keras's strides 3,482,255,360."""
        return cls.imagenet(50, preactivation=True, **options)

    @classmethod
    def resnet101_v2(cls, **options: Any) -> "ResNetConfig":
        """Version 2: Keras's strides make 7,194,476,544 MACs of it."""
        return cls.imagenet(101, preactivation=True, **options)

    @classmethod
    def resnet152_v2(cls, **options: Any) -> "ResNetConfig":
        """Version 2: Keras's strides make 10,906,697,728 MACs of it."""
        return cls.imagenet(152, preactivation=True, **options)

    @classmethod
    def cifar(cls, layers: int, **options: Any) -> "ResNetConfig":
        """Section 4.2 of the paper: 6 n + 2 layers, three stages of n basic blocks, on images of 32x32."""
        if layers < 8 or layers % 6 != 2:
            raise ValueError(f"ResNet: layers must be 6 n + 2 with n at least 1, got {layers}")
        usual = {"widths": (16, 32, 64), "shortcut": "pad", "num_classes": 10, "image_size": 32}
        return cls(depths=(layers // 6,) * 3, block="basic", stem="cifar", **usual | options)

    @classmethod
    def cifar_resnet20(cls, **options: Any) -> "ResNetConfig":
        """269,722 parameters, 40,551,040 MACs; 8.75 % error on CIFAR-10 in the paper."""
        return cls.cifar(20, **options)

    @classmethod
    def cifar_resnet32(cls, **options: Any) -> "ResNetConfig":
        """464,154 parameters, 68,862,592 MACs; 7.51 % error on CIFAR-10 in the paper."""
        return cls.cifar(32, **options)

    @classmethod
    def cifar_resnet44(cls, **options: Any) -> "ResNetConfig":
        """658,586 parameters, 97,174,144 MACs; 7.17 % error on CIFAR-10 in the paper."""
        return cls.cifar(44, **options)

    @classmethod
    def cifar_resnet56(cls, **options: Any) -> "ResNetConfig":
        """853,018 parameters, 125,485,696 MACs; 6.97 % error on CIFAR-10 in the paper."""
        return cls.cifar(56, **options)

    @classmethod
    def cifar_resnet110(cls, **options: Any) -> "ResNetConfig":
        """1,727,962 parameters, 252,887,680 MACs; 6.43 % error on CIFAR-10 in the paper."""
        return cls.cifar(110, **options)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one example, without the batch axis. The network takes images of any size."""
        return (self.image_size, self.image_size, self.in_channels)

    @property
    def rules(self) -> Rules:
        """The variant's, with what this configuration says otherwise."""
        rules = VARIANTS[self.variant]
        eps, momentum = self.eps, self.momentum
        return rules._replace(
            stride_first=rules.stride_first and not self.preactivation,
            eps=rules.eps if eps is None else eps,
            momentum=rules.momentum if momentum is None else momentum,
        )

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Every block, first to last."""
        strided_last = self.preactivation and self.variant == "keras"
        blocks, features = [], self.widths[0]
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            out = width if self.block == "basic" else 4 * width
            for i in range(depth):
                strided = stage < len(self.depths) - 1 and i == depth - 1 if strided_last else stage > 0 and i == 0
                stride = 2 if strided else 1
                changed = features != out or (i == 0 and stride == 2)
                blocks.append(Block(features, width, out, stride, changed and self.shortcut == "projection"))
                features = out
        return tuple(blocks)
