"""Pooling: which entry of equals gets the gradient, agreement with XLA's own windows, padding, half precision."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F


def windows(x, init, op, window, stride, padding):
    """XLA's own reduction over windows of a `(N, H, W, C)` image."""
    pads = padding if isinstance(padding, str) else ((0, 0), *padding, (0, 0))
    return jax.lax.reduce_window(x, init, op, (1, *window, 1), (1, *stride, 1), pads)


GEOMETRIES = [
    ((2, 2), (2, 2), "VALID"),
    ((3, 3), (2, 2), "SAME"),
    ((3, 2), (1, 3), "SAME"),
    ((5, 7), (3, 2), ((2, 4), (0, 6))),
    ((1, 4), (2, 1), ((0, 0), (3, 0))),
]


@pytest.mark.parametrize(("window", "stride", "padding"), GEOMETRIES)
def test_max_equals_reduce_window(window, stride, padding, rng):
    """Value and gradient, many entries being equal: XLA's select-and-scatter takes the first one too."""
    x = jnp.asarray(rng.integers(0, 3, (2, 7, 8, 3)), jnp.float32)
    ours = partial(F.max_pool2d, window=window, stride=stride, padding=padding)
    theirs = partial(windows, init=-jnp.inf, op=jax.lax.max, window=window, stride=stride, padding=padding)
    weights = jnp.asarray(rng.integers(1, 9, theirs(x).shape), jnp.float32)
    np.testing.assert_array_equal(jax.jit(ours)(x), theirs(x))
    gradients = [jax.jit(jax.grad(lambda x, f=f: (f(x) * weights).sum()))(x) for f in (ours, theirs)]
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize(("window", "stride", "padding"), GEOMETRIES)
def test_avg_equals_reduce_window(window, stride, padding, rng):
    x = jnp.asarray(rng.standard_normal((2, 7, 8, 3)), jnp.float32)
    total = windows(x, 0.0, jax.lax.add, window, stride, padding)
    count = windows(jnp.ones_like(x), 0.0, jax.lax.add, window, stride, padding)
    pool = jax.jit(
        partial(F.avg_pool2d, window=window, stride=stride, padding=padding), static_argnames="count_include_pad"
    )
    np.testing.assert_allclose(pool(x), total / count, rtol=1e-5, atol=1e-6)
    included = pool(x, count_include_pad=True)
    np.testing.assert_allclose(included, total / math.prod(window), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("entries", "first"),
    [([0, 0, 0, 0], 0), ([-1, 2, 2, 2], 1), ([0, 1, 3, 3], 2), ([3, 0, 3, 0], 0), ([0, 2, 2, 0], 1)],
)
def test_first_of_equals(entries, first):
    """The whole derivative goes to the first largest entry in row-major order, of windows and of whole images."""
    x = jnp.array(entries, jnp.float32).reshape(1, 2, 2, 1)
    for fn in (lambda x: F.max_pool2d(x, window=2), F.global_max_pool):
        slope = jax.jit(jax.grad(lambda x, fn=fn: fn(x).sum()))(x)
        np.testing.assert_array_equal(slope.ravel(), np.eye(4)[first])


def test_forward_mode(rng):
    x, t = (jnp.asarray(rng.standard_normal((1, 5, 5, 2)), jnp.float32) for _ in range(2))
    pool = partial(F.max_pool2d, window=3, stride=2)
    y, dy = jax.jit(lambda x, t: jax.jvp(pool, (x,), (t,)))(x, t)
    back = jax.jit(lambda x, y: jax.vjp(pool, x)[1](y)[0])(x, y)
    np.testing.assert_allclose((dy * y).sum(), (t * back).sum(), rtol=1e-5)


def test_nan_propagates():
    x = jnp.zeros((1, 2, 4, 1)).at[0, 0, 1, 0].set(jnp.nan)
    np.testing.assert_array_equal(F.max_pool2d(x, window=2).ravel(), [np.nan, 0])
    np.testing.assert_array_equal(F.global_max_pool(x).ravel(), [np.nan])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_sums_are_wide(dtype):
    """Sums of these would overflow float16 and stall in bfloat16."""
    x = jnp.full((1, 8, 64, 1), 60000, dtype)
    pools = (partial(F.avg_pool2d, window=8), partial(F.avg_pool2d, window=3, padding=1), F.global_avg_pool)
    for y in jax.jit(lambda x: [pool(x) for pool in pools])(x):
        np.testing.assert_array_equal(y, jnp.full_like(y, 60000))
        assert y.dtype == dtype


def test_negative_images_and_padding():
    """Padding is no entry: the largest of negative numbers stays negative."""
    x = -jnp.ones((1, 3, 3, 1))
    np.testing.assert_array_equal(F.max_pool2d(x, window=3, stride=1, padding=1), x)
    np.testing.assert_array_equal(F.avg_pool2d(x, window=3, stride=1, padding="SAME"), x)


def test_int_and_pairs_agree(rng):
    x = jnp.asarray(rng.standard_normal((1, 6, 5, 1)), jnp.float32)
    pairs = F.max_pool2d(x, window=(3, 2), stride=(2, 1), padding=((1, 1), (1, 1)))
    np.testing.assert_array_equal(F.max_pool2d(x, window=(3, 2), stride=(2, 1), padding=1), pairs)
    assert F.max_pool2d(x, window=2).shape == (1, 3, 2, 1)


@pytest.mark.parametrize("pool", [F.global_avg_pool, F.global_max_pool, partial(F.max_pool2d, window=2)])
def test_an_empty_batch_stays_empty(pool):
    x = jnp.ones((0, 4, 5, 3))
    assert pool(x).shape == (0, *jax.eval_shape(pool, jnp.ones((1, 4, 5, 3))).shape[1:])
    assert jax.grad(lambda x: pool(x).sum())(x).shape == x.shape
