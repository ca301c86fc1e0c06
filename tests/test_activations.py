"""Softmax and its kin where entries are infinite or masked, and what else the table of numerics leaves out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases_basic import np_sigmoid

import jaxml.functional as F

INF = np.inf


def assert_near(got, want, dtype, ulps):
    """Within so many units in the last place of `want`, or of 1; inf where `want` exceeds the dtype."""
    info, got = jnp.finfo(dtype), np.asarray(got).astype(np.float64)
    want = np.where(np.abs(want) > float(info.max), np.copysign(INF, want), want)
    np.testing.assert_allclose(got, want, rtol=ulps * float(info.eps), atol=ulps * float(info.eps))


def test_gelu_keeps_its_tail():
    """The tanh form in float32 is 1 - 1 = 0 here."""
    x = np.array([-4.5, -7.0])
    want = x * np_sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    np.testing.assert_allclose(F.gelu(jnp.asarray(x, jnp.float32)), want, rtol=1e-5)


def test_aliases():
    assert F.hard_swish is F.hard_silu


HALVES = pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])


@HALVES
def test_softmax_edges(dtype):
    """The Jacobian diag(p) - p pᵀ holds there as well, in both modes."""
    end = float(jnp.finfo(dtype).max)
    rows = {
        (-INF, 0.0, 0.0): (0, 0.5, 0.5),
        (-INF, -INF, -INF): (1 / 3, 1 / 3, 1 / 3),
        (INF, 0.0, -INF): (1, 0, 0),
        (INF, INF, 5.0): (0.5, 0.5, 0),
        (end, -end, 0.0): (1, 0, 0),
        (1e4, 1e4, -1e4): (0.5, 0.5, 0),
    }
    p, transforms = np.array(list(rows.values())), (F.softmax, jax.jacrev(F.softmax), jax.jacfwd(F.softmax))
    got, *jacobians = jax.jit(lambda x: [jax.vmap(f)(x) for f in transforms])(np.array(list(rows)).astype(dtype))
    assert_near(got, p, dtype, 2)
    for jacobian in jacobians:
        assert_near(jacobian, p[:, :, None] * (np.eye(3) - p[:, None]), dtype, 2)


@HALVES
def test_softmax_where(dtype):
    """Masked entries get 0 and give nothing, not even their NaN; a row masked completely is 0 with gradient 0."""
    x = jnp.asarray(np.array([[np.nan, 1, 1], [np.nan, INF, -INF]]).astype(dtype))
    where = jnp.array([[False, True, True], [False, False, False]])
    assert_near(jax.jit(F.softmax)(x, where=where), np.array([[0, 0.5, 0.5], [0, 0, 0]]), dtype, 1)
    weights = jnp.asarray(np.array([[5.0, 1.0, 3.0]] * 2).astype(dtype))
    slope = jax.jit(jax.grad(lambda x: (F.softmax(x, where=where) * weights).sum()))(x)
    assert_near(slope, np.array([[0, -0.5, 0.5], [0, 0, 0]]), dtype, 2)
    log_p = jax.jit(F.log_softmax)(x, where=where)
    assert_near(log_p, np.array([[-INF, -np.log(2), -np.log(2)], [-INF] * 3]), dtype, 1)
    slope = jax.jit(jax.grad(lambda x: F.log_softmax(x, where=where)[0, 1]))(x)
    assert_near(slope, np.array([[0, 0.5, -0.5], [0, 0, 0]]), dtype, 2)


@HALVES
def test_log_softmax_edges(dtype):
    x = jnp.asarray(np.array([[-INF, 0, 0], [-INF, -INF, -INF], [INF, 0, -INF], [INF, INF, 0]]).astype(dtype))
    half, third = -np.log(2), -np.log(3)
    want = np.array([[-INF, half, half], [third] * 3, [0, -INF, -INF], [half, half, -INF]])
    assert_near(jax.jit(F.log_softmax)(x), want, dtype, 1)
    assert np.isfinite(np.asarray(jax.jit(jax.jacrev(F.log_softmax))(x[0])).astype(np.float64)).all()
    end = jnp.asarray([jnp.finfo(dtype).max, 0], dtype)
    assert_near(F.log_softmax(end), np.array([0.0, -float(jnp.finfo(dtype).max)]), dtype, 1)


@pytest.mark.parametrize("top", [2.0**60, 2.0**101, 2.0**103, float(np.finfo(np.float32).max)])
def test_log_softmax_of_a_difference_beyond_the_dtype(top):
    """Finite, since both entries are."""
    lowest = float(np.finfo(np.float32).min)
    np.testing.assert_array_equal(F.log_softmax(jnp.array([top, lowest])), [0, lowest])


def test_softmax_of_many_halves():
    """The sum is not a float16 one: 70000 terms would overflow it."""
    x = jnp.zeros(70000, jnp.float16)
    assert_near(F.log_softmax(x), np.full(70000, -np.log(70000)), jnp.float16, 1)


def test_glu_edges():
    np.testing.assert_array_equal(F.glu(jnp.array([2.0, 3.0, INF, -INF])), [2.0, 0.0])


@HALVES
def test_kin_of_softmax_edges(dtype):
    """Infinities, a masked row, a mean of float16 that overflows as a sum: values, and slopes without NaN."""
    x = jnp.asarray(np.array([[-INF, 0, 0], [-INF, -INF, -INF], [INF, 0, -INF], [1e4, 1e4, 1e4]]).astype(dtype))
    where = jnp.array([True, True, True, False])[:, None] & (jnp.ones((4, 3)) > 0)
    third = 1 / 3
    assert_near(F.softmin(x), np.array([[1, 0, 0], [third] * 3, [0, 0, 1], [third] * 3]), dtype, 2)
    assert_near(F.logmeanexp(x), np.array([np.log(2 / 3), -INF, INF, float(x[3, 0])]), dtype, 2)
    assert_near(F.logmeanexp(x, where=where)[3:], np.array([-INF]), dtype, 2)
    assert_near(F.spatial_softmax(x[:, :, None])[..., 0], np.asarray(F.softmax(x), np.float64), dtype, 2)
    slope = jax.grad(lambda x: F.logmeanexp(x, where=where).sum())(x)
    assert_near(slope, np.array([[0, 0.5, 0.5], [third] * 3, [1, 0, 0], [0] * 3]), dtype, 2)
    weights = jnp.array([[1, 2, 3]], dtype)
    slope = jax.grad(lambda x: (F.softmin(x, where=where) * weights).sum())(x)
    assert_near(slope, np.array([[0] * 3, [third, 0, -third], [0] * 3, [0] * 3]), dtype, 2)
