"""Dropout: shares, scale, gradient, keys."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

KEYS = {"typed": jax.random.key(3), "old": jax.random.PRNGKey(3), "rbg": jax.random.key(3, impl="rbg")}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_and_scale(rate, kind):
    """Every entry is 0 or `x / (1 - rate)`; the share of zeros is `rate` within five standard deviations."""
    x = jnp.arange(1.0, 20001.0)
    y = F.dropout(KEYS[kind], x, rate=rate)
    np.testing.assert_allclose(y, np.where(y == 0, 0, x / (1 - rate)), rtol=1e-6)
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / x.size)


def test_gradient_is_the_mask():
    x = jnp.ones(50)
    fn = partial(F.dropout, KEYS["typed"], rate=0.3)
    np.testing.assert_array_equal(jax.grad(lambda x: fn(x).sum())(x), fn(x))


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"rate": 0.7, "train": False}, {"rate": 1.0, "train": False}])
def test_identity(options):
    """Without a key, and bit for bit."""
    x = jnp.array([1.0, -2.0, jnp.inf])
    np.testing.assert_array_equal(F.dropout(None, x, **options), x)


@pytest.mark.parametrize("rate", [1, 1.0])
def test_rate_one(rate):
    """All 0 with gradient 0, where the formula divides 0 by 0."""
    x = jnp.array([1.0, jnp.inf])
    np.testing.assert_array_equal(F.dropout(KEYS["typed"], x, rate=rate), [0, 0])
    np.testing.assert_array_equal(jax.grad(lambda x: F.dropout(KEYS["typed"], x, rate=rate).sum())(x), [0, 0])


def test_keys_of_a_batch(rng):
    """One key for each example under vmap: the masks are those of single calls, and differ."""
    keys, x = jax.random.split(KEYS["typed"], 3), jnp.ones((3, 40))
    got = jax.jit(jax.vmap(lambda key, x: F.dropout(key, x, rate=0.5)))(keys, x)
    want = jnp.stack([F.dropout(key, row, rate=0.5) for key, row in zip(keys, x, strict=True)])
    np.testing.assert_array_equal(got, want)
    assert (got[0] != got[1]).any()


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half(dtype):
    y = F.dropout(KEYS["typed"], jnp.ones(64, dtype), rate=0.5)
    assert y.dtype == dtype and set(np.unique(y).astype(float)) == {0.0, 2.0}
