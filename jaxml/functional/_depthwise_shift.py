"""Depthwise convolution as shifted products, in a form that XLA:CPU compiles to vectorised loops over the channels.

    y[n, o, p, c] = sum_ij x[n, o*s + i*d - before, p*s + j*d - before, c] * w[i, j, c]

Every tap (i, j) is a strided slice of x times one row of w. Nothing is padded in memory: the output is cut into the
rows that every tap reaches and those above and below; each part is a sum of its own, in which what a column's tap does
not reach is left out, and XLA writes them into one array. So each direction reads its operands once, writes its result
once and multiplies no inserted zeros.

Each direction is isolated from its surroundings, since every operand is read once a tap (see `isolated`). Half
precision is accumulated in float32.
"""

import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxml.functional._channels import sum_leading_as_dot
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._window import Reach, Window

UNROLL = 8  # products summed per output element of the weight gradient's first stage; see benchmarks/README.md

Taps = dict[int, Reach]


def forward(x: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """Sum over the taps of slice times weight."""
    if window.multiplier > 1:
        x = jnp.repeat(x, window.multiplier, axis=-1)
    rows, columns = ({i: r for i, r in enumerate(window.reaches(axis)) if len(r)} for axis in (0, 1))
    return _shifted_sum(x, wide(w), rows, columns, window.output, window.stride).astype(x.dtype)


def input_grad(g: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """d/dx: for each phase of the stride, the taps that meet it, as a forward pass of stride 1 over g.

    Input position `h = q*s + r` is read by tap i of output `o` when `q*s + r = o*s + i*d - before`, so the taps with
    `(r + before - i*d) % s == 0` serve phase r, at `o = q + (r + before - i*d) / s`.
    """
    w = wide(w)
    (s_h, s_w), sizes = window.stride, [-(-size // s) for size, s in zip(window.spatial, window.stride, strict=True)]
    phases = [
        [
            _shifted_sum(g, w, _phase(window, 0, r_h, sizes[0]), _phase(window, 1, r_w, sizes[1]), sizes, (1, 1))
            for r_w in range(s_w)
        ]
        for r_h in range(s_h)
    ]
    if (s_h, s_w) == (1, 1):
        dx = phases[0][0]
    else:
        stacked = jnp.stack([jnp.stack(row, axis=3) for row in phases], axis=2)  # (N, q_h, s_h, q_w, s_w, C)
        whole = stacked.reshape(g.shape[0], sizes[0] * s_h, sizes[1] * s_w, g.shape[-1])
        dx = whole[:, : window.spatial[0], : window.spatial[1]]
    if window.multiplier > 1:
        dx = dx.reshape(*dx.shape[:3], g.shape[-1] // window.multiplier, window.multiplier).sum(-1)
    return dx.astype(g.dtype)


def weight_grad(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """d/dw: the taps of one kernel row share a pass over x and g.

    XLA:CPU does not vectorise a sum over the leading axes. So the sum is taken in two stages: a variadic reduction
    over `UNROLL` images (and row blocks, when the batch is small), which it unrolls into a vectorised elementwise loop
    with one accumulator a tap, then a product of a vector of ones with what is left.
    """
    if window.multiplier > 1:
        x = jnp.repeat(x, window.multiplier, axis=-1)
    rows, columns = window.reaches(0), window.reaches(1)
    channels = x.shape[-1]
    dtype = wide_dtype(g.dtype)
    dw = [[jnp.zeros((channels,), dtype)] * window.kernel[1] for _ in range(window.kernel[0])]
    live = [j for j, column in enumerate(columns) if len(column)]
    for i, row in enumerate(rows):
        for part in _row_parts(row, window.stride[0], g.shape[0]):
            products = [_product(x, g, part, columns[j], window) for j in live]
            for j, total in zip(live, _sum_products(products, part), strict=True):
                dw[i][j] = dw[i][j] + total
    return jnp.stack([jnp.stack(taps) for taps in dw])[:, :, None, :].astype(g.dtype)


def _shifted_sum(
    a: jax.Array, w: jax.Array, rows: Taps, columns: Taps, sizes: Sequence[int], stride: tuple[int, ...]
) -> jax.Array:
    """`sum over taps (i, j) of a[its slice] * w[i, j]` at every output, one part of the rows after the other.

    Cutting the columns too saves 0 to 3 % of the time, and takes as long again to compile.
    """
    parts = [_region(a, w, rows, columns, part, sizes[1], stride) for part in _segments(rows, sizes[0])]
    return jnp.concatenate(parts, axis=1)


def _segments(taps: Taps, size: int) -> list[tuple[int, int]]:
    """`0..size` cut where what every tap reaches begins and ends."""
    lo, hi = max((t.lo for t in taps.values()), default=0), min((t.hi for t in taps.values()), default=0)
    cuts = [0, lo, hi, size] if lo < hi else [0, size]
    return [(a, b) for a, b in itertools.pairwise(cuts) if a < b]


def _region(a, w, rows: Taps, columns: Taps, height: tuple[int, int], width: int, stride) -> jax.Array:
    """The sum on some rows of outputs. Taps that reach only a part of them are padded."""
    shape = (a.shape[0], height[1] - height[0], width, a.shape[-1])
    rows = _within(rows, height, stride[0])
    total = None
    for i, row in rows.items():
        line = None
        for j, column in columns.items():
            term = _pad_axis(wide(_tap(a, row, column, stride)) * w[i : i + 1, j : j + 1], 2, column, shape[2])
            line = term if line is None else line + term
        if line is not None:
            line = _pad_axis(line, 1, row, shape[1])
            total = line if total is None else total + line
    return jnp.zeros(shape, w.dtype) if total is None else total


def _within(taps: Taps, segment: tuple[int, int], stride: int) -> Taps:
    """The taps that reach outputs of `segment`, counted from its beginning."""
    inside = {}
    for i, tap in taps.items():
        lo, hi = max(tap.lo, segment[0]), min(tap.hi, segment[1])
        if lo < hi:
            inside[i] = Reach(lo - segment[0], hi - segment[0], tap.start + (lo - tap.lo) * stride)
    return inside


def _tap(x: jax.Array, row: Reach, column: Reach, stride: tuple[int, ...]) -> jax.Array:
    """The strided slice of x that one tap reads."""
    last_h = row.start + (len(row) - 1) * stride[0] + 1
    last_w = column.start + (len(column) - 1) * stride[1] + 1
    limits = (x.shape[0], last_h, last_w, x.shape[3])
    return lax.slice(x, (0, row.start, column.start, 0), limits, (1, *stride, 1))


def _pad_axis(a: jax.Array, axis: int, reach: Reach, size: int) -> jax.Array:
    """Zeros at the outputs that this tap does not reach."""
    if len(reach) == size:
        return a
    config = [(0, 0, 0)] * a.ndim
    config[axis] = (reach.lo, size - reach.hi, 0)
    return lax.pad(a, np.zeros((), a.dtype), config)


def _phase(window: Window, axis: int, phase: int, size: int) -> Taps:
    """Tap -> positions `q` of this phase that it reaches, with `start` the output that position `lo` reads."""
    s, d, before = window.stride[axis], window.dilation[axis], window.pads[axis][0]
    reaches = {}
    for i in range(window.kernel[axis]):
        offset, rest = divmod(phase + before - i * d, s)
        lo, hi = max(0, -offset), min(size, window.output[axis] - offset)
        if rest == 0 and hi > lo:
            reaches[i] = Reach(lo, hi, lo + offset)
    return reaches


def _image_unroll(n: int) -> int:
    """How many images are summed at once: the largest divisor of the batch up to `UNROLL` (an empty batch has all)."""
    return max(u for u in range(1, UNROLL + 1) if n % u == 0)


def _row_parts(row: Reach, stride: int, n: int) -> list[Reach]:
    """`row` cut into a part whose length the row blocks divide, and the rest."""
    blocks = UNROLL // _image_unroll(n)
    whole = len(row) // blocks * blocks
    parts = [Reach(row.lo, row.lo + whole, row.start), Reach(row.lo + whole, row.hi, row.start + whole * stride)]
    return [part for part in parts if len(part)]


def _product(x: jax.Array, g: jax.Array, row: Reach, column: Reach, window: Window) -> jax.Array:
    """Slice of x times slice of g for one tap, over the full output width so that all taps of a row have one shape."""
    taps = wide(_tap(x, row, column, window.stride))
    product = taps * wide(g[:, row.lo : row.hi, column.lo : column.hi])
    return _pad_axis(product, 2, column, g.shape[2])


def _sum_products(products: list[jax.Array], row: Reach) -> list[jax.Array]:
    """Sum each (N, h, W, C) product over all axes but the last."""
    n, h, width, channels = products[0].shape
    images = _image_unroll(n)
    blocks = UNROLL // images if h % (UNROLL // images) == 0 else 1
    split = [p.reshape(n // images, images, h // blocks, blocks, width, channels) for p in products]
    zero = np.zeros((), products[0].dtype)
    partial = lax.reduce(
        split, [zero] * len(split), lambda a, b: [left + right for left, right in zip(a, b, strict=True)], (1, 3)
    )
    return [sum_leading_as_dot(p) for p in partial]


def macs(window: Window, n: int, channels: int) -> int:
    """Multiply-adds of one pass, taps that would read padding left out."""
    reach = [sum(len(r) for r in window.reaches(axis)) for axis in (0, 1)]
    return n * channels * window.multiplier * math.prod(reach)
