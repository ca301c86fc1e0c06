"""Losses of an error at the edges, in every dtype: value, first and second derivative; and what `where` leaves out."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

INF = np.inf
DTYPES = ["float64", "float32", "bfloat16", "float16"]


def doubles(x):
    """As a float64 of NumPy; `x.astype(float)` is float32 where JAX has no float64."""
    return np.asarray(x).astype(np.float64)


def grid(dtype):
    """Predictions for the target 0."""
    info = jnp.finfo(dtype)
    positive = [float(info.tiny), 1e-3, 1.0, 88.0, 1e4, float(info.max) / 2, float(info.max), INF]
    return np.array([-v for v in positive] + [0.0] + positive).astype(dtype)


def huber(delta, divided=1.0):
    return (
        lambda e: np.where(abs(e) <= delta, np.minimum(abs(e), delta) ** 2 / 2, delta * (abs(e) - delta / 2)) / divided,
        lambda e: np.clip(e, -delta, delta) / divided,
        lambda e: (abs(e) <= delta) / divided,
    )


def log_cosh(e):
    small = np.clip(e, -1, 1)
    return np.where(abs(e) < 1, np.log1p(2 * np.sinh(small / 2) ** 2), np.logaddexp(e, -e) - np.log(2))


def cut(e):
    """Numbers whose square a double holds, with the same limits."""
    return np.clip(e, -1e150, 1e150)


def root(e):
    return abs(e) * np.sqrt(1 + (0.5 / np.maximum(abs(e), 1e-6)) ** 2)


# Loss, and of the error: value, derivative, second derivative.
EDGES = {
    "mse": (F.mse_loss, np.square, lambda e: 2 * e, lambda e: 2 + 0 * cut(e)),
    "l1": (F.l1_loss, np.abs, np.sign, lambda e: 0 * cut(e)),
    "smooth_l1": (partial(F.smooth_l1_loss, beta=0.5), *huber(0.5, 0.5)),
    "huber": (partial(F.huber_loss, delta=2.0), *huber(2.0)),
    "log_cosh": (F.log_cosh_loss, log_cosh, np.tanh, lambda e: 1 / np.cosh(np.clip(e, -300, 300)) ** 2),
    "charbonnier": (
        partial(F.charbonnier_loss, eps=0.5), lambda e: np.where(abs(e) > 1e-5, root(e), 0.5),
        lambda e: cut(e) / np.sqrt(cut(e) ** 2 + 0.25), lambda e: 0.25 / (np.clip(e, -1e90, 1e90) ** 2 + 0.25) ** 1.5,
    ),
    "robust_bounded": (
        partial(F.general_robust_loss, alpha=-2.0), lambda e: 2 * cut(e) ** 2 / (cut(e) ** 2 + 4),
        lambda e: 16 * np.clip(e, -1e60, 1e60) / (np.clip(e, -1e60, 1e60) ** 2 + 4) ** 2, None,
    ),
    "robust_welsch": (
        partial(F.general_robust_loss, alpha=-INF), lambda e: -np.expm1(-(cut(e) ** 2) / 2),
        lambda e: cut(e) * np.exp(-(cut(e) ** 2) / 2), lambda e: (1 - cut(e) ** 2) * np.exp(-(cut(e) ** 2) / 2),
    ),
    "robust_cauchy": (
        partial(F.general_robust_loss, alpha=0.0),
        lambda e: np.where(abs(e) < 1, np.log1p(cut(e) ** 2 / 2),
                           np.log(0.5 + 1 / np.maximum(abs(e), 1) ** 2) + 2 * np.log(np.maximum(abs(e), 1))),
        lambda e: 2 * cut(e) / (cut(e) ** 2 + 2), None,
    ),
    "robust_square": (
        partial(F.general_robust_loss, alpha=2.0), lambda e: e**2 / 2, lambda e: e, lambda e: 1 + 0 * cut(e)
    ),
    "quantile": (
        partial(F.quantile_loss, level=0.75), lambda e: np.where(e < 0, -0.75 * e, 0.25 * e),
        lambda e: np.where(e < 0, -0.75, np.where(e > 0, 0.25, 0)), lambda e: 0 * cut(e),
    ),
    "expectile": (
        partial(F.expectile_loss, level=0.75), lambda e: np.where(e < 0, 0.75, 0.25) * e**2,
        lambda e: np.where(e < 0, 1.5, 0.5) * e, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EDGES)
def test_edges(name, dtype):
    fn, *wanted = EDGES[name]
    with jax.enable_x64(True):
        x = jnp.asarray(grid(dtype))
        f = partial(fn, targets=jnp.zeros((), x.dtype))
        got = jax.jit(lambda x: [jax.vmap(d)(x) for d in (f, jax.grad(f), jax.grad(jax.grad(f)))])(x)
    e = doubles(x)
    if name.startswith("robust_"):
        end = float(jnp.finfo("float64" if dtype == "float64" else "float32").max)
        e = np.clip(e, -end, end)  # an infinite error counts as the largest finite one
    ulp = 8 * float(jnp.finfo(dtype).eps)
    for y, want in zip(got, wanted, strict=True):
        assert not jnp.isnan(y).any()
        if want is not None:
            with np.errstate(over="ignore"):
                want = want(e).astype(dtype).astype(np.float64)
            np.testing.assert_allclose(doubles(y), want, rtol=ulp, atol=ulp)


def test_log_cosh_of_a_small_error():
    """To the last place, where log(cosh(e)) is 0."""
    np.testing.assert_allclose(F.log_cosh_loss(jnp.array([1e-5, 1e-12]), jnp.zeros(2)), [5e-11, 5e-25], rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gaussian_edges(dtype):
    """A variance of 0 or less, and the end of the dtype: finite, and as `eps` is."""
    big = float(jnp.finfo(dtype).max)
    with jax.enable_x64(True):
        args = [jnp.asarray(np.array(v).astype(dtype)) for v in ([1, 1, 1, 1], [0, 0, 0, 0], [0, -2, 0.5, big])]
        fn = partial(F.gaussian_nll_loss, eps=0.5)
        value, slopes = fn(*args), jax.grad(lambda *a: fn(*a).sum(), (0, 1, 2))(*args)
    ulp = 8 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(doubles(value[:3]), [1 - np.log(2) / 2] * 3, rtol=ulp)
    np.testing.assert_allclose(doubles(slopes[0]), [2, 2, 2, 0], atol=ulp)
    np.testing.assert_allclose(doubles(slopes[2]), [-1, -1, -1, 0], atol=ulp)  # (1 / v - 1 / v²) / 2
    np.testing.assert_allclose(doubles(value[3]), np.log(big) / 2, rtol=ulp)


def test_poisson_edges():
    """A rate of 0, its logarithm -inf, and counts of 0; with `full` Stirling's term begins above 1."""
    x, t = jnp.array([-jnp.inf, -jnp.inf, 0.0, 88.0, jnp.inf]), jnp.array([0.0, 1.0, 0.0, 2.0, 2.0])
    value, slope = jax.vmap(jax.value_and_grad(F.poisson_nll_loss))(x, t)
    big = np.finfo(np.float32).max
    np.testing.assert_allclose(value, [0, big, 1, np.exp(88.0) - 176, INF], rtol=1e-5)
    np.testing.assert_allclose(slope, [0, -1, 1, np.exp(88.0) - 2, INF], rtol=1e-5)
    rate, slope = jax.vmap(jax.value_and_grad(partial(F.poisson_nll_loss, log_input=False)))(jnp.zeros(2), t[:2])
    np.testing.assert_allclose(rate, [0, -np.log(1e-8)], rtol=1e-5)
    np.testing.assert_allclose(slope, [1, 1 - 1e8], rtol=1e-5)
    by_count = jax.vmap(jax.grad(partial(F.poisson_nll_loss, full=True), 1))(jnp.zeros(3), jnp.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(by_count, [0, 0, np.log(2) + 0.25], rtol=1e-5)


def test_relative_edges():
    """A target of 0 divides by `eps`; negative numbers count as 0 in `msle_loss`."""
    np.testing.assert_allclose(F.mape_loss(jnp.ones(1), jnp.zeros(1), eps=0.5), [200])
    np.testing.assert_allclose(F.msle_loss(jnp.array([-1e30, 0]), jnp.array([-5.0, -jnp.inf])), [0, 0])


MARGINS = [F.hinge_loss, F.squared_hinge_loss, F.soft_margin_loss, F.hinge_embedding_loss]


@pytest.mark.parametrize("fn", MARGINS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_margin_edges(fn, dtype):
    """Infinite scores: 0 for a right answer, and the end of the dtype for a wrong one (of the square too); no NaN."""
    end = float(jnp.finfo(dtype).max)
    p = jnp.array([INF, -INF, end, -end, 0], dtype)
    value, (by_p, by_t) = jax.vmap(jax.value_and_grad(fn, (0, 1)))(p, jnp.ones(5, dtype))
    other = jax.vmap(jax.grad(jax.grad(fn)))(p, -jnp.ones(5, dtype))
    assert not jnp.isnan(jnp.stack([value, by_p, by_t, other])).any()
    if fn is not F.hinge_embedding_loss:
        np.testing.assert_array_equal(doubles(value[:4]), [0, end, 0, end])
    else:
        np.testing.assert_array_equal(doubles(value[:4]), [end, -end, end, -end])


ELEMENTWISE = [fn for fn, *_ in EDGES.values()]
ELEMENTWISE += [*MARGINS, F.msle_loss, F.mape_loss, F.poisson_nll_loss, F.multilabel_soft_margin_loss]
ELEMENTWISE += [lambda a, b, where=None: F.gaussian_nll_loss(a, b, b, where=where)]
ELEMENTWISE += [lambda a, b, where=None: F.margin_ranking_loss(a, b, a, margin=9.0, where=where)]
ELEMENTWISE += [lambda a, b, where=None, fn=fn: fn(a, b, weights=b, where=where) for fn in (F.l1_loss, F.huber_loss)]


def test_where_is_leaving_out(rng):
    """Of every loss of elements: the mean over what is left; NaN left out reaches neither value nor gradient."""
    a, b = (rng.uniform(0.5, 2, (2, 5)).astype(np.float32) for _ in range(2))
    where = np.array([[True, False, True, True, False], [False] * 5])
    bad = [np.where(where, v, np.nan) for v in (a, b)]
    left = np.array([0, 2, 3])

    @jax.jit
    def both(bad, a, b):
        masked = [partial(fn, where=jnp.asarray(where)) for fn in ELEMENTWISE]
        slopes = [jax.grad(lambda *v, f=f: f(*v).sum(), (0, 1))(*bad) for f in masked]
        return [f(*bad) for f in masked], slopes, [fn(a, b)[0] for fn in ELEMENTWISE]

    values, slopes, wanted = both(bad, a[:1, left], b[:1, left])
    for value, slope, want in zip(values, slopes, wanted, strict=True):
        np.testing.assert_allclose(value, [want, 0], rtol=2e-6)
        for s in slope:
            assert (s[~where] == 0).all() and jnp.isfinite(s).all()
