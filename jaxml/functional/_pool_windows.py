"""The windows of a pool: where they lie, how many entries each has, and their entries combined axis by axis.

Windows are reduced one axis after the other, as an elementwise maximum or sum of strided slices. That differentiates
to any order and under every transform by plain autodiff, whereas `lax.reduce_window`'s maximum needs XLA's slow
select-and-scatter for its gradient; and it vectorises over channels.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxml.functional._checks import check_flags, check_float, check_rank
from jaxml.functional._padding import Padding, resolve_padding, to_tuple
from jaxml.functional._window import Window as Windows

Window = int | Sequence[int]
Pads = tuple[tuple[int, int], ...]
FORMS = {1: "(N, W, C)", 2: "(N, H, W, C)", 3: "(N, D, H, W, C)"}


def spatial_axes(name: str, x: Array) -> int:
    """How many spatial axes `name` says (`max_pool2d`: 2), after checking that x is floating and has them."""
    n = next(n for n in FORMS if f"pool{n}d" in name)
    check_float(name, x=x)
    check_rank(name, "x", x, n + 2, FORMS[n])
    return n


def resolve_windows(
    name: str,
    x: Array,
    window: Window,
    stride: Window | None = None,
    padding: Padding = "VALID",
    dilation: Window = 1,
    ceil: bool = False,
) -> tuple[Windows, Pads]:
    """The windows, and the padding asked for; theirs has beside it what the last window of `ceil` reaches beyond."""
    n = spatial_axes(name, x)
    check_flags(name, ceil=ceil)
    kernel = to_tuple(name, "window", window, n)
    strides = kernel if stride is None else to_tuple(name, "stride", stride, n)
    dilations = to_tuple(name, "dilation", dilation, n)
    pads = resolve_padding(name, padding, x.shape[1:-1], kernel, strides, dilations)
    windows = Windows(x.shape[1:-1], kernel, strides, dilations, pads)
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if any(max(pair) >= extent for pair, extent in zip(pads, extents, strict=True)):
        # A window with nothing but padding in it has neither a maximum nor a mean.
        raise ValueError(f"{name}: padding must be smaller than the window, got {pads} (window: {kernel})")
    if ceil:
        reach = []
        for size, extent, s, (before, after) in zip(windows.spatial, extents, strides, pads, strict=True):
            steps = -(-(size + before + after - extent) // s)
            steps -= steps * s >= size + before  # a window that would start in the padding behind is left out
            reach.append((before, max(after, steps * s + extent - size - before)))
        windows = dataclasses.replace(windows, pads=tuple(reach))
    if not (entries(windows) > 0).all():
        raise ValueError(f"{name}: a window has nothing but padding in it, got {pads} (window: {kernel}, {dilations=})")
    return windows, pads


def entries(windows: Windows, pads: Pads | None = None) -> np.ndarray:
    """How many entries of each window lie in the image, or in the image and `pads`; `(1, *output, 1)`."""
    n = len(windows.spatial)
    count = np.ones((1,) * (n + 2))
    for axis, (lo, hi) in enumerate(pads or ((0, 0),) * n):
        outputs, taps = np.arange(windows.output[axis])[:, None], np.arange(windows.kernel[axis])
        place = outputs * windows.stride[axis] + taps * windows.dilation[axis] - windows.pads[axis][0]
        inside = ((place >= -lo) & (place < windows.spatial[axis] + hi)).sum(1)
        count = count * inside.reshape([-1 if a == axis + 1 else 1 for a in range(n + 2)])
    return count


def padded(x: Array, windows: Windows, fill: float) -> Array:
    """`x` with `fill` around its spatial axes."""
    widths = [(0, 0, 0), *((*pair, 0) for pair in windows.pads), (0, 0, 0)]
    return jax.lax.pad(x, jnp.asarray(fill, x.dtype), widths)


def fold(x: Any, windows: Windows, combine: Callable[[list[Any]], Any]) -> Any:
    """Combine the entries of each window, the last axis first: `Σ k` operations for each output in place of `Π k`.

    `x` is a padded image or several; `combine` has a list of slices of it. In that order the first of several equal
    maxima is the first in row-major order: each row hands on its own first, and the first of the rows is kept.
    """
    for axis in reversed(range(len(windows.kernel))):
        x = combine(taps(x, windows, axis))
    return x


def taps(x: Any, windows: Windows, axis: int) -> list[Any]:
    """The first entry of each window along one spatial axis, the second, and so on."""
    steps, s, d = windows.output[axis] - 1, windows.stride[axis], windows.dilation[axis]
    cuts = [
        functools.partial(jax.lax.slice_in_dim, start_index=lo, limit_index=lo + steps * s + 1, stride=s, axis=axis + 1)
        for lo in range(0, windows.kernel[axis] * d, d)
    ]
    return [jax.tree.map(cut, x) for cut in cuts]


def larger(best: Array, other: Array) -> Array:
    """The larger entry, the first of equals."""
    # Strictly larger, so that the first of equals wins; a comparison with a NaN is False, hence the second half.
    return jnp.where((other > best) | jnp.isnan(other), other, best)


def largest(x: Array, axes: int | tuple[int, ...]) -> Array:
    """The largest entry along `axes`, which go; the derivative goes to the first of equals in row-major order."""
    axes = (axes,) if isinstance(axes, int) else axes
    if len(axes) == 1 and x.shape[axes[0]] == 2:
        first, last = (jax.lax.slice_in_dim(x, at, at + 1, 1, axes[0]) for at in (0, 1))
        return jax.lax.squeeze(larger(first, last), axes)
    return _largest(x, axes)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _largest(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.max(x, axes)


@_largest.defjvp
def _largest_jvp(axes: tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    y = _largest(x, axes)
    place, count = jnp.zeros(x.shape, jnp.int32), 1
    for axis in reversed(axes):
        place = place + count * jax.lax.broadcasted_iota(jnp.int32, x.shape, axis)
        count *= x.shape[axis]
    hit = (x == jnp.expand_dims(y, axes)) | jnp.isnan(x)
    if len(axes) == 1 and count < 2**24:  # XLA:CPU has a fast maximum of floats, exact here, and none of integers
        number = jax.lax.broadcasted_iota(jnp.float32, x.shape, axes[0])
        first = -jnp.max(jnp.where(hit, -number, -count), axes, keepdims=True).astype(jnp.int32)
    else:
        first = jnp.min(jnp.where(hit, place, count), axes, keepdims=True)
    return y, jnp.sum(jnp.where(place == first, dx, 0), axes)
