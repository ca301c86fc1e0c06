"""Pooling layers: no parameters, one functional each."""

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml.functional._padding import Padding
from jaxml.nn._common import IntOrTuple, freeze_padding, spatial
from jaxml.nn._scope import scoped

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class MaxPool(nnx.Module):
    """Largest entry of each window, by `F.max_pool1d`, `2d` or `3d`.

    Shapes: x (N, *spatial, C) -> (N, *outputs, C). `window` says the rank: an int is a square in 2d; `stride` is the
    window unless given.
    Errors: `ValueError` for sizes that are not positive or another number of them than the window has.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.MaxPool(2)(jnp.ones((1, 8, 8, 3))).shape
    (1, 4, 4, 3)
    """

    def __init__(self, window: IntOrTuple, *, stride: IntOrTuple | None = None, padding: Padding = "VALID"):
        self.window = spatial("MaxPool", "window", window)
        self.stride = self.window if stride is None else spatial("MaxPool", "stride", stride, len(self.window))
        self.padding = freeze_padding("MaxPool", padding)

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *out C"]:
        pool = _MAX[len(self.window)]
        return pool(x, window=self.window, stride=self.stride, padding=self.padding)


class AvgPool(nnx.Module):
    """Mean of each window, by `F.avg_pool1d`, `2d` or `3d`.

    Shapes: x (N, *spatial, C) -> (N, *outputs, C); `window` and `stride` as in `MaxPool`.
    Variant: `count_include_pad=False` divides by the number of entries that are not padding, as Keras does; PyTorch
    counts padding unless told otherwise.
    Errors: `ValueError` for sizes that are not positive or another number of them than the window has.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.AvgPool(2)(jnp.ones((1, 8, 8, 3))).shape
    (1, 4, 4, 3)
    """

    def __init__(
        self,
        window: IntOrTuple,
        *,
        stride: IntOrTuple | None = None,
        padding: Padding = "VALID",
        count_include_pad: bool = False,
    ):
        self.window = spatial("AvgPool", "window", window)
        self.stride = self.window if stride is None else spatial("AvgPool", "stride", stride, len(self.window))
        self.padding = freeze_padding("AvgPool", padding)
        self.count_include_pad = count_include_pad

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *out C"]:
        pool, count = _AVG[len(self.window)], self.count_include_pad
        return pool(x, window=self.window, stride=self.stride, padding=self.padding, count_include_pad=count)


class GlobalAvgPool(nnx.Module):
    """Mean over all spatial axes, by `F.global_avg_pool`: (N, *spatial, C) -> (N, C).

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.GlobalAvgPool()(jnp.ones((1, 8, 8, 3))).shape
    (1, 3)
    """

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N C"]:
        return F.global_avg_pool(x)


class GlobalMaxPool(nnx.Module):
    """Largest entry over all spatial axes, by `F.global_max_pool`: (N, *spatial, C) -> (N, C).

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.GlobalMaxPool()(jnp.ones((1, 8, 8, 3))).shape
    (1, 3)
    """

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N C"]:
        return F.global_max_pool(x)
