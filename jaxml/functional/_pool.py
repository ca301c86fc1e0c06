"""Pooling over windows of channels-last images: the largest entry and the mean."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_flags, check_positive
from jaxml.functional._dtypes import wide
from jaxml.functional._padding import Padding
from jaxml.functional._pool_windows import Window, Windows, entries, fold, larger, padded, resolve_windows


def max_pool1d(
    x: Float[Array, "N W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> Float[Array, "N W_out C"]:
    """Largest entry of each window of `(N, W, C)`; see `max_pool2d`.

    >>> max_pool1d(jnp.array([[[1.0], [3.0], [2.0], [0.0]]]), window=2).ravel().tolist()
    [3.0, 2.0]
    """
    return _max_pool("max_pool1d", x, window, stride, padding, dilation, ceil)


def max_pool2d(
    x: Float[Array, "N H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> Float[Array, "N H_out W_out C"]:
    """Largest entry of each window, `y[n, i, j, c] = max_{a, b} x[n, i s + a d - p, j s + b d - p, c]`.

    `stride` defaults to the window. Padding is never chosen, and must be smaller than the window. With `ceil=True` a
    last window may reach beyond the padded image, as long as it starts before the padding behind. The derivative goes
    to the largest entry; to the first one in row-major order where several are equal (as in PyTorch). NaN propagates.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, option or number of entries; a window larger than the padded input, or with nothing
            but padding in it.

    >>> max_pool2d(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2).ravel().tolist()
    [5.0, 7.0, 13.0, 15.0]
    """
    return _max_pool("max_pool2d", x, window, stride, padding, dilation, ceil)


def max_pool3d(
    x: Float[Array, "N D H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> Float[Array, "N D_out H_out W_out C"]:
    """Largest entry of each window of `(N, D, H, W, C)`; see `max_pool2d`.

    >>> max_pool3d(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), window=2).ravel().tolist()
    [7.0]
    """
    return _max_pool("max_pool3d", x, window, stride, padding, dilation, ceil)


def avg_pool1d(
    x: Float[Array, "N W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
    count_include_pad: bool = False,
    divisor_override: int | None = None,
) -> Float[Array, "N W_out C"]:
    """Mean of each window of `(N, W, C)`; see `avg_pool2d`.

    >>> avg_pool1d(jnp.array([[[1.0], [3.0], [2.0], [0.0]]]), window=2).ravel().tolist()
    [2.0, 1.0]
    """
    return _avg_pool("avg_pool1d", x, window, stride, padding, dilation, ceil, count_include_pad, divisor_override)


def avg_pool2d(
    x: Float[Array, "N H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
    count_include_pad: bool = False,
    divisor_override: int | None = None,
) -> Float[Array, "N H_out W_out C"]:
    """Mean of each window, `y[n, i, j, c] = Σ_{a, b} x[n, i s + a d - p, j s + b d - p, c] / count[i, j]`.

    `stride` defaults to the window, `dilation` is d, and `ceil` is told of at `max_pool2d`. `count` is the number of
    the window's entries that lie inside the image, as in Keras; with `count_include_pad=True` the padding asked for
    counts as well (what `ceil` reaches beyond it does not), which is PyTorch's default; `divisor_override` replaces it.
    Padding must be smaller than the window. float16 and bfloat16 are summed in float32.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, option or number of entries; a window larger than the padded input, or with nothing
            but padding in it.

    >>> avg_pool2d(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2).ravel().tolist()
    [2.5, 4.5, 10.5, 12.5]
    """
    return _avg_pool("avg_pool2d", x, window, stride, padding, dilation, ceil, count_include_pad, divisor_override)


def avg_pool3d(
    x: Float[Array, "N D H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
    count_include_pad: bool = False,
    divisor_override: int | None = None,
) -> Float[Array, "N D_out H_out W_out C"]:
    """Mean of each window of `(N, D, H, W, C)`; see `avg_pool2d`.

    >>> avg_pool3d(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), window=2).ravel().tolist()
    [3.5]
    """
    return _avg_pool("avg_pool3d", x, window, stride, padding, dilation, ceil, count_include_pad, divisor_override)


def _max_pool(name: str, x: Array, *options) -> Array:
    windows, _ = resolve_windows(name, x, *options)
    return fold(padded(x, windows, -jnp.inf), windows, functools.partial(functools.reduce, larger))


def _avg_pool(name: str, x: Array, *options) -> Array:
    *options, count_include_pad, divisor_override = options
    check_flags(name, count_include_pad=count_include_pad)
    windows, pads = resolve_windows(name, x, *options)
    touching = windows.stride == windows.kernel and max(windows.dilation) == 1
    total = (_block_sums if touching else _sums)(padded(wide(x), windows, 0.0), windows)
    if divisor_override is not None:
        check_positive(name, "divisor_override", (divisor_override,))
        return (total / divisor_override).astype(x.dtype)
    count = entries(windows, pads if count_include_pad else None)
    if (count == math.prod(windows.kernel)).all():  # one number divides by a product, an array does not
        return (total / math.prod(windows.kernel)).astype(x.dtype)
    return (total / jnp.asarray(count, total.dtype)).astype(x.dtype)


def _sums(x: Array, windows: Windows) -> Array:
    return fold(x, windows, functools.partial(functools.reduce, jnp.add))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _block_sums(x: Array, windows: Windows) -> Array:
    """The sums of windows side by side: by slices, but transposed, where each slice would be an array, by blocks."""
    return _sums(x, windows)


@_block_sums.defjvp
def _block_sums_jvp(windows: Windows, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    pairs = list(zip(windows.output, windows.kernel, strict=True))
    for axis, (out, k) in enumerate(pairs, 1):  # what the last window does not reach
        dx = jax.lax.slice_in_dim(dx, 0, out * k, 1, axis)
    blocks = dx.reshape(dx.shape[0], *itertools.chain(*pairs), dx.shape[-1])
    return _block_sums(x, windows), jnp.sum(blocks, tuple(range(2, 2 * len(pairs) + 1, 2)))
