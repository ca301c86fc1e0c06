"""The plain form of a loss and its careful form: which is taken, and that transformations do not change it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from jaxml.functional._guarded import guarded

INF = float("inf")
USUAL = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, -0.5]], np.float32)
# An infinity, a sum that overflows, and a number that is none.
ROWS = {"usual": [0.5, 1.0, -2.0], "inf": [INF, 1.0, -1.0], "-inf": [-INF, 0.0, 2.0], "large": [3e38, 3e38, -3e38]}
SIGNS = np.array([1.0, -1.0, 1.0], np.float32)


def plain(x, *, scale):
    return jnp.sum(x, -1) * scale


def careful(x, *, scale):
    return jnp.sum(jnp.clip(x, -1, 1), -1) * scale


def test_plain_form_where_it_is_finite_and_careful_form_for_all_where_one_is_not():
    """On a CPU; on others it is the careful form throughout."""
    assert jax.default_backend() != "cpu" or guarded(plain, careful, jnp.asarray(USUAL), scale=2.0).tolist() == [
        3.0,
        5.0,
    ]
    bad = USUAL.copy()
    bad[1, 1] = INF
    np.testing.assert_allclose(guarded(plain, careful, jnp.asarray(bad), scale=2.0), [1.0, 3.0])


def test_derivative_is_that_of_the_careful_form():
    grad = jax.grad(lambda x: guarded(plain, careful, x, scale=2.0).sum())(USUAL)
    want = jax.grad(lambda x: careful(x, scale=2.0).sum())(USUAL)
    np.testing.assert_array_equal(grad, want)


def test_one_example_in_a_batch_of_vmap_sends_all_to_the_careful_form():
    """One branch for the batch: `vmap` of `lax.cond` would compute both for every member."""
    x = np.stack([USUAL, USUAL])
    mapped = jax.jit(jax.vmap(lambda x: guarded(plain, careful, x, scale=1.0)))
    assert " select(" not in (mapped.lower(x).compile().as_text() or "")
    np.testing.assert_allclose(mapped(x), np.sum(x, -1) if jax.default_backend() == "cpu" else [[0.5, 0.5]] * 2)
    x[1, 0, 0] = INF
    np.testing.assert_allclose(mapped(x), np.sum(np.clip(x, -1, 1), -1))


@pytest.mark.parametrize("other", [name for name in ROWS if name != "usual"])
@pytest.mark.parametrize("name", ["mse_loss", "hinge_loss", "soft_margin_loss", "binary_cross_entropy"])
def test_unusual_example_changes_no_other(name, other):
    """A row gets the same loss beside a usual one, under `vmap`, and by itself."""
    f, labels = getattr(F, name), (SIGNS + 1) / 2 if name == "binary_cross_entropy" else SIGNS
    x, t = jnp.asarray([ROWS["usual"], ROWS[other]]), jnp.stack([labels, labels])
    together = f(x, t)
    apart = [f(x[i : i + 1], t[:1])[0] for i in (0, 1)]
    np.testing.assert_allclose(together, apart, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(lambda x, t: f(x[None], t[None])[0])(x, t), apart, rtol=1e-6)
    assert np.isfinite(together[0]) and (name == "mse_loss" or np.isfinite(together[1]))
