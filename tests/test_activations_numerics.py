"""Every elementwise activation at the ends of every dtype, at its kinks and beside them: value and two derivatives.

They are compared with the exact form, and agree to a few units in the last place of the entry, or of 1.
"""

from collections.abc import Callable
from functools import partial

import _jets as J
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

INF = np.inf
DTYPES = ["float32", "float16", *(pytest.param(name, marks=pytest.mark.slow) for name in ("float64", "bfloat16"))]
LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772


def elu(x, alpha=1.0, scale=1.0, width=1.0):
    return where(x.value > 0, x, alpha * J.expm1(where(x.value > 0, 0, x) / width)) * scale


def squareplus(x):
    size = where(x.value < 0, -x, x)
    above = (size + J.sqrt(x * x + 4)) / 2
    return where(x.value < 0, J.reciprocal(above), above)


def shrunk(x, threshold, by):
    away = where(x.value > 0, x - by, x + by)
    return where(abs(x.value) <= threshold, 0, away)


def gelu(x):
    return x * J.sigmoid((x + 0.044715 * x * x * x) * (2 * np.sqrt(2 / np.pi)))


where = J.where
# The function and its exact form.
TABLE: dict[str, tuple[Callable, Callable]] = {
    "identity": (F.identity, lambda x: x),
    "relu": (F.relu, lambda x: where(x.value > 0, x, 0)),
    "relu_squared": (F.relu_squared, lambda x: where(x.value > 0, x * x, 0)),
    "relu6": (F.relu6, lambda x: where(x.value <= 0, 0, where(x.value >= 6, 6, x))),
    "leaky_relu": (partial(F.leaky_relu, negative_slope=0.25), lambda x: where(x.value > 0, x, x / 4)),
    "leaky_relu/0": (partial(F.leaky_relu, negative_slope=0), lambda x: where(x.value > 0, x, 0)),
    "prelu": (lambda x: F.prelu(x, jnp.asarray(0.25, x.dtype)), lambda x: where(x.value > 0, x, x / 4)),
    "prelu/0": (lambda x: F.prelu(x, jnp.zeros((), x.dtype)), lambda x: where(x.value > 0, x, 0)),
    "hard_tanh": (F.hard_tanh, lambda x: where(abs(x.value) < 1, x, np.sign(x.value))),
    "hard_sigmoid": (F.hard_sigmoid, lambda x: where(abs(x.value) < 3, x / 6 + 0.5, x.value > 0)),
    "hard_silu": (
        F.hard_silu,
        lambda x: where(x.value >= 3, x, where(x.value <= -3, 0, x * (x / 6 + 0.5))),
    ),
    "sparse_sigmoid": (F.sparse_sigmoid, lambda x: where(abs(x.value) < 1, x / 2 + 0.5, x.value > 0)),
    "sparse_plus": (
        F.sparse_plus,
        lambda x: where(x.value >= 1, x, where(x.value <= -1, 0, (x + 1) * (x + 1) / 4)),
    ),
    "hard_shrink": (F.hard_shrink, lambda x: shrunk(x, 0.5, 0)),
    "soft_shrink": (F.soft_shrink, lambda x: shrunk(x, 0.5, 0.5)),
    "tanh_shrink": (F.tanh_shrink, lambda x: x - J.tanh(x)),
    "threshold": (partial(F.threshold, threshold=1.0, value=-3.0), lambda x: where(x.value <= 1, -3, x)),
    "step": (F.step, lambda x: where(x.value > 0, 1, 0)),
    "sigmoid": (F.sigmoid, J.sigmoid),
    "log_sigmoid": (F.log_sigmoid, lambda x: -J.softplus(-x)),
    "tanh": (F.tanh, J.tanh),
    "softplus": (F.softplus, J.softplus),
    "softplus/beta": (partial(F.softplus, beta=2.0), lambda x: J.softplus(x * 2) / 2),
    "softsign": (F.softsign, lambda x: where(x.value < 0, x / (-x + 1), x / (x + 1))),
    "squareplus": (F.squareplus, squareplus),
    "silu": (F.silu, lambda x: x * J.sigmoid(x)),
    "gelu": (F.gelu, gelu),
    "gelu/exact": (partial(F.gelu, approximate=False), lambda x: x * J.normal_cdf(x)),
    "mish": (F.mish, lambda x: x * J.tanh(J.softplus(x))),
    "elu": (F.elu, elu),
    "elu/alpha": (partial(F.elu, alpha=0.3), partial(elu, alpha=0.3)),
    "selu": (F.selu, partial(elu, alpha=ALPHA, scale=LAMBDA)),
    "celu": (partial(F.celu, alpha=0.5), partial(elu, alpha=0.5, width=0.5)),
    "snake": (lambda x: F.snake(x, jnp.asarray(0.5, x.dtype)), lambda x: x + J.sin(x / 2) * J.sin(x / 2) * 2),
    "log1mexp": (F.log1mexp, J.log1mexp),
}
# Where the exact form is not compared: a sine of numbers whose neighbours are whole periods away; a logarithm below 0.
COMPARED = {"snake": lambda x: np.abs(x) <= 104, "log1mexp": lambda x: x > 0}


