"""Pooling beside `lax.reduce_window`, and beside a reduction of blocks where windows do not overlap."""

import jax
import jax.numpy as jnp
from jax import lax

import jaxml.functional as F
from benchmarks._functional_case import Case, key, normal

IMAGE = (normal(32, 32, 32),)
SIZES = {"cached": 8, "large": 320}


def _window(x, start, combine, window, stride, pad=0):
    pads = [(0, 0), (pad, pad), (pad, pad), (0, 0)]
    return lax.reduce_window(x, start, combine, (1, window, window, 1), (1, stride, stride, 1), pads)


def _max(x, window, stride, pad=0):
    return _window(x, -jnp.inf, lax.max, window, stride, pad)


def _sum(x, window, stride, pad=0):
    return _window(x, 0.0, lax.add, window, stride, pad)


def _blocks(x, size):
    n, h, w, c = x.shape
    return x.reshape(n, size, h // size, size, w // size, c)


def _uneven(reduce):
    """Adaptive pooling to 7 x 7, window by window."""

    def pool(x):
        def cut(axis, o, y):
            start, end = o * 32 // 7, -(-(o + 1) * 32 // 7)
            return reduce(lax.slice_in_dim(y, start, end, axis=axis), axis)

        rows = jnp.stack([cut(1, o, x) for o in range(7)], 1)
        return jnp.stack([cut(2, o, rows) for o in range(7)], 2)

    return pool


def _fractional(k, x):
    """Windows of 2 at the places of the paper, gathered by one index array for each axis."""
    n, h, _, c = x.shape
    u = jax.random.uniform(k, (n, 2, c))
    step = (h - 2) / 19
    o = jnp.arange(19.0)[None, :, None]
    for axis in (2, 1):
        v = u[:, axis - 1][:, None]
        first = (jnp.floor((o + v) * step) - jnp.floor(v * step)).astype(jnp.int32)
        first = jnp.concatenate([first, jnp.full((n, 1, c), h - 2, jnp.int32)], 1)
        first = first[:, :, None] if axis == 1 else first[:, None]
        x = jnp.maximum(jnp.take_along_axis(x, first, axis), jnp.take_along_axis(x, first + 1, axis))
    return x


def _unpool(y, i):
    n, h, w, c = y.shape
    flat = jnp.zeros((n, 4 * h * w, c), y.dtype)
    batch, channel = jnp.arange(n)[:, None, None], jnp.arange(c)[None, None]
    flat = flat.at[batch, i.reshape(n, -1, c), channel].set(y.reshape(n, -1, c))
    return flat.reshape(n, 2 * h, 2 * w, c)


def _places(rng, n):
    """Of the largest entry in each 2 x 2 block of 32 x 32 images."""
    first = 2 * (32 * 2 * jnp.arange(16)[:, None] // 2 + jnp.arange(16))[None, :, :, None]
    return jnp.asarray(first + 33 * rng.integers(0, 2, (n, 16, 16, 32)), jnp.int32).__array__()


CASES = [
    Case("max_pool2d", lambda x: F.max_pool2d(x, window=2), lambda x: _max(x, 2, 2), IMAGE, SIZES),
    Case(
        "max_pool2d, overlapping",
        lambda x: F.max_pool2d(x, window=3, stride=2, padding=1),
        lambda x: _max(x, 3, 2, 1),
        IMAGE,
        SIZES,
    ),
    Case("avg_pool2d", lambda x: F.avg_pool2d(x, window=2), lambda x: _sum(x, 2, 2) / 4, IMAGE, SIZES),
    Case(
        "avg_pool2d, overlapping",
        lambda x: F.avg_pool2d(x, window=3, stride=1, padding=1, count_include_pad=True),
        lambda x: _sum(x, 3, 1, 1) / 9,
        IMAGE,
        SIZES,
    ),
    Case("lp_pool2d", lambda x: F.lp_pool2d(x, order=2, window=2), lambda x: jnp.sqrt(_sum(x**2, 2, 2)), IMAGE, SIZES),
    Case(
        "lp_pool2d, order 3",
        lambda x: F.lp_pool2d(x, order=3, window=2),
        lambda x: _sum(jnp.abs(x) ** 3, 2, 2) ** (1 / 3),
        IMAGE,
        SIZES,
    ),
    Case("global_avg_pool", F.global_avg_pool, lambda x: x.mean((1, 2)), IMAGE, SIZES),
    Case("global_max_pool", F.global_max_pool, lambda x: x.max((1, 2)), IMAGE, SIZES),
    Case(
        "adaptive_avg_pool2d, 8",
        lambda x: F.adaptive_avg_pool2d(x, output_size=8),
        lambda x: _blocks(x, 8).mean((2, 4)),
        IMAGE,
        SIZES,
    ),
    Case(
        "adaptive_max_pool2d, 8",
        lambda x: F.adaptive_max_pool2d(x, output_size=8),
        lambda x: _blocks(x, 8).max((2, 4)),
        IMAGE,
        SIZES,
    ),
    Case("adaptive_avg_pool2d, 7", lambda x: F.adaptive_avg_pool2d(x, output_size=7), _uneven(jnp.mean), IMAGE, SIZES),
    Case("adaptive_max_pool2d, 7", lambda x: F.adaptive_max_pool2d(x, output_size=7), _uneven(jnp.max), IMAGE, SIZES),
    Case(
        "fractional_max_pool2d",
        lambda k, x: F.fractional_max_pool2d(k, x, window=2, output_size=20),
        _fractional,
        (key(), *IMAGE),
        SIZES,
    ),
    Case("max_unpool2d", lambda y, i: F.max_unpool2d(y, i, window=2), _unpool, (normal(16, 16, 32), _places), SIZES),
]
