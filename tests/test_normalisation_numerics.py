"""Normalisation from 0 to the ends of every dtype: value, gradient and Hessian-vector product are the exact ones.

Exact is the plain formula in NumPy's extended precision, whose squares have room for those of a float64.
"""

import itertools
from collections.abc import Callable
from functools import partial

import _jets as J
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from jaxml.functional._dtypes import wide_dtype

WIDE, EPS = np.longdouble, 1e-5
SLOW = [pytest.param(dtype, marks=pytest.mark.slow) for dtype in ("float64", "float16")]


def column(fn: Callable, *lead: int) -> Callable:
    """`fn` of a vector as the positions of one channel."""
    return lambda x: fn(x.reshape(*lead, x.size, 1)).reshape(x.shape)


# Name: the function of a vector, and whether the mean is taken away.
NORMS: dict[str, tuple[Callable, bool]] = {
    "layer_norm": (F.layer_norm, True),
    "instance_norm": (column(F.instance_norm, 1), True),
    "group_norm": (lambda x: F.group_norm(x.reshape(1, 2, 2), groups=1).reshape(4), True),
    "weight_standardization": (column(F.weight_standardization), True),
    "rms_norm": (partial(F.rms_norm, eps=EPS), False),
    "filter_response_norm": (column(partial(F.filter_response_norm, eps=EPS), 1), False),
}


def grid(dtype) -> np.ndarray:
    """Rows of four: every three of these numbers, and the first of them again, among them the constant rows."""
    info = jnp.finfo(dtype)
    positive = [float(info.tiny), 1.0, 88.0, 1e4, float(info.max)]
    rows = np.array(list(itertools.product([0.0, *positive, *(-v for v in positive)], repeat=3)))
    return np.concatenate([rows, rows[:, :1]], 1).astype(dtype)


def exact(x: np.ndarray, w: np.ndarray, u: np.ndarray, centre: bool) -> tuple[np.ndarray, ...]:
    """Value, the gradient of the sum of `w y`, and the derivative of that along `u`."""
    mean = lambda a: a.mean(-1, keepdims=True)  # noqa: E731
    away = (lambda a: a - mean(a)) if centre else (lambda a: a)
    q = 1 / np.sqrt(mean(away(x) ** 2) + WIDE(EPS))
    y = away(x) * q
    derivative = lambda v: (away(v) - y * mean(y * v)) * q  # noqa: E731  # symmetric: along v, and the gradient by v
    dy, dq = derivative(u), -(q**2) * mean(y * u)
    return y, derivative(w), -(dy * mean(y * w) + y * mean(dy * w)) * q + (away(w) - y * mean(y * w)) * dq


def orders(fn, x, w, u):
    slope = jax.grad(lambda x: (fn(x) * w).sum())
    return fn(x), *jax.jvp(slope, (x,), (u,))


@pytest.mark.skipif(not J.EXACT, reason="no extended precision on this machine")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", *SLOW])
@pytest.mark.parametrize("name", NORMS)
def test_edges(name, dtype):
    fn, centre = NORMS[name]
    w, u = np.array([1.0, -2.0, 0.5, 3.0]), np.array([-1.0, 0.5, 2.0, 1.0])
    with jax.enable_x64(dtype == "float64"):
        x = grid(jnp.dtype(dtype))
        given = [jnp.asarray(a, dtype) for a in (w, u)]
        got = jax.jit(jax.vmap(lambda x: orders(fn, x, *given)))(jnp.asarray(x))
    assert {y.dtype.name for y in got} == {dtype}
    want = exact(x.astype(WIDE), w.astype(WIDE), u.astype(WIDE), centre)
    info = jnp.finfo(dtype)
    # What has no square is 0, and passes no derivative; all that are so are at the end of the dtype.
    size = np.ptp(x.astype(WIDE), -1, keepdims=True) if centre else np.abs(x).max(-1, keepdims=True)
    want = [np.where(size > 1e10 * np.sqrt(WIDE(jnp.finfo(wide_dtype(dtype)).max)), 0, v) for v in want]
    for what, y, v, ulps in zip(("value", "slope", "curvature"), got, want, (4, 16, 64), strict=True):
        y = np.asarray(y).astype(np.float64)
        v = np.clip(v, -float(info.max), float(info.max)).astype(np.float64)
        off = np.abs(y - v).max(-1) / np.maximum(1, np.abs(v).max(-1))
        bad = ~(off <= ulps * float(info.eps))
        assert not bad.any(), (what, bad.sum(), off[bad][:3], x[bad][:3], y[bad][:3], v[bad][:3])


