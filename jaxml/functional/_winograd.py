"""3x3 convolution of stride 1 or 2 by Winograd's minimal filtering of 2x2 outputs, and its two gradients.

Along one axis two outputs of three taps take four products instead of six, and five at stride 2:

    y = At [(G w) * (Bt x)]          Bt (n, a) of the a inputs x, G (n, 3) of w, At (2, n) of their n products

and along both axes 16 or 25 instead of 36, with one matrix product over the channels for each. The gradients are the
same scheme run backwards: d/dx is `B [(G w) * (A g)]`, added up where the inputs of two tiles overlap (at stride 1 the
convolution of g with the turned kernel takes fewer passes), and d/dw is `Gt [(A g) * (Bt x)]`, summed over the tiles.
A and B hold 0, 1 and -1 alone and G halves, so that the error is as small as the direct sum's; F(4x4, 3x3) would save
more and loses a digit. What is lost is locality: an infinite input makes NaN of the whole 2x2 tiles of outputs that
read it.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxml.functional._dtypes import wide
from jaxml.functional._isolate import kept_call
from jaxml.functional._window import Window

Matrix = tuple[tuple[float, ...], ...]
Arrays = Sequence[Sequence[jax.Array]]


class Axis(NamedTuple):
    """The scheme along one axis for one stride; neighbouring tiles' inputs are `step` apart."""

    bt: Matrix
    g: Matrix
    at: Matrix
    step: int


AXES = {
    1: Axis(
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
        ((1, 1, 1, 0), (0, 1, -1, -1)),
        2,
    ),
    # The outer taps read inputs 0, 2 and 4, in three products for both outputs; the inner one reads 1 and 3.
    2: Axis(
        ((1, 0, -1, 0, 0), (0, 0, 1, 0, 0), (0, 0, -1, 0, 1), (0, 1, 0, 0, 0), (0, 0, 0, 1, 0)),
        ((1, 0, 0), (1, 0, 1), (0, 0, 1), (0, 1, 0), (0, 1, 0)),
        ((1, 1, 0, 1, 0), (0, 1, 1, 0, 1)),
        4,
    ),
}


def applies(window: Window, groups: int) -> bool:
    """Whether the convolution is one that this form computes."""
    return groups == 1 and window.kernel == (3, 3) and window.dilation == (1, 1) and set(window.stride) <= set(AXES)


def numbers(window: Window) -> int:
    """How many numbers the scheme makes of one channel of one image: its matrices' entries."""
    return math.prod(len(a.bt) * t for a, t in zip(_axes(window), _tiles(window), strict=True))


