"""Maxima of windows together with where they lie, and the images that such maxima are put back into."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxml.functional._checks import check_choice, check_equal, check_positive
from jaxml.functional._explicit import along
from jaxml.functional._padding import Padding, explicit_pads, to_tuple
from jaxml.functional._pool_windows import Window, fold, padded, resolve_windows, spatial_axes


def max_pool1d_with_indices(
    x: Float[Array, "N W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> tuple[Float[Array, "N W_out C"], Int[Array, "N W_out C"]]:
    """Largest entry of each window of `(N, W, C)`, and its place; see `max_pool2d_with_indices`.

    >>> max_pool1d_with_indices(jnp.array([[[1.0], [3.0], [2.0], [0.0]]]), window=2)[1].ravel().tolist()
    [1, 2]
    """
    return _with_indices("max_pool1d_with_indices", x, window, stride, padding, dilation, ceil)


def max_pool2d_with_indices(
    x: Float[Array, "N H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> tuple[Float[Array, "N H_out W_out C"], Int[Array, "N H_out W_out C"]]:
    """Largest entry of each window of `(N, H, W, C)`, and its place in its image.

    The largest entries are those of `max_pool2d`, with its options. Their places are int32, `row W + column` of an
    `(H, W)` image: the first of equals. `max_unpool2d` takes them.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: as `max_pool2d`.

    >>> max_pool2d_with_indices(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2)[1].ravel().tolist()
    [5, 7, 13, 15]
    """
    return _with_indices("max_pool2d_with_indices", x, window, stride, padding, dilation, ceil)


def max_pool3d_with_indices(
    x: Float[Array, "N D H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> tuple[Float[Array, "N D_out H_out W_out C"], Int[Array, "N D_out H_out W_out C"]]:
    """Largest entry of each window of `(N, D, H, W, C)`, and its place; see `max_pool2d_with_indices`.

    >>> max_pool3d_with_indices(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), window=2)[1].ravel().tolist()
    [7]
    """
    return _with_indices("max_pool3d_with_indices", x, window, stride, padding, dilation, ceil)


def max_unpool1d(
    x: Float[Array, "N W C"],
    indices: Int[Array, "N W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    output_size: int | Sequence[int] | None = None,
) -> Float[Array, "N W_out C"]:
    """The image `(N, W, C)` with the entries of `x` at `indices`, and 0 elsewhere; see `max_unpool2d`.

    >>> max_unpool1d(jnp.array([[[3.0], [2.0]]]), jnp.array([[[1], [2]]]), window=2).ravel().tolist()
    [0.0, 3.0, 2.0, 0.0]
    """
    return _unpool("max_unpool1d", x, indices, window, stride, padding, output_size)


def max_unpool2d(
    x: Float[Array, "N H W C"],
    indices: Int[Array, "N H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    output_size: int | Sequence[int] | None = None,
) -> Float[Array, "N H_out W_out C"]:
    """The image `(N, H_out, W_out, C)` with the entries of `x` at the places `indices`, and 0 elsewhere.

    `indices` are those of `max_pool2d_with_indices` with the same options; each image and channel has its own. Several
    sizes of image pool to that of `x`: `output_size` says which, by default `(size - 1) stride + window - padding`.
    Where windows share their largest entry its derivative goes to one of them. A place beyond the image is left out.

    Raises:
        TypeError: `x` is not floating point, or `indices` not integers.
        ValueError: a wrong rank, shape, option or number of entries; an `output_size` that is a stride or more away.

    >>> max_unpool2d(jnp.ones((1, 1, 1, 1)), jnp.array([[[[2]]]]), window=2).ravel().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    return _unpool("max_unpool2d", x, indices, window, stride, padding, output_size)


def max_unpool3d(
    x: Float[Array, "N D H W C"],
    indices: Int[Array, "N D H W C"],
    *,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    output_size: int | Sequence[int] | None = None,
) -> Float[Array, "N D_out H_out W_out C"]:
    """The image `(N, D, H, W, C)` with the entries of `x` at `indices`, and 0 elsewhere; see `max_unpool2d`.

    >>> max_unpool3d(jnp.ones((1, 1, 1, 1, 1)), jnp.array([[[[[2]]]]]), window=2).shape
    (1, 2, 2, 2, 1)
    """
    return _unpool("max_unpool3d", x, indices, window, stride, padding, output_size)


def _with_indices(name: str, x: Array, *options) -> tuple[Array, Array]:
    windows, _ = resolve_windows(name, x, *options)
    spatial = windows.spatial
    # Padding has place -1 and loses to any entry, to -inf too.
    place = jnp.arange(math.prod(spatial), dtype=jnp.int32).reshape(1, *spatial, 1)
    y, place = fold((padded(x, windows, -jnp.inf), padded(place, windows, -1)), windows, _first_largest)
    return y, jnp.broadcast_to(place, y.shape)


def _first_largest(pairs: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    best, place = pairs[0]
    for other, there in pairs[1:]:
        wins = (there >= 0) & ((other > best) | (place < 0) | jnp.isnan(other))
        best, place = jnp.where(wins, other, best), jnp.where(wins, there, place)
    return best, place


def _unpool(name: str, x: Array, indices: Array, window, stride, padding, output_size) -> Array:
    n = spatial_axes(name, x)
    _check_indices(name, x, indices)
    spatial = x.shape[1:-1]
    check_positive(name, "the spatial size of x", spatial)
    kernel = to_tuple(name, "window", window, n)
    strides = kernel if stride is None else to_tuple(name, "stride", stride, n)
    if isinstance(padding, str):  # "SAME" depends on the size that is looked for
        check_choice(name, "padding", padding, ("VALID",))
        padding = 0
    pads = explicit_pads(name, padding, n, ("VALID",))
    usual = tuple((m - 1) * s + k - sum(p) for m, s, k, p in zip(spatial, strides, kernel, pads, strict=True))
    sizes = usual if output_size is None else to_tuple(name, "output_size", output_size, n)
    check_positive(name, "the spatial size of the result", sizes)
    if any(abs(size - u) >= s for size, u, s in zip(sizes, usual, strides, strict=True)):
        raise ValueError(f"{name}: output_size must be less than the stride {strides} from {usual}, got {sizes}")
    count, positions, channels = x.shape[0], math.prod(spatial), x.shape[-1]
    channel = np.arange(channels, dtype=np.int32)[None, None, :]

    def scattered(x: Array, indices: Array) -> Array:
        batch = jnp.arange(count, dtype=jnp.int32)[:, None, None]
        flat = jnp.zeros((count, math.prod(sizes), channels), x.dtype)
        places = indices.reshape(count, positions, channels)
        flat = flat.at[batch, places, channel].set(x.reshape(count, positions, channels), mode="drop")
        return flat.reshape(count, *sizes, channels)

    return along(x, scattered, x, indices)


def _check_indices(name: str, x: Array, indices: Array) -> None:
    """`indices` are integers, one for each entry of `x`."""
    if not hasattr(indices, "dtype") or not jnp.issubdtype(indices.dtype, jnp.integer):
        raise TypeError(f"{name}: indices must be an array of integers, got {getattr(indices, 'dtype', type(indices))}")
    check_equal(name, "the shape of indices", tuple(indices.shape), tuple(x.shape))