def batch_norm(x):
    return F.batch_norm(x[:, None], jnp.zeros(1), jnp.ones(1), train=True)[0].reshape(x.shape)


@pytest.mark.skipif(not J.EXACT, reason="no extended precision on this machine")
@pytest.mark.parametrize("name", [*NORMS, "batch_norm"])
def test_every_size(name, rng):
    """Gradients keep both their terms for as long as the squares have a sum; where the mean is taken away and the
    derivative is by hand, second derivatives too."""
    fn, centre = NORMS.get(name, (batch_norm, True))
    rows, w, u = (rng.standard_normal(s, np.float32) for s in ((6, 4), 4, 4))
    sizes = np.array([1e-30, 1e-19, 1.0, 1e6, 1e16, 3e17], np.float32)[:, None]
    got = jax.jit(jax.vmap(lambda x: orders(fn, x, *map(jnp.asarray, (w, u)))))(rows * sizes)
    want = exact(*(a.astype(WIDE) for a in (rows * sizes, w, u)), centre)
    checked = (6, 6, 5 if name not in ("rms_norm", "filter_response_norm", "batch_norm") else 4)
    for y, v, n in zip(got, want, checked, strict=True):
        largest = np.abs(v).max(-1, keepdims=True)
        np.testing.assert_allclose((np.asarray(y) / largest)[:n], (v / largest)[:n], rtol=0, atol=4e-6)


@pytest.mark.parametrize("name", ["global_response_norm", "local_response_norm"])
def test_responses_at_the_ends(name):
    """Finite, the derivatives too, though the sum of squares is not; channels beyond the dtype share the response."""
    fn = {
        "global_response_norm": lambda x: F.global_response_norm(x.reshape(1, 2, 2), jnp.ones(2), jnp.zeros(2)).ravel(),
        "local_response_norm": partial(F.local_response_norm, window=3),
    }[name]
    x = grid(jnp.float32)
    x = jnp.asarray(np.where(np.abs(x) > 1e38, x / 8, x))  # of which some norm is the double
    got = jax.jit(jax.vmap(lambda x: orders(fn, x, jnp.ones(4), jnp.ones(4))))(x)
    assert all(np.isfinite(y).all() for y in got)


def test_spread_beyond_the_root_of_the_end():
    """Layer norm has room for 1000 times more than the squares have; of the rest it makes 0."""
    x = jnp.array([[1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(F.layer_norm(x * 1e20), 2**0.5 * x, rtol=1e-6)
    assert (F.layer_norm(x * 1e30) == 0).all()


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1, 3), (1e-2, 1e4), (1e6, 0), (0, 5)])
def test_array_of_a_quarter_mebibyte(scale, shift, rng):
    """There the plain moments go first: one row that they are wrong for, and no row is."""
    x = rng.standard_normal((257, 256)).astype(np.float32)
    x[100] = x[100] * scale + shift
    w, dx = rng.standard_normal((2, 257, 256)).astype(np.float32)
    y, slope, second = jax.jit(partial(orders, F.layer_norm))(x, w, dx)
    want = exact(*(a.astype(WIDE) for a in (x, w, dx)), centre=True)
    np.testing.assert_allclose(y, want[0], atol=4e-6)
    for got, exactly in ((slope, want[1]), (second, want[2])):
        unit = np.maximum(np.abs(exactly).max(-1, keepdims=True), WIDE(1e-30))
        np.testing.assert_allclose(np.asarray(got) / unit, exactly / unit, atol=2e-5)