def forward(x: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """y (N, h, w, O) from x (N, H, W, C) and w (3, 3, C, O)."""
    return _convolve(x, w, window, over=0)


def input_grad(g: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """d/dx: what each tile adds to the inputs that it reads."""
    if window.stride == (1, 1):
        pads = tuple((2 - before, 2 - after) for before, after in window.pads)
        turned = dataclasses.replace(window, spatial=window.output, pads=pads)
        return _convolve(g, w[::-1, ::-1], turned, over=1)
    axes, tiles = _axes(window), _tiles(window)
    products = _products(_of_output(wide(g), window), _of_kernel(wide(w), window), ((1,), (1,)))
    shares = _both([_transposed(a.bt) for a in axes], products)
    shares = [[d.reshape(g.shape[0], *tiles, w.shape[2]) for d in row] for row in shares]
    columns = [_overlapped(row, 2, axes[1].step) for row in shares]
    dx = _interleaved(
        [list(row) for row in zip(*[_overlapped(c, 1, axes[0].step) for c in zip(*columns, strict=True)], strict=True)]
    )
    cut = [(-b, n + b - have, 0) for (b, _), n, have in zip(window.pads, window.spatial, dx.shape[1:3], strict=True)]
    return lax.pad(dx, _zero(dx), ((0, 0, 0), *cut, (0, 0, 0))).astype(g.dtype)


def weight_grad(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """d/dw: the tiles of x with those of g, summed over the tiles."""
    products = _products(_of_input(wide(x), window), _of_output(wide(g), window), ((0,), (0,)))
    dw = _both([_transposed(a.g) for a in _axes(window)], products)
    return jnp.stack([jnp.stack(row) for row in dw]).astype(x.dtype)


def _convolve(x: jax.Array, w: jax.Array, window: Window, over: int) -> jax.Array:
    """The convolution with w (3, 3, *channels), whose channels `over` are summed over."""
    products = _products(_of_input(wide(x), window), _of_kernel(wide(w), window), ((1,), (over,)))
    four = _both([a.at for a in _axes(window)], products)
    shape = (x.shape[0], *_tiles(window), w.shape[3 - over])
    y = _interleaved([[y.reshape(shape) for y in row] for row in four])
    return y[:, : window.output[0], : window.output[1]].astype(x.dtype)


def _axes(window: Window) -> list[Axis]:
    return [AXES[s] for s in window.stride]


def _tiles(window: Window) -> tuple[int, int]:
    """How many 2x2 tiles cover the outputs, along both axes."""
    return -(-window.output[0] // 2), -(-window.output[1] // 2)


def _products(a: Arrays, b: Arrays, over: Any) -> list[list[jax.Array]]:
    """One matrix product for each pair of entries."""
    return [
        [lax.dot_general(v, u, (over, ((), ()))) for v, u in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)
    ]


def _of_kernel(w: jax.Array, window: Window) -> list[list[jax.Array]]:
    """`G w Gt`: matrices (C, O)."""
    return _both([a.g for a in _axes(window)], [[w[i, j] for j in range(3)] for i in range(3)])


def _of_output(g: jax.Array, window: Window) -> list[list[jax.Array]]:
    """`A g At` of each tile: matrices (N * tiles, O)."""
    odd = [(0, n % 2, 0) for n in window.output]
    even = lax.pad(g, _zero(g), ((0, 0, 0), *odd, (0, 0, 0)))
    tiles = _both(
        [_transposed(a.at) for a in _axes(window)], [[even[:, i::2, j::2] for j in range(2)] for i in range(2)]
    )
    return [[t.reshape(-1, t.shape[-1]) for t in row] for row in tiles]


def _of_input(x: jax.Array, window: Window) -> list[list[jax.Array]]:
    """`Bt x B` of what each tile reads: matrices (N * tiles, C)."""
    (down, along), tiles = _axes(window), _tiles(window)
    sizes = [a.step * (t - 1) + len(a.bt[0]) for a, t in zip((down, along), tiles, strict=True)]
    config = [(b, want - n - b, 0) for (b, _), want, n in zip(window.pads, sizes, window.spatial, strict=True)]
    padded = lax.pad(x, _zero(x), ((0, 0, 0), *config, (0, 0, 0)))

    def pieces(a: jax.Array, axis: int, scheme: Axis) -> list[jax.Array]:
        last = scheme.step * (tiles[axis - 1] - 1) + 1
        return [lax.slice_in_dim(a, i, i + last, scheme.step, axis) for i in range(len(scheme.bt[0]))]

    # A call of its own, or XLA would fuse it into each of the matrices, which then read 4 entries instead of 2.
    columns = kept_call(lambda padded: tuple(_times(along.bt, pieces(padded, 2, along))))(padded)
    rows = [_times(down.bt, pieces(c, 1, down)) for c in columns]
    return [[t.reshape(-1, x.shape[-1]) for t in row] for row in zip(*rows, strict=True)]


def _overlapped(a: Sequence[jax.Array], axis: int, step: int) -> list[jax.Array]:
    """From what the tiles along `axis` add to their inputs, the `step` phases of the sum, one tile longer."""

    def shifted(x: jax.Array, by: int) -> jax.Array:
        config = [(0, 0, 0)] * x.ndim
        config[axis] = (by, 1 - by, 0)
        return lax.pad(x, _zero(x), config)

    return [shifted(a[r], 0) + shifted(a[r + step], 1) if r + step < len(a) else shifted(a[r], 0) for r in range(step)]


def _interleaved(a: Arrays) -> jax.Array:
    """The array (N, H, W, C) whose phases along height and width are `a`."""
    n, height, width, channels = a[0][0].shape
    whole = jnp.stack([jnp.stack(row, 3) for row in a], 2)
    return whole.reshape(n, len(a) * height, len(a[0]) * width, channels)


def _both(matrices: Sequence[Matrix], a: Arrays) -> list[list[jax.Array]]:
    """`M a Lt` for small matrices M, L and a small matrix a whose entries are arrays."""
    half = [_times(matrices[1], row) for row in a]
    columns = [_times(matrices[0], column) for column in zip(*half, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _times(matrix: Matrix, a: Sequence[jax.Array]) -> list[jax.Array]:
    """`M a` for a vector a whose entries are arrays; zeros cost nothing, ones and minus ones no product."""
    out = []
    for row in matrix:
        terms = [(c, x) for c, x in zip(row, a, strict=True) if c]
        total = _scaled(*terms[0])
        for c, x in terms[1:]:
            total = total - x if c == -1 else total + _scaled(c, x)
        out.append(total)
    return out


def _scaled(c: float, x: jax.Array) -> jax.Array:
    return x if c == 1 else -x if c == -1 else x * np.asarray(c, x.dtype)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _zero(x: jax.Array) -> Any:
    return np.zeros((), x.dtype)
