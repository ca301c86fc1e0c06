"""The triangle of a tall matrix: by Cholesky where that is exact, by reflections where it would not be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.estimators import _triangle
from jaxml.estimators._triangle import triangle


def matrix(rng, rows, condition, dtype):
    """Seven columns whose singular values fall from `√rows` to that over `condition`."""
    u = np.linalg.qr(rng.standard_normal((rows, 7)))[0]
    v = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    return ((u * np.geomspace(1, 1 / condition, 7)) @ v * rows**0.5).astype(dtype)


def positive(r):
    """With the signs that make the diagonal positive."""
    r = np.asarray(r, np.float64)
    return r * np.where(np.diag(r) < 0, -1, 1)[:, None]


@pytest.fixture
def no_reflections(monkeypatch):
    monkeypatch.setattr(_triangle, "_by_reflections", lambda rows, n: jnp.full((7, 7), jnp.nan, rows(0, 1).dtype))


@pytest.mark.parametrize(
    ("dtype", "condition"), [("float32", 1.0), ("float32", 1e3), ("float64", 1.0), ("float64", 1e6)]
)
def test_by_cholesky_as_exact_as_by_reflections(dtype, condition, rng, no_reflections):
    a = matrix(rng, 9_001, condition, dtype)
    with jax.enable_x64(dtype == "float64"):
        got = positive(triangle(lambda a: a, jnp.asarray(a)))
    want = positive(np.linalg.qr(a.astype(np.float64), mode="r"))
    np.testing.assert_allclose(got, want, rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(want).max())
    np.testing.assert_allclose(np.diag(got), np.diag(want), rtol=4 * condition * np.finfo(dtype).eps)


@pytest.mark.parametrize("what", ["dependent", "nearly dependent", "constant 0", "beyond a square"])
def test_reflections_where_cholesky_would_fail(what, rng):
    a = matrix(rng, 9_001, 1e6 if what == "nearly dependent" else 1.0, np.float32)
    if what == "dependent":
        a[:, 3] = a[:, 1] - a[:, 5]
    if what == "constant 0":
        a[:, 3] = 0
    if what == "beyond a square":
        a *= np.float32(1e25)
    got = np.asarray(triangle(lambda a: a, jnp.asarray(a)), np.float64)
    scale = np.abs(a).max()
    assert np.isfinite(got).all()
    product, want = (got / scale).T @ (got / scale), (a / scale).astype(np.float64)
    np.testing.assert_allclose(product, want.T @ want, rtol=0, atol=1e-5 * 9_001)


def test_rows_are_made_of_several_arrays(rng, no_reflections):
    x, y = matrix(rng, 9_000, 2.0, np.float32)[:, :5], rng.standard_normal((9_000, 1)).astype(np.float32)

    def rows(x, y):
        return jnp.concatenate([jnp.ones_like(y), x - 1, y], axis=1)

    got = positive(triangle(rows, jnp.asarray(x), jnp.asarray(y)))
    want = positive(np.linalg.qr(np.concatenate([np.ones_like(y), x - 1, y], 1).astype(np.float64), mode="r"))
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("rows", [10, 20])
def test_more_columns_than_a_block_has_rows(rows, rng, monkeypatch):
    monkeypatch.setattr(_triangle, "BLOCK", 4)
    a = rng.standard_normal((rows, 12)).astype(np.float32)
    got = np.asarray(triangle(lambda a: a, jnp.asarray(a)))
    assert got.shape == (min(rows, 12), 12)
    np.testing.assert_allclose(got.T @ got, a.T @ a, rtol=0, atol=1e-4)


def test_derivative(rng):
    a = jnp.asarray(matrix(rng, 9_000, 3.0, np.float32))
    da = jnp.asarray(rng.standard_normal(a.shape), np.float32)

    def gram(a):
        r = triangle(lambda a: a, a)
        return r.T @ r / len(a)

    got = jax.jvp(gram, (a,), (da,))[1]
    np.testing.assert_allclose(got, (a.T @ da + da.T @ a) / len(a), rtol=0, atol=1e-4)
