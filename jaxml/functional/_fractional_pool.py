"""Max pooling at random places, by which images shrink by a fraction: B. Graham, arXiv:1412.6071."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_equal, check_positive
from jaxml.functional._dropout import checked_key
from jaxml.functional._dtypes import wide_dtype
from jaxml.functional._padding import to_tuple
from jaxml.functional._pool_windows import Window, spatial_axes


def fractional_max_pool2d(
    key: Array,
    x: Float[Array, "N H W C"],
    *,
    window: Window,
    output_size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Float[Array, "N H_out W_out C"]:
    """Largest entry of each of `output_size` windows of `(N, H, W, C)` at random places.

    Along an axis of n positions window o starts at `floor((o + u) a) - floor(u a)`, where
    `a = (n - window) / (output_size - 1)` and u is uniform in [0, 1), drawn for each example, channel and axis as in
    PyTorch; the last ends with the axis. A `scale_factor` below 1 asks for an `output_size` of `floor(n scale_factor)`.
    The derivative goes to the largest entry; to the first one in row-major order where several are equal.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: a wrong rank, option or number of entries; not exactly one of `output_size` and `scale_factor`;
            `output_size + window - 1` larger than the image.

    >>> fractional_max_pool2d(jax.random.key(0), jnp.ones((1, 9, 9, 2)), window=2, output_size=6).shape
    (1, 6, 6, 2)
    """
    return _fractional("fractional_max_pool2d", key, x, window, output_size, scale_factor)


def fractional_max_pool3d(
    key: Array,
    x: Float[Array, "N D H W C"],
    *,
    window: Window,
    output_size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Float[Array, "N D_out H_out W_out C"]:
    """Largest entry of windows of `(N, D, H, W, C)` at random places; see `fractional_max_pool2d`.

    >>> fractional_max_pool3d(jax.random.key(0), jnp.ones((1, 9, 9, 9, 2)), window=2, output_size=6).shape
    (1, 6, 6, 6, 2)
    """
    return _fractional("fractional_max_pool3d", key, x, window, output_size, scale_factor)


def _fractional(name: str, key: Array, x: Array, window: Window, output_size, scale_factor) -> Array:
    n = spatial_axes(name, x)
    key = checked_key(name, key)
    spatial = x.shape[1:-1]
    check_positive(name, "the spatial size of x", spatial)
    kernel = to_tuple(name, "window", window, n)
    if (output_size is None) == (scale_factor is None):
        raise ValueError(f"{name}: give one of output_size and scale_factor, got {output_size} and {scale_factor}")
    if scale_factor is None:
        sizes = to_tuple(name, "output_size", output_size, n)
    else:
        factors = tuple(scale_factor) if isinstance(scale_factor, list | tuple) else (scale_factor,) * n
        check_equal(name, "the number of entries of scale_factor", len(factors), n)
        if not all(0 < factor < 1 for factor in factors):
            raise ValueError(f"{name}: scale_factor must lie strictly between 0 and 1, got {factors}")
        sizes = tuple(math.floor(size * factor) for size, factor in zip(spatial, factors, strict=True))
        check_positive(name, "the spatial size of the result", sizes)
    if any(out + k - 1 > size for out, k, size in zip(sizes, kernel, spatial, strict=True)):
        raise ValueError(
            f"{name}: output_size + window - 1 must not exceed the image {spatial}, got {sizes} (window: {kernel})"
        )
    u = jax.random.uniform(key, (x.shape[0], n, x.shape[-1]), jnp.float32)  # the same windows in every dtype
    return pool_at(x, u.astype(wide_dtype(x.dtype)), kernel, sizes)


def pool_at(x: Array, u: Array, kernel: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """The largest entries of the windows that the draws `u`, `(N, axis, C)`, mean."""
    for axis in reversed(range(1, x.ndim - 1)):
        k, size = kernel[axis - 1], sizes[axis - 1]
        starts = _starts(u[:, axis - 1], x.shape[axis], k, size)
        shape = [1] * x.ndim
        shape[0], shape[axis], shape[-1] = x.shape[0], size, x.shape[-1]
        x = _largest_from(x, starts.reshape(shape), k, axis)
    return x


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _largest_from(x: Array, starts: Array, k: int, axis: int) -> Array:
    """The largest of `k` entries from each of `starts` on: tap by tap, as the windows side by side would be written."""
    return functools.reduce(jnp.maximum, [_taken(x, starts + tap, axis) for tap in range(k)])


@_largest_from.defjvp
def _largest_from_jvp(k: int, axis: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The first of equals is taken; from one place, so that backwards there is one scatter and not `k`."""
    x, starts = primals
    y = _largest_from(x, starts, k, axis)
    place = starts + k - 1
    for tap in reversed(range(k - 1)):
        entry = _taken(x, starts + tap, axis)
        place = jnp.where((entry == y) | jnp.isnan(entry), starts + tap, place)
    return y, _taken(tangents[0], jnp.broadcast_to(place, y.shape), axis)


def _taken(x: Array, places: Array, axis: int) -> Array:
    return jnp.take_along_axis(x, places, axis, mode="promise_in_bounds")


def _starts(u: Array, n: int, k: int, size: int) -> Array:
    """First positions, `(N, size, C)`, computed like PyTorch's in the dtype of `u`."""
    last = jnp.full((u.shape[0], 1, u.shape[-1]), n - k, jnp.int32)
    if size == 1:
        return last
    step = jnp.asarray((n - k) / (size - 1), u.dtype)
    o = jnp.arange(size - 1, dtype=u.dtype)[None, :, None]
    u = u[:, None]
    starts = ((o + u) * step).astype(jnp.int32) - (u * step).astype(jnp.int32)
    # Rounded up in float32, one could begin too late for its window to lie inside.
    return jnp.concatenate([jnp.minimum(starts, n - k), last], 1)