def grid(dtype):
    """0, the smallest numbers, the kinks and their neighbours, where exponentials over- and underflow, the ends."""
    info = jnp.finfo(dtype)
    kinks = np.array([0.5, 1.0, 3.0, 6.0])
    near = np.concatenate([kinks, kinks * (1 + float(info.eps)), kinks * (1 - float(info.eps))])
    ends = [float(info.tiny), 1e-3, 0.7, 10.0, 20.0, 88.0, 104.0, 1e4, float(info.max) / 2, float(info.max), INF]
    positive = np.concatenate([near, ends])
    return np.concatenate([-positive, [0.0], positive]).astype(dtype)


def orders(fn, x):
    """Value, gradient, and the Hessian-vector product in both its modes; `fn` is elementwise, so each is a vector."""
    slope = jax.grad(lambda x: fn(x).sum())
    ones = jnp.ones_like(x)
    return fn(x), slope(x), jax.grad(lambda x: slope(x).sum())(x), jax.jvp(slope, (x,), (ones,))[1]


def assert_near(got, want, dtype, ulps):
    """Within so many units in the last place of `want`, or of 1; inf where `want` exceeds the dtype."""
    info, got = jnp.finfo(dtype), np.asarray(got).astype(np.float64)
    with np.errstate(over="ignore"):
        beyond = np.abs(want) > float(info.max) * (1 + float(info.eps) / 4)
        rounded = np.where(beyond, np.copysign(INF, want), want).astype(np.float64)
    np.testing.assert_allclose(got, rounded, rtol=ulps * float(info.eps), atol=ulps * float(info.eps))


@pytest.mark.skipif(not J.EXACT, reason="no extended precision on this machine")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TABLE)
def test_edges(name, dtype):
    fn, exact = TABLE[name]
    compared = COMPARED.get(name, lambda x: x == x)
    with jax.enable_x64(dtype == "float64"):
        x = grid(jnp.dtype(dtype))
        got = [np.asarray(y) for y in orders(fn, jnp.asarray(x))]
    assert {y.dtype.name for y in got} == {dtype}
    at = compared(x.astype(np.float64))
    with np.errstate(all="ignore"):
        want = exact(J.Jet.at(x[at]))
    for y, w, ulps in zip(got, (want.value, want.first, want.second, want.second), (4, 8, 16, 16), strict=True):
        assert_near(y[at], np.broadcast_to(w, x[at].shape), dtype, ulps)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_compiled(name):
    """What XLA fuses is the same to rounding, at the edges too; NaN gives NaN, and nothing else does."""
    fn, _ = TABLE[name]
    x = jnp.asarray(np.append(grid(jnp.float32), np.nan))
    at = ~np.isnan(x) & (np.asarray(x) > 0 if name == "log1mexp" else True)
    compiled = jax.jit(partial(orders, fn))(x)
    for y, eager in zip(compiled, orders(fn, x), strict=True):
        assert not np.isnan(y[at]).any()
        assert_near(y[at], np.asarray(eager[at], np.float64), "float32", 16)
    assert np.isnan(compiled[0][-1])


def test_prelu_by_its_slope():
    """The derivative by alpha is `min(x, 0)`; at -inf and slope 0 the dtype's end, which times 0 is 0."""
    x = jnp.array([-INF, -3.0, 0.0, 2.0, INF])
    for alpha, first in ((0.0, jnp.finfo(jnp.float32).min), (0.25, -INF)):
        slopes = jax.vmap(jax.grad(F.prelu, 1), (0, None))(x, jnp.float32(alpha))
        np.testing.assert_array_equal(slopes, [first, -3, 0, 0, 0])
