"""Pools at the edges: ties, infinities, sums that overflow, windows that share an entry."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F


def test_indices_are_the_first_of_equals_and_never_in_the_padding():
    """Not even where every entry is -inf, as padding is."""
    for value in (0.0, -jnp.inf):
        x = jnp.full((1, 3, 4, 1), value)
        y, places = F.max_pool2d_with_indices(x, window=2, padding=1, ceil=True)
        np.testing.assert_array_equal(y, jnp.full_like(y, value))
        np.testing.assert_array_equal(places[0, ..., 0], [[0, 1, 3], [4, 5, 7]])


def test_indices_lead_back(rng):
    """Pooled and put back, the largest entry of each window is where it was."""
    x = jnp.asarray(rng.standard_normal((2, 6, 5, 3)), jnp.float32)
    y, places = F.max_pool2d_with_indices(x, window=2)
    back = F.max_unpool2d(y, places, window=2, output_size=(6, 5))
    np.testing.assert_array_equal(F.max_pool2d(back, window=2), jnp.maximum(y, 0))
    np.testing.assert_array_equal(back[back != 0], x[back != 0])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_adaptive_ties_go_to_the_first(size):
    """In blocks, and in windows that share an entry."""
    x = jnp.zeros((1, 4, 4, 1))
    slope = jax.jit(jax.grad(lambda x: F.adaptive_max_pool2d(x, output_size=size).sum()))(x)[0, ..., 0]
    want = np.zeros((4, 4))
    want[np.ix_(*[[o * 4 // size for o in range(size)]] * 2)] = 1
    np.testing.assert_array_equal(slope, want)


@pytest.mark.parametrize("order", [1, 1.5, 2, 4])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_lp_neither_overflows_nor_underflows(order, scale):
    """`n^(1/order)` times the entry, and `n^(1/order - 1)` for each derivative; 0 in a window of zeros."""
    x = jnp.full((1, 2, 2, 1), scale)
    y, slope = jax.value_and_grad(lambda x: F.lp_pool2d(x, order=order, window=2).sum())(x)
    np.testing.assert_allclose(y, scale * 4 ** (1 / order), rtol=1e-5)
    np.testing.assert_allclose(slope.ravel(), [(scale > 0) * 4 ** (1 / order - 1)] * 4, rtol=1e-5)


@pytest.mark.parametrize("order", [3, 40])
def test_lp_at_the_end_of_the_dtype(order):
    """An entry whose inverse is no normal number, and is flushed to 0, beside others."""
    x = jnp.array([[[3e38], [1.0], [0.0]]])
    y, slope = jax.value_and_grad(lambda x: F.lp_pool1d(x, order=order, window=3).sum())(x)
    np.testing.assert_allclose([y, *slope.ravel()], [3e38, 1, 0, 0], rtol=1e-6)


def test_lp_of_an_infinite_entry():
    y = F.lp_pool1d(jnp.array([[[jnp.inf], [1.0], [jnp.nan], [1.0]]]), order=2, window=2)
    np.testing.assert_array_equal(y.ravel(), [np.inf, np.nan])


@pytest.mark.parametrize(
    "pool", [partial(F.adaptive_avg_pool2d, output_size=(3, 2)), partial(F.lp_pool2d, order=2, window=4)]
)
def test_half_sums_are_wide(pool):
    y = pool(jnp.full((1, 8, 8, 1), 8000, jnp.float16))
    np.testing.assert_array_equal(y, jnp.full_like(y, 8000 if y.shape[1] == 3 else 32000))


@pytest.mark.parametrize("pool", [F.max_pool2d, partial(F.lp_pool2d, order=3)])
def test_second_derivatives_agree_forwards_and_backwards(pool, rng):
    x = jnp.asarray(rng.standard_normal((1, 3, 2, 1)), jnp.float32)
    f = jax.grad(lambda x: (pool(x, window=2, stride=1) ** 2).sum())
    np.testing.assert_allclose(jax.jacfwd(f)(x), jax.jacrev(f)(x), rtol=1e-4, atol=1e-5)
