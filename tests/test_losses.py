"""Losses where they usually break: infinite logits, masks, the ends of every dtype; and what `where` means."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases_basic import np_sigmoid

import jaxml.functional as F
from jaxml.functional._softmax import finite

INF = np.inf
DTYPES = pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
DENSE, INTEGER = F.softmax_cross_entropy, F.softmax_cross_entropy_with_integer_labels


def as_dtype(values, dtype):
    """An array of `values`, where "max" and "-max" stand for the ends of `dtype`."""
    end = float(jnp.finfo(dtype).max)
    flat = [
        {"max": end, "-max": -end}.get(v, v) if isinstance(v, str) else v for v in np.ravel(np.array(values, object))
    ]
    return jnp.asarray(np.array(flat, np.float64).reshape(np.shape(values)).astype(dtype))


def assert_near(got, want, dtype, ulps=8):
    """Within so many units in the last place of `want`, or of 1, after `want` is brought into the dtype's range."""
    info = jnp.finfo(dtype)
    want = np.clip(want, -float(info.max), float(info.max))
    tolerance = ulps * float(info.eps)
    np.testing.assert_allclose(np.asarray(got).astype(np.float64), want, rtol=tolerance, atol=tolerance)


@DTYPES
def test_binary_edges(dtype):
    """Value, first and second derivative on the grid of logits, the infinite ones included, in both modes."""
    info = jnp.finfo(dtype)
    positive = [float(info.tiny), 1e-3, 1.0, 20.0, 88.0, 1e4, float(info.max) / 2, float(info.max), INF]
    grid = np.array([-v for v in positive] + [0.0] + positive)
    x, z = (v.ravel().astype(dtype) for v in np.meshgrid(grid, [0.0, 0.125, 0.5, 1.0]))
    end = float(jnp.finfo(jnp.float32).max)
    wide, label = np.clip(x.astype(np.float64), -end, end), z.astype(np.float64)
    fn = F.binary_cross_entropy
    derivatives = (fn, jax.grad(fn), jax.jacfwd(fn), jax.grad(jax.grad(fn)), jax.jacfwd(jax.grad(fn)))
    value, *results = jax.jit(lambda *a: [jax.vmap(f)(*a) for f in derivatives])(x, z)
    assert_near(value, (1 - label) * np.logaddexp(0, wide) + label * np.logaddexp(0, -wide), dtype)
    for got, want in zip(
        results, 2 * [np_sigmoid(wide) - label] + 2 * [np_sigmoid(wide) * np_sigmoid(-wide)], strict=True
    ):
        assert_near(got, want, dtype)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_binary_keeps_small_losses(label):
    """A nearly right answer costs exp(-|x|), not 0: softplus(x) - z x would cancel from |x| = 17 on."""
    x = jnp.array([20.0, 40.0, 80.0]) * (2 * label - 1)
    np.testing.assert_allclose(F.binary_cross_entropy(x, jnp.full(3, label)), np.exp([-20.0, -40.0, -80.0]), rtol=1e-5)


def test_binary_mean_at_the_end_of_the_dtype():
    """Four losses of 3e38 have a mean although their sum has no float32."""
    got = F.binary_cross_entropy(jnp.full((1, 4), 3e38), jnp.zeros((1, 4)))
    np.testing.assert_allclose(got, [3e38], rtol=1e-6)


ROWS = [
    ([-INF, 0.0, 1.0], 2),
    ([-INF, 0.0, 1.0], 0),
    ([-INF, -INF, -INF], 1),
    ([INF, 0.0, 1.0], 0),
    ([INF, 0.0, 1.0], 1),
    ([INF, INF, -INF], 0),
    (["max", "-max", 0.0], 0),
    (["max", "-max", 0.0], 1),
    ([1e4, 88.0, -1e4], 0),
    ([1e4, 88.0, -1e4], 2),
    ([0.0, 0.0, 0.0], 0),
]


@DTYPES
@pytest.mark.parametrize("kind", ["dense", "integer"])
def test_softmax_cross_entropy_edges(kind, dtype):
    """Finite, and in the limit where there is one: value, gradient, Hessian; in reverse and forward mode."""
    x, number = as_dtype([row for row, _ in ROWS], dtype), np.array([label for _, label in ROWS], np.int32)
    one_hot = np.eye(3)[number]
    fn, labels = (DENSE, jnp.asarray(one_hot.astype(dtype))) if kind == "dense" else (INTEGER, number)
    wide = np.clip(np.asarray(x).astype(np.float64), -1e300, 1e300)
    shifted = wide - wide.max(1, keepdims=True)
    total = np.exp(shifted).sum(1)
    p = np.exp(shifted) / total[:, None]
    forward_over_reverse, reverse_over_forward = jax.jacfwd(jax.grad(fn)), jax.jacrev(jax.jacfwd(fn))
    derivatives = (fn, jax.grad(fn), jax.jacfwd(fn), forward_over_reverse, reverse_over_forward)
    value, *slopes, hessian, other = jax.jit(lambda *a: [jax.vmap(f)(*a) for f in derivatives])(x, labels)
    assert_near(value, np.log(total) - (shifted * one_hot).sum(1), dtype)
    for slope in slopes:
        assert_near(slope, p - one_hot, dtype)
    for second in (hessian, other):
        assert_near(second, p[:, :, None] * (np.eye(3) - p[:, None]), dtype)


def value_and_slopes(fn, *args):
    """`fn(*args)`, and the derivatives of its sum by each argument."""
    return fn(*args), jax.grad(lambda *args: fn(*args).sum(), tuple(range(len(args))))(*args)


