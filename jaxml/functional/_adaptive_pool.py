"""Pooling to a given number of outputs: the windows follow from the two sizes."""

import functools
import itertools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxml.functional._checks import check_equal, check_positive
from jaxml.functional._dtypes import wide
from jaxml.functional._padding import to_tuple
from jaxml.functional._pool_windows import largest, spatial_axes
from jaxml.functional._resample import Matrix, resample

Size = int | None | Sequence[int | None]


def adaptive_avg_pool1d(x: Float[Array, "N W C"], *, output_size: Size) -> Float[Array, "N W_out C"]:
    """Mean of each of `output_size` windows of `(N, W, C)`; see `adaptive_avg_pool2d`.

    >>> adaptive_avg_pool1d(jnp.arange(5.0).reshape(1, 5, 1), output_size=2).ravel().tolist()
    [1.0, 3.0]
    """
    return _adaptive_avg("adaptive_avg_pool1d", x, output_size)


def adaptive_avg_pool2d(x: Float[Array, "N H W C"], *, output_size: Size) -> Float[Array, "N H_out W_out C"]:
    """Mean of each of `output_size` windows of `(N, H, W, C)` that follow from the sizes.

    Output o of an axis of n positions is the mean of those from `floor(o n / output_size)` to
    `ceil((o + 1) n / output_size)`, the last not included: blocks where the size divides, otherwise windows that share
    an edge. An entry `None` of `output_size` leaves its axis as it is. float16 and bfloat16 are summed in float32.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, an empty image, a size that is not positive, a wrong number of sizes.

    >>> adaptive_avg_pool2d(jnp.arange(16.0).reshape(1, 4, 4, 1), output_size=2).ravel().tolist()
    [2.5, 4.5, 10.5, 12.5]
    """
    return _adaptive_avg("adaptive_avg_pool2d", x, output_size)


def adaptive_avg_pool3d(x: Float[Array, "N D H W C"], *, output_size: Size) -> Float[Array, "N D_out H_out W_out C"]:
    """Mean of each of `output_size` windows of `(N, D, H, W, C)`; see `adaptive_avg_pool2d`.

    >>> adaptive_avg_pool3d(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), output_size=1).ravel().tolist()
    [3.5]
    """
    return _adaptive_avg("adaptive_avg_pool3d", x, output_size)


def adaptive_max_pool1d(x: Float[Array, "N W C"], *, output_size: Size) -> Float[Array, "N W_out C"]:
    """Largest entry of each of `output_size` windows of `(N, W, C)`; see `adaptive_max_pool2d`.

    >>> adaptive_max_pool1d(jnp.arange(5.0).reshape(1, 5, 1), output_size=2).ravel().tolist()
    [2.0, 4.0]
    """
    return _adaptive_max("adaptive_max_pool1d", x, output_size)


def adaptive_max_pool2d(x: Float[Array, "N H W C"], *, output_size: Size) -> Float[Array, "N H_out W_out C"]:
    """Largest entry of each of `output_size` windows of `(N, H, W, C)`, those of `adaptive_avg_pool2d`.

    The derivative goes to the largest entry; to the first one in row-major order where several are equal (as in
    PyTorch). NaN propagates.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, an empty image, a size that is not positive, a wrong number of sizes.

    >>> adaptive_max_pool2d(jnp.arange(16.0).reshape(1, 4, 4, 1), output_size=2).ravel().tolist()
    [5.0, 7.0, 13.0, 15.0]
    """
    return _adaptive_max("adaptive_max_pool2d", x, output_size)


def adaptive_max_pool3d(x: Float[Array, "N D H W C"], *, output_size: Size) -> Float[Array, "N D_out H_out W_out C"]:
    """Largest entry of each of `output_size` windows of `(N, D, H, W, C)`; see `adaptive_max_pool2d`.

    >>> adaptive_max_pool3d(jnp.arange(8.0).reshape(1, 2, 2, 2, 1), output_size=1).ravel().tolist()
    [7.0]
    """
    return _adaptive_max("adaptive_max_pool3d", x, output_size)


def _adaptive_avg(name: str, x: Array, output_size: Size) -> Array:
    sizes = _sizes(name, x, output_size)
    # Axes that their size divides are averaged in blocks, all at once; what is left is a sparse product an axis.
    blocks = [(out, n // out) if n % out == 0 else (n, 1) for n, out in zip(x.shape[1:-1], sizes, strict=True)]
    y = wide(x).reshape(x.shape[0], *itertools.chain(*blocks), x.shape[-1])
    y = y.mean(tuple(range(2, 2 * len(blocks) + 1, 2)))
    for axis, size in enumerate(sizes, 1):
        if y.shape[axis] != size:
            y = resample(y, _means(y.shape[axis], size), axis)
    return y.astype(x.dtype)


def _adaptive_max(name: str, x: Array, output_size: Size) -> Array:
    sizes = _sizes(name, x, output_size)
    if all(n % size == 0 for n, size in zip(x.shape[1:-1], sizes, strict=True)):
        blocks = [(size, n // size) for n, size in zip(x.shape[1:-1], sizes, strict=True)]
        x = x.reshape(x.shape[0], *itertools.chain(*blocks), x.shape[-1])
        return largest(x, tuple(range(2, 2 * len(blocks) + 1, 2)))
    for axis in reversed(range(1, x.ndim - 1)):
        n, size = x.shape[axis], sizes[axis - 1]
        if n % size:
            # A shorter window repeats its last entry, which loses to itself.
            start, end = _bins(n, size)
            taps = np.minimum(start[:, None] + np.arange((end - start).max()), end[:, None] - 1)
            x = jnp.take(x, jnp.asarray(taps.ravel(), jnp.int32), axis, mode="clip")
        x = x.reshape(*x.shape[:axis], size, x.shape[axis] // size, *x.shape[axis + 1 :])
        x = largest(x, axis + 1)
    return x


def _sizes(name: str, x: Array, output_size: Size) -> tuple[int, ...]:
    spatial_axes(name, x)
    spatial = x.shape[1:-1]
    check_positive(name, "the spatial size of x", spatial)
    asked = output_size if isinstance(output_size, Sequence) else (output_size,) * len(spatial)
    check_equal(name, "the number of entries of output_size", len(asked), len(spatial))
    full = [n if size is None else size for n, size in zip(spatial, asked, strict=True)]
    return to_tuple(name, "output_size", full, len(spatial))


def _bins(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First position of each window, and the one behind its last."""
    o = np.arange(size)
    return o * n // size, -(-(o + 1) * n // size)


@functools.lru_cache(maxsize=1024)
def _means(n: int, size: int) -> Matrix:
    start, end = _bins(n, size)
    rows = np.repeat(np.arange(size), end - start)
    columns = np.concatenate([np.arange(a, b) for a, b in zip(start, end, strict=True)])
    return Matrix((size, n), rows, columns, (1 / (end - start))[rows])
