"""Images of another size: nearest pixel, linear, cubic, and averages over what a pixel covers."""

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from jaxml.functional._checks import (
    check_above,
    check_choice,
    check_equal,
    check_flags,
    check_float,
    check_positive,
    check_rank,
)
from jaxml.functional._dtypes import wide
from jaxml.functional._padding import to_tuple
from jaxml.functional._resample import Matrix, resample

_MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
_FILTERS = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def interpolate(
    x: Float[Array, "N *spatial C"],
    *,
    output_size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    antialias: bool = False,
) -> Float[Array, "N *resized C"]:
    """Resize the spatial axes of `(N, *spatial, C)` to `output_size`, or to `floor(size * scale_factor)`.

    Pixel o of the result lies at `src = (o + 1/2) * scale - 1/2` of an axis of x, where `scale` is size / output_size
    or 1 / scale_factor; with `align_corners=True` at `o * (size - 1) / (output_size - 1)`. By `mode`, PyTorch's words:

    - "nearest": pixel `floor(o * scale)`; "nearest-exact": `floor((o + 1/2) * scale)`.
    - "linear", "bilinear", "trilinear" by the number of spatial axes: between the two pixels beside src, the first or
      last pixel beyond the edge. "bicubic" (two axes): four pixels, cubic convolution with a = -3/4.
    - "area": the mean of the pixels from `floor(o * scale)` to `ceil((o + 1) * scale)`.

    `antialias` widens the linear and the cubic filter by `scale` where the image shrinks, with a = -1/2, as Pillow and
    `jax.image.resize` do. float16 and bfloat16 are computed in float32.

    Errors: TypeError where x is not floating point; ValueError for a wrong rank or mode, not exactly one of output_size
    and scale_factor, an empty result, align_corners where there is nothing between pixels or with antialias.

    >>> interpolate(jnp.array([[[0.0], [4.0]]]), output_size=4, mode="linear").ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    check_float("interpolate", x=x)
    check_flags("interpolate", align_corners=align_corners, antialias=antialias)
    check_rank("interpolate", "x", x, (3, 4, 5), "(N, *spatial, C)")
    spatial = x.shape[1:-1]
    check_positive("interpolate", "the spatial size of x", spatial)
    check_choice("interpolate", "mode", mode, _MODES[len(spatial)])
    smooth = _FILTERS.get(mode)
    if (align_corners or antialias) and smooth is None:
        raise ValueError(f"interpolate: align_corners and antialias are of linear and cubic modes, got mode={mode!r}")
    if align_corners and antialias:
        raise ValueError("interpolate: antialias has no form with align_corners")
    sizes = _sizes(spatial, output_size, scale_factor)
    y = wide(x) if smooth or mode == "area" else x
    if mode == "area":
        y = _means(y, [out for out, _ in sizes])
    axes = []
    for axis, (size, (out, steps)) in enumerate(zip(y.shape[1:-1], sizes, strict=True)):
        if align_corners:
            steps = (size - 1, max(out - 1, 1))
        if (matrix := _matrix(smooth or mode, size, out, steps, align_corners, antialias)) is not None:
            axes.append((out / size, axis + 1, matrix))
    for _, axis, matrix in sorted(axes, key=lambda entry: entry[:2]):  # the axes that shrink come first
        y = resample(y, matrix, axis)
    return y.astype(x.dtype)


def _sizes(spatial, output_size, scale_factor) -> list[tuple[int, tuple[float, float]]]:
    """For each axis the size of the result, and the scale as a fraction: whole positions are then computed exactly."""
    f, n = "interpolate", len(spatial)
    if (output_size is None) == (scale_factor is None):
        raise ValueError(f"{f}: give one of output_size and scale_factor, got {output_size} and {scale_factor}")
    if scale_factor is None:
        sizes = to_tuple(f, "output_size", output_size, n)
        return [(out, (size, out)) for size, out in zip(spatial, sizes, strict=True)]
    factors = tuple(scale_factor) if isinstance(scale_factor, list | tuple) else (scale_factor,) * n
    check_equal(f, "the number of entries of scale_factor", len(factors), n)
    for factor in factors:
        check_above(f, "scale_factor", factor, 0)
    sizes = tuple(math.floor(size * factor) for size, factor in zip(spatial, factors, strict=True))
    check_positive(f, "the spatial size of the result", sizes)
    return [(out, (1, factor)) for out, factor in zip(sizes, factors, strict=True)]


def _means(x: Array, sizes: list[int]) -> Array:
    """Of the axes that their size divides, the blocks' means."""
    parts = [
        (out, size // out) if size % out == 0 else (size, 1) for size, out in zip(x.shape[1:-1], sizes, strict=True)
    ]
    return x.reshape(x.shape[0], *itertools.chain(*parts), x.shape[-1]).mean(range(2, 2 * len(parts) + 1, 2))


@functools.lru_cache(maxsize=1024)
def _matrix(mode, size, out, steps, align_corners, antialias) -> Matrix | None:
    """What one axis is multiplied by; `None` where that changes nothing."""
    numerator, denominator = steps
    o = np.arange(out)[:, None]
    if mode == "nearest":
        columns, weights = np.floor(o * numerator / denominator), np.ones((out, 1))
    elif mode == "nearest-exact":
        columns, weights = np.floor((o + 0.5) * numerator / denominator), np.ones((out, 1))
    elif mode == "area":
        first, last = o * size // out, -(-(o + 1) * size // out)
        columns = first + np.arange((last - first).max())
        weights = (columns < last) / (last - first)
    elif antialias:
        columns, weights = _antialiased(mode, size, (o + 0.5) * numerator / denominator, numerator / denominator)
    else:
        src = o * numerator / denominator if align_corners else (o + 0.5) * numerator / denominator - 0.5
        if mode == "linear":
            src = np.maximum(src, 0)
        columns = np.floor(src) + (np.arange(2) if mode == "linear" else np.arange(-1, 3))
        weights = _filter(mode, columns - src, -0.75)
    columns = np.clip(columns, 0, size - 1).astype(np.int64)
    rows = np.broadcast_to(o, columns.shape)
    kept = weights != 0
    matrix = Matrix((out, size), rows[kept], columns[kept], weights[kept])
    unchanged = out == size and np.array_equal(matrix.rows, matrix.columns) and bool((matrix.weights == 1).all())
    return None if unchanged else matrix


def _antialiased(mode: str, size: int, centre: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """All pixels whose middle the widened filter covers; Pillow's rule, which PyTorch follows."""
    widen = max(scale, 1.0)
    support = (1 if mode == "linear" else 2) * widen
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), size)
    columns = first + np.arange((last - first).max())
    weights = _filter(mode, (columns - centre + 0.5) / widen, -0.5) * (columns < last)
    return columns, weights / weights.sum(1, keepdims=True)


def _filter(mode: str, t: np.ndarray, a: float) -> np.ndarray:
    """The tent, or R. Keys's cubic convolution with the slope `a` at 1."""
    t = np.abs(t)
    if mode == "linear":
        return np.maximum(1 - t, 0)
    near, far = ((a + 2) * t - (a + 3)) * t * t + 1, ((t - 5) * t + 8) * t * a - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))
