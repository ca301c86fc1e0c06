"""Pooling over windows of channels-last images, and over whole images.

Windows are reduced one axis after the other, as an elementwise maximum or sum of strided slices. That differentiates
to any order and under every transform by plain autodiff, whereas `lax.reduce_window`'s maximum needs XLA's slow
select-and-scatter for its gradient; and it vectorises over channels.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxml.functional._checks import check_float, check_rank
from jaxml.functional._dtypes import wide
from jaxml.functional._padding import Padding, output_size, resolve_padding, to_tuple

Window = int | Sequence[int]


def max_pool1d(
    x: Float[Array, "N W C"], *, window: Window, stride: Window | None = None, padding: Padding = "VALID"
) -> Float[Array, "N W_out C"]:
    """Largest entry of each window of `(N, W, C)`; see `max_pool2d`.

    >>> max_pool1d(jnp.array([[[1.0], [3.0], [2.0], [0.0]]]), window=2).ravel().tolist()
    [3.0, 2.0]
    """
    return _max_pool("max_pool1d", x, window, stride, padding, "(N, W, C)")


def max_pool2d(
    x: Float[Array, "N H W C"], *, window: Window, stride: Window | None = None, padding: Padding = "VALID"
) -> Float[Array, "N H_out W_out C"]:
    """Largest entry of each window, `y[n, i, j, c] = max_{a, b} x[n, i s + a - p, j s + b - p, c]`.

    `stride` defaults to the window. Padding is never chosen, and must be smaller than the window. The derivative goes
    to the largest entry; to the first one in row-major order where several are equal (as in PyTorch). NaN propagates.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, option or number of entries; a window larger than the padded input.

    >>> max_pool2d(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2).ravel().tolist()
    [5.0, 7.0, 13.0, 15.0]
    """
    return _max_pool("max_pool2d", x, window, stride, padding, "(N, H, W, C)")


def max_pool3d(
    x: Float[Array, "N D H W C"], *, window: Window, stride: Window | None = None, padding: Padding = "VALID"
) -> Float[Array, "N D_out H_out W_out C"]:
    """Largest entry of each window of `(N, D, H, W, C)`; see `max_pool2d`.

    >>> max_pool3d(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), window=2).ravel().tolist()
    [7.0]
    """
    return _max_pool("max_pool3d", x, window, stride, padding, "(N, D, H, W, C)")


def avg_pool1d(
    x: Float[Array, "N W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = False,
) -> Float[Array, "N W_out C"]:
    """Mean of each window of `(N, W, C)`; see `avg_pool2d`.

    >>> avg_pool1d(jnp.array([[[1.0], [3.0], [2.0], [0.0]]]), window=2).ravel().tolist()
    [2.0, 1.0]
    """
    return _avg_pool("avg_pool1d", x, window, stride, padding, count_include_pad, "(N, W, C)")


def avg_pool2d(
    x: Float[Array, "N H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = False,
) -> Float[Array, "N H_out W_out C"]:
    """Mean of each window, `y[n, i, j, c] = Σ_{a, b} x[n, i s + a - p, j s + b - p, c] / count[i, j]`.

    `stride` defaults to the window. `count` is the number of the window's entries that lie inside the image, as in
    Keras; with `count_include_pad=True` it is the window's size, which is PyTorch's default. Padding must be smaller
    than the window. float16 and bfloat16 are summed in float32.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, option or number of entries; a window larger than the padded input.

    >>> avg_pool2d(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2).ravel().tolist()
    [2.5, 4.5, 10.5, 12.5]
    """
    return _avg_pool("avg_pool2d", x, window, stride, padding, count_include_pad, "(N, H, W, C)")


def avg_pool3d(
    x: Float[Array, "N D H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = False,
) -> Float[Array, "N D_out H_out W_out C"]:
    """Mean of each window of `(N, D, H, W, C)`; see `avg_pool2d`.

    >>> avg_pool3d(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), window=2).ravel().tolist()
    [3.5]
    """
    return _avg_pool("avg_pool3d", x, window, stride, padding, count_include_pad, "(N, D, H, W, C)")


def global_avg_pool(x: Float[Array, "N *spatial C"]) -> Float[Array, "N C"]:
    """Mean over all positions, `(N, *spatial, C)` to `(N, C)`; float16 and bfloat16 are summed in float32.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: fewer than 3 axes, or no position.

    >>> global_avg_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[3.0, 4.0]]
    """
    return jnp.mean(_positions("global_avg_pool", x), 1)


def global_max_pool(x: Float[Array, "N *spatial C"]) -> Float[Array, "N C"]:
    """Largest entry over all positions, `(N, *spatial, C)` to `(N, C)`.

    The derivative goes to the first of several equal entries. NaN propagates.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: fewer than 3 axes, or no position.

    >>> global_max_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[6.0, 7.0]]
    """
    flat = _positions("global_max_pool", x)
    # jnp.max would share the derivative among equal entries, unlike the windowed pools.
    index = jnp.argmax(flat, 1, keepdims=True)
    return jnp.take_along_axis(flat, index, 1, mode="promise_in_bounds")[:, 0]


def _positions(name: str, x: Array) -> Array:
    check_float(name, x=x)
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ValueError(f"{name}: x must have at least 3 axes (N, *spatial, C), none of them empty, got {x.shape}")
    return x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])  # no -1: the batch may be empty


def _max_pool(name: str, x: Array, window: Window, stride: Window | None, padding: Padding, form: str) -> Array:
    kernel, strides, pads = _geometry(name, x, window, stride, padding, form)
    return _fold_windows(x, kernel, strides, pads, -jnp.inf, _larger)


def _larger(best: Array, other: Array) -> Array:
    # Strictly larger, so that the first of equals wins; a comparison with a NaN is False, hence the second half.
    return jnp.where((other > best) | jnp.isnan(other), other, best)


def _avg_pool(
    name: str, x: Array, window: Window, stride: Window | None, padding: Padding, count_include_pad: bool, form: str
) -> Array:
    kernel, strides, pads = _geometry(name, x, window, stride, padding, form)
    total = _fold_windows(wide(x), kernel, strides, pads, 0.0, jnp.add)
    if count_include_pad or not any(map(any, pads)):
        return (total / math.prod(kernel)).astype(x.dtype)
    count = np.ones((1,) * x.ndim)
    for axis, (k, s, pair) in enumerate(zip(kernel, strides, pads, strict=True), 1):
        size = x.shape[axis]
        start = np.arange(output_size(size, k, s, 1, pair)) * s - pair[0]
        inside = np.minimum(start + k, size) - np.maximum(start, 0)
        count = count * inside.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return (total / jnp.asarray(count, total.dtype)).astype(x.dtype)


def _geometry(
    name: str, x: Array, window: Window, stride: Window | None, padding: Padding, form: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    check_float(name, x=x)
    check_rank(name, "x", x, form.count(",") + 1, form)
    n = x.ndim - 2
    kernel = to_tuple(name, "window", window, n)
    strides = kernel if stride is None else to_tuple(name, "stride", stride, n)
    pads = resolve_padding(name, padding, x.shape[1:-1], kernel, strides, (1,) * n)
    if any(max(pair) >= k for pair, k in zip(pads, kernel, strict=True)):
        # A window with nothing but padding in it has neither a maximum nor a mean.
        raise ValueError(f"{name}: padding must be smaller than the window, got {pads} (window: {kernel})")
    return kernel, strides, pads


def _fold_windows(
    x: Array,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    fill: float,
    combine: Callable[[Array, Array], Array],
) -> Array:
    """Combine the entries of each window, the last axis first: `Σ k` operations for each output in place of `Π k`.

    In that order the first of several equal maxima is the first in row-major order: each row hands on its own first,
    and the first of the rows is kept.
    """
    x = jax.lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0), *((a, b, 0) for a, b in pads), (0, 0, 0)])
    for axis in reversed(range(1, x.ndim - 1)):
        k, s = kernel[axis - 1], strides[axis - 1]
        span = (x.shape[axis] - k) // s * s + 1
        slices = [jax.lax.slice_in_dim(x, i, i + span, s, axis) for i in range(k)]
        result = slices[0]
        for piece in slices[1:]:
            result = combine(result, piece)
        x = result
    return x
