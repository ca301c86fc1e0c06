"""Cases and float64 NumPy references: pooling beyond the plain windows of `cases_basic`."""

import math
from functools import partial

import jax
import numpy as np
from _case import Case, normal

import jaxml.functional as F

IMAGE = (2, 5, 4, 3)
SHAPES = {1: (2, 5, 3), 2: IMAGE, 3: (1, 3, 4, 2, 2)}
CUT = {"window": (2, 3), "stride": (2, 3), "padding": ((1, 0), (1, 1)), "dilation": (2, 1), "ceil": True}
# What CUT means: along each axis the places of each window, those outside of the image left out.
CUT_PLACES = [[[1], [1, 3], [3]], [[0, 1], [2, 3]]]


def np_pool(x, places, reduce):
    """`reduce(entries, axis)` of each window; `places[axis][o]` are the positions of window o."""
    y = np.empty((x.shape[0], *map(len, places), x.shape[-1]))
    for out in np.ndindex(*map(len, places)):
        window = np.ix_(range(len(x)), *(axis[o] for axis, o in zip(places, out, strict=True)), range(x.shape[-1]))
        y[(slice(None), *out)] = reduce(x[window].reshape(len(x), -1, x.shape[-1]))
    return y


def where_largest(x, y, flat):
    """The place of each largest entry; the draws are all different."""
    found = np.empty(y.shape, np.int64)
    for n, *out, c in np.ndindex(*y.shape):
        found[(n, *out, c)] = flat[n, ..., c][x[n, ..., c] == y[(n, *out, c)]][0]
    return found


def bins(n, size):
    return [list(range(o * n // size, -(-(o + 1) * n // size))) for o in range(size)]


def mean(entries):
    return entries.mean(1)


def largest(entries):
    return entries.max(1)


def norm(entries, order):
    return (abs(entries) ** order).sum(1) ** (1 / order)


def blocks(shape, window):
    """The windows of pools whose stride is the window, without padding."""
    return [[list(range(o * window, (o + 1) * window)) for o in range(m // window)] for m in shape[1:-1]]


def adaptive(kind, n, sizes):
    name = f"adaptive_{kind}_pool{n}d"
    places = [bins(m, size or m) for m, size in zip(SHAPES[n][1:-1], sizes, strict=True)]
    return Case(
        f"{name}/{sizes}", partial(getattr(F, name), output_size=sizes), normal(SHAPES[n]),
        partial(np_pool, places=places, reduce=mean if kind == "avg" else largest),
    )  # fmt: skip


def lp(n, order, reduce=None):
    name = f"lp_pool{n}d"
    return Case(
        f"{name}/{order}", partial(getattr(F, name), order=order, window=2), normal(SHAPES[n]),
        partial(np_pool, places=blocks(SHAPES[n], 2), reduce=reduce or partial(norm, order=order)),
    )  # fmt: skip


def indexed(n):
    """Values and places apart: only the values have a gradient."""
    name = f"max_pool{n}d_with_indices"
    pool, places = partial(getattr(F, name), window=2), blocks(SHAPES[n], 2)

    def indices(x):
        flat = np.arange(math.prod(x.shape[1:-1])).reshape(1, *x.shape[1:-1], 1)
        return where_largest(x, np_pool(x, places, largest), np.broadcast_to(flat, x.shape))

    values = partial(np_pool, places=places, reduce=largest)
    yield Case(f"{name}/values", lambda x: pool(x)[0], distinct(SHAPES[n]), values)
    # As numbers of x's dtype, so that the sweeps can compare them; they are small enough for every one.
    yield Case(
        f"{name}/places", lambda x: pool(x)[1].astype(x.dtype), distinct(SHAPES[n]), indices, differentiable_args=()
    )


def distinct(shape):
    """Entries that half precision holds, no two of them equal."""
    return lambda rng, dtype: ((rng.permutation(math.prod(shape)).reshape(shape) / 64 - 0.5).astype(dtype),)


def unpooled(n):
    name, (batch, *spatial, channels) = f"max_unpool{n}d", SHAPES[n]
    small = [m // 2 for m in spatial]

    def make(rng, dtype):
        places = rng.permuted(np.tile(np.arange(math.prod(spatial)), (batch, channels, 1)), axis=-1)
        places = places[..., : math.prod(small)].swapaxes(1, 2).reshape(batch, *small, channels)
        return rng.standard_normal(places.shape).astype(dtype), places.astype(np.int32)

    def reference(x, indices):
        y = np.zeros((batch, math.prod(spatial), channels))
        np.put_along_axis(y, indices.reshape(batch, -1, channels), x.reshape(batch, -1, channels), 1)
        return y.reshape(SHAPES[n])

    return Case(name, partial(getattr(F, name), window=2, output_size=tuple(spatial)), make, reference)


def fractional(n):
    """The windows one by one, by the formula of the docstring."""
    name, (batch, *spatial, channels), size = f"fractional_max_pool{n}d", SHAPES[n], 2 if n == 2 else 1
    key, pool = jax.random.key(3), getattr(F, name)

    def reference(x):
        u = np.asarray(jax.random.uniform(key, (batch, n, channels), np.float32), np.float64)
        y = np.empty((batch, *(size,) * n, channels))
        for b, c in np.ndindex(batch, channels):
            places = []
            for draw, m in zip(u[b, :, c], spatial, strict=True):
                step = (m - 2) / max(size - 1, 1)
                starts = [math.floor((o + draw) * step) - math.floor(draw * step) for o in range(size - 1)]
                places.append([[start, start + 1] for start in [*starts, m - 2]])
            y[b, ..., c] = np_pool(x[b : b + 1, ..., c : c + 1], places, largest)[0, ..., 0]
        return y

    return Case(
        name, lambda x: pool(key, x, window=2, output_size=size), normal(SHAPES[n]), reference
    )  # fmt: skip


CASES = [
    *(
        Case(f"{f.__name__}/cut", partial(f, **CUT), normal(IMAGE), partial(np_pool, places=CUT_PLACES, reduce=reduce))
        for f, reduce in ((F.max_pool2d, largest), (F.avg_pool2d, mean))
    ),
    Case(
        "avg_pool2d/divisor", partial(F.avg_pool2d, **CUT, divisor_override=5), normal(IMAGE),
        partial(np_pool, places=CUT_PLACES, reduce=lambda entries: entries.sum(1) / 5),
    ),
    *(adaptive(kind, *size) for kind in ("avg", "max") for size in ((1, (3,)), (2, (2, 2)), (3, (None, 2, 3)))),
    *(case for n in (1, 2, 3) for case in indexed(n)),
    *(unpooled(n) for n in (1, 2, 3)),
    lp(1, 3), lp(2, 2), lp(2, math.inf, lambda entries: abs(entries).max(1)), lp(3, 1),
    *(fractional(n) for n in (2, 3)),
]  # fmt: skip
