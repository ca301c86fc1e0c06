"""Augmentation by mixing examples, and by erasing squares of them."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxml.functional._checks import (
    check_above,
    check_equal,
    check_flags,
    check_float,
    check_number,
    check_positive,
    check_rank,
    check_within,
)
from jaxml.functional._dropout import checked_key
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._explicit import along


def _checked(function: str, key: Any, x: Array, targets: Array, alpha: float) -> Array:
    check_float(function, x=x, targets=targets)
    for name, a in (("x", x), ("targets", targets)):
        if a.ndim == 0:
            raise ValueError(f"{function}: {name} must have at least 1 axis (N, ...), got 0 ({name}: ())")
    check_equal(function, "the number of targets", targets.shape[0], x.shape[0], x=x, targets=targets)
    check_above(function, "alpha", alpha, 0)
    return checked_key(function, key)


def _mix(a: Array, order: Array, share: Array) -> Array:
    share = share.astype(wide_dtype(a.dtype))
    return (share * wide(a) + (1 - share) * wide(_ordered(a, order))).astype(a.dtype)


def _ordered(a: Array, order: Array) -> Array:
    return along(a, lambda a, order: a[order], a, order)


def mixup(
    key: Array, x: Float[Array, "N *rest"], targets: Float[Array, "N *labels"], *, alpha: float = 0.2
) -> tuple[Float[Array, "N *rest"], Float[Array, "N *labels"]]:
    """Mix every example of `(N, ...)` with another of the batch, and their targets alike.

    `x' = l x + (1 - l) x[order]`, and `targets` so too (one-hot labels or real numbers, `(N, ...)`), with one
    `l ~ Beta(alpha, alpha)` and one permutation for the batch; arXiv:1710.09412.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or `key` is not one key.
        ValueError: another number of targets, no axis, or `alpha` is not finite and above 0.

    >>> x, y = mixup(jax.random.key(0), jnp.ones((4, 2)), jnp.eye(4))
    >>> x.tolist() == jnp.ones((4, 2)).tolist(), y.shape
    (True, (4, 4))
    """
    key = _checked("mixup", key, x, targets, alpha)
    of_share, of_order = jax.random.split(key)
    share = jax.random.beta(of_share, alpha, alpha, dtype=wide_dtype(x.dtype))
    order = jax.random.permutation(of_order, x.shape[0])
    return _mix(x, order, share), _mix(targets, order, share)


def cutmix(
    key: Array, x: Float[Array, "N H W C"], targets: Float[Array, "N *labels"], *, alpha: float = 1.0
) -> tuple[Float[Array, "N H W C"], Float[Array, "N *labels"]]:
    """Replace one box of every image `(N, H, W, C)` by that of another, and mix the targets by area.

    The box has the image's proportions and the area `1 - l`, `l ~ Beta(alpha, alpha)`, around a point of the image
    drawn evenly, and is cut at the edges: the share of the targets is what is left of the image then; arXiv:1905.04899.
    One box and one permutation for the batch.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or `key` is not one key.
        ValueError: a wrong rank, another number of targets, or `alpha` is not finite and above 0.

    >>> x, y = cutmix(jax.random.key(0), jnp.ones((4, 6, 6, 1)), jnp.eye(4))
    >>> x.shape, y.sum(1).round(3).tolist()
    ((4, 6, 6, 1), [1.0, 1.0, 1.0, 1.0])
    """
    key = _checked("cutmix", key, x, targets, alpha)
    check_rank("cutmix", "x", x, 4, "(N, H, W, C)")
    of_share, of_order, of_box = jax.random.split(key, 3)
    dtype = wide_dtype(x.dtype)
    side = jnp.sqrt(1 - jax.random.beta(of_share, alpha, alpha, dtype=dtype))
    order = jax.random.permutation(of_order, x.shape[0])
    inside = jnp.ones((1, 1, 1, 1), bool)
    for size, k, shape in zip(x.shape[1:3], jax.random.split(of_box), ((1, -1, 1, 1), (1, 1, -1, 1)), strict=True):
        length = (size * side).astype(jnp.int32)
        start = jax.random.randint(k, (), 0, size, jnp.int32) - length // 2
        places = jnp.arange(size, dtype=jnp.int32)
        inside = inside & ((places >= start) & (places < start + length)).reshape(shape)
    mixed = jnp.where(inside, _ordered(x, order), x)
    return mixed, _mix(targets, order, 1 - jnp.mean(inside, dtype=dtype))


def cutout(
    key: Array, x: Float[Array, "N H W C"], *, window: int | tuple[int, int], value: float = 0.0
) -> Float[Array, "N H W C"]:
    """Set a box of every image `(N, H, W, C)` to `value`: random erasing of one fixed size.

    The box of `window` pixels lies around a pixel drawn evenly, for each image its own, and is cut at the edges, as in
    arXiv:1708.04552.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has not 4 axes, or `window` is not positive.

    >>> x = cutout(jax.random.key(0), jnp.ones((1, 5, 5, 1)), window=1)
    >>> int(x.sum())
    24
    """
    check_float("cutout", x=x)
    check_rank("cutout", "x", x, 4, "(N, H, W, C)")
    sides = tuple(window) if isinstance(window, Sequence) else (window, window)
    check_positive("cutout", "window", sides)
    check_equal("cutout", "the length of window", len(sides), 2)
    check_number("cutout", "value", value)
    keys = jax.random.split(checked_key("cutout", key))
    inside = jnp.ones((1, 1, 1, 1), bool)
    for size, length, k, shape in zip(x.shape[1:3], sides, keys, ((1, -1, 1, 1), (1, 1, -1, 1)), strict=True):
        start = jax.random.randint(k, (x.shape[0], 1, 1, 1), 0, size) - length // 2
        places = jnp.arange(size).astype(start.dtype).reshape(shape)
        along = (places >= start) & (places < start + length)
        inside = inside & along
    return jnp.where(inside, jnp.asarray(value, x.dtype), x)


def dropblock2d(
    key: Array | None, x: Float[Array, "N H W C"], *, rate: float, window: int, train: bool = True
) -> Float[Array, "N H W C"]:
    """Drop squares of `window` pixels, of each channel of `(N, H, W, C)` its own, and scale the rest to keep the mean.

    Squares begin at each pixel where a whole one fits with the probability that drops about `rate` of all pixels, and
    what is left is multiplied by the number of pixels over that of pixels kept; arXiv:1810.12890, torchvision's
    `drop_block2d`. Overlapping squares make the share dropped a little less. Without `train`, and at rate 0, `x` is
    returned as it is and `key` may be `None`. At rate 1 all is 0.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has not 4 axes, `rate` is not in [0, 1], or `window` is not positive or larger than the image.

    >>> dropblock2d(None, jnp.ones((1, 4, 4, 1)), rate=0.5, window=2, train=False).sum().item()
    16.0
    """
    name = "dropblock2d"
    check_float(name, x=x)
    check_rank(name, "x", x, 4, "(N, H, W, C)")
    check_within(name, "rate", rate, 0, 1)
    check_positive(name, "window", (window,))
    n, h, w, c = x.shape
    if window > min(h, w):
        raise ValueError(f"{name}: window must not exceed the image, got {window} (x: {tuple(x.shape)})")
    check_flags(name, train=train)
    if not train or rate == 0:
        return x
    key = checked_key(name, key)
    if rate == 1:
        return jnp.zeros_like(x)
    corners = (n, h - window + 1, w - window + 1, c)
    share = min(1.0, rate * h * w / (window**2 * math.prod(corners[1:3])))
    begins = jax.random.bernoulli(key, share, corners).astype(jnp.int32)
    side = ((0, 0), (window - 1, window - 1), (window - 1, window - 1), (0, 0))
    ones, lowest = (1, 1, 1, 1), np.int32(np.iinfo(np.int32).min)
    dropped = jax.lax.reduce_window(begins, lowest, jax.lax.max, (1, window, window, 1), ones, side)
    kept = dropped < 1
    left = jnp.maximum(jnp.sum(kept), 1)
    factor = kept.size / left.astype(wide_dtype(x.dtype))
    return jnp.where(kept, wide(x) * factor, 0).astype(x.dtype)
