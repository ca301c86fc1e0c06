"""Residual networks for images: versions 1, 1.5 and 2, for ImageNet and for CIFAR."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.models import _features as features
from jaxml.models._blocks import norm_act
from jaxml.models._resnet_blocks import PreactivationBlock, ResidualBlock, convolution, norm
from jaxml.models._resnet_config import ResNetConfig


class ResNet(nnx.Module):
    """A stem, stages of residual blocks at falling resolution and rising width, global pool, dropout, linear layer.

    Shapes: x (N, H, W, in_channels), any H and W -> (N, num_classes); (N, features) with `num_classes=0`.
    `taps` asks for activations by name (`model.tap_names`: `"stem"`, `"blocks/0"` and on, `"features"`, the last map,
    `"pool"`); the result is then `(logits, {name: activation})`. `model.stage_taps` are the last at each resolution.
    Variant: see `ResNetConfig`.
    Cost: 4,089,184,256 MACs an example of 224x224 for 50 layers; the sizes' classmethods say theirs.
    Errors: `ValueError` for an unknown tap, and for what `ResNetConfig` refuses.
    Reference: He et al. 2015, arXiv:1512.03385; version 2: He et al. 2016, arXiv:1603.05027.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import models
    >>> model = models.create("resnet18", rngs=nnx.Rngs(0), num_classes=5, widths=(4, 8, 8, 16))
    >>> logits, taps = model(jnp.ones((1, 32, 32, 3)), taps=("blocks/3",))
    >>> logits.shape, taps["blocks/3"].shape
    ((1, 5), (1, 4, 4, 8))
    """

    family = "ResNet"
    paper = "He et al. 2015, arXiv:1512.03385"

    def __init__(self, config: ResNetConfig, *, rngs: nnx.Rngs):
        self.config = config
        kernel, stride = (7, 2) if config.stem == "imagenet" else (3, 1)
        blocks, bias = config.blocks, config.rules.biases
        size = (config.in_channels, config.widths[0], kernel, stride)
        self.stem = convolution(config, *size, bias=bias, rngs=rngs)
        self.stem_norm = None if config.preactivation else norm(config, config.widths[0])
        kind = PreactivationBlock if config.preactivation else ResidualBlock
        rates = [config.stochastic_depth * (i + 1) / len(blocks) for i in range(len(blocks))]
        self.blocks = nnx.List([kind(config, b, rate=r, rngs=rngs) for b, r in zip(blocks, rates, strict=True)])
        self.last_norm = norm(config, blocks[-1].out_features) if config.preactivation else None
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = features.classifier(blocks[-1].out_features, config.num_classes, rngs=rngs)

    def __call__(
        self, x: Float[Array, "N H W C"], *, train: bool = False, taps: Sequence[str] = ()
    ) -> Float[Array, "N *rest"] | tuple[Float[Array, "N *rest"], dict[str, Any]]:
        config, tap = self.config, features.Taps("ResNet", taps, self.tap_names)
        dtype, x = x.dtype, features.compute_in(x, config.dtype)
        x = self.stem(x, train=train)
        if self.stem_norm is not None:
            x = norm_act(self.stem_norm, "relu", x, train=train)
        x = tap("stem", x)
        if config.stem == "imagenet":
            x = self._max_pool(x)
        for i, block in enumerate(self.blocks):
            x = tap(f"blocks/{i}", features.run_block(block, x, train=train, remat=config.remat))
        if self.last_norm is not None:
            x = norm_act(self.last_norm, "relu", x, train=train)
        x = tap("pool", features.global_pool(tap("features", x), config.pool))
        return tap.result(features.classify(x, self.dropout, self.head, dtype=dtype, train=train))

    @property
    def folds(self) -> list[tuple[Any, Any]]:
        """The stem with the norm behind it, in version 1, for `fold_batch_norm`."""
        return [(self.stem, self.stem_norm)]

    @property
    def tap_names(self) -> tuple[str, ...]:
        """What `taps` may ask for."""
        return features.tap_names(len(self.config.blocks))

    @property
    def stage_taps(self) -> tuple[str, ...]:
        """The last activation at each resolution, the finest first: what detection and segmentation build on."""
        first, *rest = (block.stride for block in self.config.blocks)
        return features.last_at_each_stride([2 if self.config.stem == "imagenet" else first, *rest])

    def _max_pool(self, x: Array) -> Array:
        if self.config.padding == "SAME":
            return F.max_pool2d(x, window=3, stride=2, padding="SAME")
        if self.config.variant == "keras":  # zeros take part in its maximum, which shows where no ReLU came before
            x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            return F.max_pool2d(x, window=3, stride=2)
        return F.max_pool2d(x, window=3, stride=2, padding=1)
