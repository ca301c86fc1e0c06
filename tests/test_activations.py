"""Activations at the ends of every dtype, at their kinks and beside them: value and slope against float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases_basic import ACTIVATIONS, np_sigmoid

import jaxml.functional as F

INF = np.inf
# slope(x), and the limits at -inf and inf: of the value, of the slope.
SLOPES = {
    "identity": (lambda x: np.ones_like(x), (-INF, INF), (1, 1)),
    "relu": (lambda x: x > 0, (0, INF), (0, 1)),
    "relu6": (lambda x: (x > 0) & (x < 6), (0, 6), (0, 0)),
    "sigmoid": (lambda x: np_sigmoid(x) * np_sigmoid(-x), (0, 1), (0, 0)),
    "tanh": (lambda x: 4 * np_sigmoid(2 * x) * np_sigmoid(-2 * x), (-1, 1), (0, 0)),
    "softplus": (np_sigmoid, (0, INF), (0, 1)),
    "log_sigmoid": (lambda x: np_sigmoid(-x), (-INF, 0), (1, 0)),
    "silu": (lambda x: np_sigmoid(x) * (1 + x * np_sigmoid(-x)), (0, INF), (0, 1)),
    "gelu": (lambda x: tanh_gelu_slope(np.clip(x, -50, 50)), (0, INF), (0, 1)),
    "gelu_exact": (
        lambda x: (
            ACTIVATIONS["gelu_exact"][1](x) / np.where(x == 0, 1, x) * (x != 0)
            + 0.5 * (x == 0)
            + x * np.exp(-np.square(np.clip(x, -50, 50)) / 2) / np.sqrt(2 * np.pi)
        ),
        (0, INF),
        (0, 1),
    ),
    "mish": (lambda x: mish_slope(np.clip(x, -800, 300)), (0, INF), (0, 1)),
    "elu": (lambda x: np.exp(np.minimum(x, 0)), (-1, INF), (0, 1)),
    "elu_alpha": (lambda x: np.where(x > 0, 1, 0.3 * np.exp(np.minimum(x, 0))), (-0.3, INF), (0, 1)),
    "selu": (
        lambda x: 1.0507009873554805 * np.where(x > 0, 1, 1.6732632423543772 * np.exp(np.minimum(x, 0))),
        (-1.7580993408473766, INF),
        (0, 1.0507009873554805),
    ),
    "celu": (lambda x: np.exp(np.minimum(x, 0) / 0.5), (-0.5, INF), (0, 1)),
    "leaky_relu": (lambda x: np.where(x > 0, 1, 0.2), (-INF, INF), (0.2, 1)),
    "hard_tanh": (lambda x: np.abs(x) < 1, (-1, 1), (0, 0)),
    "hard_sigmoid": (lambda x: (np.abs(x) < 3) / 6, (0, 1), (0, 0)),
    "hard_silu": (lambda x: np.where(np.abs(x) < 3, x / 3 + 0.5, x >= 3), (0, INF), (0, 1)),
}


def tanh_gelu_slope(x):
    u, du = 2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3), 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return np_sigmoid(u) + x * du * np_sigmoid(u) * np_sigmoid(-u)


def mish_slope(x):
    t = np.tanh(np.logaddexp(x, 0))
    return t + x * (1 - t**2) * np_sigmoid(x)


def grid(dtype):
    """0, the smallest numbers, the kinks and their neighbours, where exponentials over- and underflow, the ends."""
    info = jnp.finfo(dtype)
    kinks = np.array([1.0, 3.0, 6.0])
    near = np.concatenate([kinks, kinks * (1 + float(info.eps)), kinks * (1 - float(info.eps))])
    ends = [float(info.tiny), 1e-3, 0.5, 10.0, 20.0, 88.0, 104.0, 1e4, float(info.max) / 2, float(info.max)]
    positive = np.concatenate([near, ends])
    return np.concatenate([-positive, [0.0], positive]).astype(dtype)


def assert_near(got, want, dtype, ulps):
    """Within so many units in the last place of `want`, or of 1; inf where `want` exceeds the dtype."""
    info, got = jnp.finfo(dtype), np.asarray(got).astype(np.float64)
    want = np.where(np.abs(want) > float(info.max), np.copysign(INF, want), want)
    np.testing.assert_allclose(got, want, rtol=ulps * float(info.eps), atol=ulps * float(info.eps))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_edges(name, dtype):
    (fn, value), (slope, value_limits, slope_limits) = ACTIVATIONS[name], SLOPES[name]
    x = grid(dtype)
    wide = x.astype(np.float64)
    special = np.array([-INF, INF, np.nan], dtype)
    orders = jax.jit(lambda x: (fn(x), *(jax.vmap(f)(x) for f in (jax.grad(fn), jax.grad(jax.grad(fn))))))
    got, first, second = orders(np.concatenate([x, special]))
    assert_near(got[:-3], value(wide), dtype, 4)
    assert_near(got[-3:], np.array([*value_limits, np.nan]), dtype, 4)
    assert_near(first[:-3], slope(wide).astype(np.float64), dtype, 8)
    assert_near(first[-3:-1], np.array(slope_limits), dtype, 8)
    assert np.isfinite(np.asarray(second[:-1]).astype(np.float64)).all()


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


def test_softmax_of_many_halves():
    """The sum is not a float16 one: 70000 terms would overflow it."""
    x = jnp.zeros(70000, jnp.float16)
    assert_near(F.log_softmax(x), np.full(70000, -np.log(70000)), jnp.float16, 1)


def test_glu_edges():
    np.testing.assert_array_equal(F.glu(jnp.array([2.0, 3.0, INF, -INF])), [2.0, 0.0])