@pytest.mark.parametrize("fn", [F.mse_loss, F.binary_cross_entropy])
def test_where_is_leaving_out(fn, rng):
    """Of each example the mean over what is left; NaN in what is left out reaches neither value nor gradient."""
    a, b = (rng.random((2, 5), np.float32) for _ in range(2))
    where = np.array([[True, False, True, True, False], [False] * 5])
    bad = [np.where(where, v, np.nan) for v in (a, b)]
    left = np.array([0, 2, 3])
    want = jax.jit(fn)(a[:1, left], b[:1, left])[0]
    got, slopes = jax.jit(partial(value_and_slopes, partial(fn, where=jnp.asarray(where))))(*bad)
    np.testing.assert_allclose(got, [want, 0], rtol=1e-6)
    for slope in slopes:
        assert (slope[~where] == 0).all() and (slope[where] != 0).all()


@pytest.mark.parametrize("fn", [F.mse_loss, F.binary_cross_entropy])
def test_mean_is_the_mean_over_all(fn, rng):
    a, b = (rng.random((3, 2, 5), np.float32) for _ in range(2))
    fn = jax.jit(fn)
    np.testing.assert_allclose(fn(a, b).mean(), fn(a.ravel(), b.ravel()).mean(), rtol=1e-6)


def test_where_leaves_out_classes(rng):
    """The same as a row without these classes."""
    x, y, left = rng.standard_normal((1, 5), np.float32), rng.random((1, 5), np.float32), np.array([0, 2, 3])
    where = np.isin(np.arange(5), left)[None]
    bad = np.where(where, x, np.nan)
    for masked, plain in (
        (lambda x: DENSE(x, jnp.asarray(y), where=jnp.asarray(where)), lambda x: DENSE(x, jnp.asarray(y[:, left]))),
        (lambda x: INTEGER(x, jnp.array([3]), where=jnp.asarray(where)), lambda x: INTEGER(x, jnp.array([2]))),
    ):
        got, (slope,) = jax.jit(partial(value_and_slopes, masked))(bad)
        want, (want_slope,) = jax.jit(partial(value_and_slopes, plain))(x[:, left])
        np.testing.assert_allclose(got, want, rtol=1e-6)
        np.testing.assert_allclose(slope[:, left], want_slope, rtol=1e-5, atol=1e-7)
        assert (slope[~where] == 0).all()


def test_where_leaves_out_tokens(rng):
    """`(N, T)` beside logits `(N, T, C)`; a sequence with no token left is 0 with gradient 0."""
    x, labels = rng.standard_normal((2, 3, 4), np.float32), np.array([[1, 3, -100], [-100] * 3], np.int32)
    x[1], where = np.nan, labels >= 0
    loss, (slope,) = jax.jit(
        partial(value_and_slopes, lambda x: INTEGER(x, jnp.asarray(labels), where=jnp.asarray(where)))
    )(x)
    np.testing.assert_allclose(loss, [jax.jit(INTEGER)(x[0, :2], labels[0, :2]).mean(), 0], rtol=1e-6)
    assert (slope[~where] == 0).all() and (slope[where] != 0).all()


def test_where_rows_of_nothing(rng):
    """All classes of a row left out: 0 with gradient 0, in forward mode too."""
    x, y = jnp.full((2, 3), INF), jnp.asarray(rng.random((2, 3)), jnp.float32)
    where = jnp.zeros((2, 3), bool)
    for loss in (lambda x: DENSE(x, y, where=where), lambda x: INTEGER(x, jnp.array([0, 1]), where=where)):
        np.testing.assert_array_equal(jax.jit(loss)(x), [0, 0])
        for derivative in (jax.jacrev, jax.jacfwd):
            np.testing.assert_array_equal(jax.jit(derivative(loss))(x), np.zeros((2, 2, 3)))


@pytest.mark.parametrize("label", [-1, 3, -100, 1000])
def test_label_out_of_range_is_nan(label):
    assert jnp.isnan(INTEGER(jnp.zeros((1, 3)), jnp.array([label]))).all()


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int32])
def test_narrow_labels(dtype):
    """More classes than the labels' dtype can count."""
    x = jnp.zeros((1, 300)).at[0, 100].set(jnp.inf)
    np.testing.assert_array_equal(INTEGER(x, jnp.array([100], dtype)), [0])


def test_mse_overflows_late():
    """A float16 difference of 300 has a square beyond float16, and a finite gradient."""
    p, t = jnp.full((1, 4), 300, jnp.float16).at[0, 1:].set(0), jnp.zeros((1, 4), jnp.float16)
    np.testing.assert_array_equal(F.mse_loss(p, t), jnp.array([22500], jnp.float16))
    assert jax.grad(lambda p: F.mse_loss(p, t)[0])(p)[0, 0] == 150


def test_finite_against_its_reference():
    """`finite` is `clip` in value; in derivative it is 1 where `clip` has 0, and all orders and transforms agree."""
    x = jnp.array([-INF, -3e38, -1.0, 0.0, 2.0, INF])
    end = jnp.finfo(jnp.float32).max
    np.testing.assert_array_equal(finite(x), jnp.clip(x, -end, end))
    for f in (finite, jax.jit(finite), lambda v: jax.vmap(finite)(v)):
        np.testing.assert_array_equal(f(x), finite(x))
        np.testing.assert_array_equal(jax.grad(lambda v, f=f: f(v).sum())(x), np.ones(6))
        np.testing.assert_array_equal(jax.jvp(f, (x,), (x[::-1],))[1], x[::-1])
    np.testing.assert_array_equal(jax.vmap(jax.grad(jax.grad(finite)))(x), np.zeros(6))
    inner = x[1:-1]
    clipped = jax.vjp(lambda v: jnp.clip(v, -end, end), inner)[1](inner)
    np.testing.assert_array_equal(jax.vjp(finite, inner)[1](inner), clipped)
