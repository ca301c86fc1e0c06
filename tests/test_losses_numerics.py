"""The losses of classes at edges, in every dtype: value, gradient and second derivative are finite and right.

Right is what the same function gives in float64 for the same numbers, and for the value the plain NumPy formula too;
the sweeps over the table of cases prove both elsewhere. An infinite logit stands for the largest float32, and so does a
difference of two that is larger.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases_basic import np_log_softmax, np_sigmoid
from cases_classification import np_smoothed, np_sparsemax

import jaxml.functional as F

INF, TINY, BIG = np.inf, float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
HALF = [0.0, 1.0, 88.0, 1e4, "max", INF]
GRID = [-TINY, TINY, *HALF, *("-max" if v == "max" else -v for v in HALF[1:])]
ROWS = [[a, b, 0.0] for a, b in itertools.product(GRID, GRID)]
HOT = [np.eye(3)[0], np.eye(3)[2], np_smoothed(np.eye(3)[1], 0.1)]
LOGS = [[0.0, -INF, -INF], [-INF, 0.0, -INF], [-1e4, 0.0, "-max"]]
LOGS += np.log([[0.5, 0.25, 0.25], [1 / 3] * 3, [TINY, 0.5, 0.5]]).tolist()
SPREADS = [np.eye(3)[0], np.eye(3)[1], np.array([0.5, 0.5, 0]), np.full(3, 1 / 3), np.array([TINY, 1 - 2e-3, 2e-3])]
EDGES = [0.0, TINY, 1e-3, 0.5, 1 - 2.0**-11, 1.0]


def as_rows(function, **options):
    """`function` for one example, in and out."""
    return lambda x, y: function(x[None], y[None], **options)[0]


def with_integers(function, **options):
    """The same for a one-hot label that stands for its number."""
    return lambda x, y: function(x[None], jnp.argmax(y)[None].astype(jnp.int32), **options)[0]


def np_terms(x, y, term):
    """`Σ y term(log p)`, where 0 times what it may be is 0."""
    log_p = np_log_softmax(x)
    with np.errstate(over="ignore"):
        return np.where(y == 0, 0, y * term(log_p)).sum(-1)


def np_binary(x, z, gamma):
    wrong = z * np_sigmoid(-x) + (1 - z) * np_sigmoid(x)
    return wrong**gamma * (z * np.logaddexp(0, -x) + (1 - z) * np.logaddexp(0, x))


def np_entropy(t, log_q):
    """`Σ t (log t - log q)`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(t == 0, 0, t * (np.log(t) - log_q)).sum(-1)


def np_js(p, q):
    p, q = np.exp(p), np.exp(q)
    with np.errstate(divide="ignore"):
        m = np.log((p + q) / 2)
    return (np_entropy(p, m) + np_entropy(q, m)) / 2


def np_probabilities(p, z):
    with np.errstate(divide="ignore"):
        return -z * np.maximum(np.log(p), -100) - (1 - z) * np.maximum(np.log1p(-p), -100)


def np_sparsemax_loss(x, y):
    p = np_sparsemax(np.maximum(x, -2))
    return ((p - y) * (x - (p + y) / 2)).sum(-1)


ONE_HOT = [np.eye(3)[i] for i in (0, 2)]
# Name: the loss of one example, its first and second arguments, and the value in float64.
LOSSES = {
    "ce": (as_rows(F.softmax_cross_entropy), ROWS, HOT, partial(np_terms, term=lambda v: -v)),
    "ce_smoothed": (
        as_rows(F.softmax_cross_entropy, label_smoothing=0.1), ROWS, ONE_HOT,
        lambda x, y: np_terms(x, np_smoothed(y, 0.1), lambda v: -v),
    ),
    "ce_integer": (
        with_integers(F.softmax_cross_entropy_with_integer_labels, label_smoothing=0.1), ROWS, ONE_HOT,
        lambda x, y: np_terms(x, np_smoothed(y, 0.1), lambda v: -v),
    ),
    "nll": (with_integers(F.nll_loss), LOGS, ONE_HOT, lambda x, y: (-x * y).sum(-1)),
    "focal": (
        with_integers(F.softmax_focal_loss), ROWS, ONE_HOT, partial(np_terms, term=lambda v: np.expm1(v) ** 2 * -v),
    ),
    "focal_root": (
        with_integers(F.softmax_focal_loss, gamma=0.5), ROWS, ONE_HOT,
        partial(np_terms, term=lambda v: np.sqrt(-np.expm1(np.minimum(v, 0))) * -v),
    ),
    "gce": (
        with_integers(F.generalized_cross_entropy), ROWS, ONE_HOT,
        partial(np_terms, term=lambda v: -np.expm1(0.7 * v) / 0.7),
    ),
    "poly": (as_rows(F.poly_loss), ROWS, HOT, partial(np_terms, term=lambda v: -v - 2 * np.expm1(v))),
    "sparsemax": (as_rows(F.sparsemax_loss), ROWS, HOT, np_sparsemax_loss),
    "bce": (F.binary_cross_entropy, GRID, [0.0, 0.1, 1.0], partial(np_binary, gamma=0)),
    "bce_focal": (F.sigmoid_focal_loss, GRID, [0.0, 0.1, 1.0], partial(np_binary, gamma=2)),
    "bce_focal_root": (partial(F.sigmoid_focal_loss, gamma=0.5), GRID, [0.0, 0.1, 1.0], partial(np_binary, gamma=0.5)),
    "bce_probabilities": (
        F.binary_cross_entropy_from_probabilities, EDGES, [0.0, 0.1, 1.0], np_probabilities,
    ),
    "dice": (
        lambda p, z: F.dice_loss(p[None], z[None])[0], SPREADS, [np.zeros(3), *SPREADS],
        lambda p, z: 1 - (2 * (p * z).sum(-1) + 1) / (p.sum(-1) + z.sum(-1) + 1),
    ),
    "dice_of_nothing": (
        lambda p, z: F.dice_loss(p[None], z[None], smooth=0.0)[0], [np.zeros(3)], [np.zeros(3)],
        lambda p, z: 0 * p[:, 0],
    ),
    "kl": (as_rows(F.kl_divergence), LOGS, SPREADS, lambda q, t: np_entropy(t, q)),
    "kl_log": (as_rows(F.kl_divergence, log_targets=True), LOGS, LOGS, lambda q, t: np_entropy(np.exp(t), q)),
    "js": (as_rows(F.js_divergence), LOGS, LOGS, np_js),
    "wasserstein": (
        as_rows(F.wasserstein_loss), SPREADS, SPREADS, lambda p, t: np.abs(np.cumsum(p - t, -1)[:, :-1]).sum(-1),
    ),
}  # fmt: skip
DTYPES = ["float32", "float16", *(pytest.param(name, marks=pytest.mark.slow) for name in ("float64", "bfloat16"))]


def points(values, dtype):
    """The grid in `dtype`, "max" being its end."""
    end = float(jnp.finfo(dtype).max)
    flat = [v for row in values for v in (row if isinstance(row, list) else np.ravel(row).tolist())]
    numbers = np.array([{"max": end, "-max": -end}[v] if isinstance(v, str) else v for v in flat])
    with np.errstate(over="ignore"):
        return numbers.reshape(len(values), *np.shape(values[0])).astype(jnp.dtype(dtype))


def derivatives(loss, x, y):
    """Value, gradient, and the second derivative along a direction, by `x`."""
    slope = jax.grad(loss)
    direction = jnp.asarray([1.0, -2.0, 0.5] if x.ndim else 1.0, x.dtype)
    return loss(x, y), slope(x, y), jax.jvp(lambda x: slope(x, y), (x,), (direction,))[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_edges(name, dtype):
    loss, firsts, seconds, formula = LOSSES[name]
    if (name, dtype) == ("bce_probabilities", "float16"):
        firsts = [2.0**-5, 0.5, 1 - 2.0**-5]  # nearer to the ends its derivatives are beyond float16
    x, y = (np.stack(a) for a in zip(*itertools.product(points(firsts, dtype), points(seconds, dtype)), strict=True))
    run = jax.jit(jax.vmap(partial(derivatives, loss)))
    info = jnp.finfo(dtype)
    end, tolerance = float(info.max), 32 * float(info.eps)
    with jax.enable_x64(True):
        got = run(x, y)
        # What is computed in float32 reads an infinity as the largest float32.
        top = BIG if dtype != "float64" else end
        wide = [np.clip(a.astype(np.float64), -top, top) for a in (x, y)]
        if firsts is ROWS:
            with np.errstate(over="ignore"):
                wide[0] = np.maximum(wide[0] - wide[0].max(1, keepdims=True), -top)
        want = run(*wide)
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = [*want, formula(*wide)]
    for g, w, what in zip([*got, got[0]], wanted, ["value", "slope", "curvature", "formula"], strict=True):
        g, w = np.asarray(g).astype(np.float64), np.clip(np.asarray(w), -end, end)
        assert np.isfinite(g).all(), (what, x[~np.isfinite(g.reshape(len(x), -1)).all(1)][:3])
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance, err_msg=what)


@pytest.mark.parametrize("label", [0.0, 0.5, 1.0])
def test_probabilities_at_the_ends_in_float16(label):
    """A derivative of 1e12 has no float16; the largest that has is taken."""
    p, z = jnp.array([0.0, 1.0], jnp.float16), jnp.full(2, label, jnp.float16)
    slope = jax.grad(lambda p: F.binary_cross_entropy_from_probabilities(p, z).sum())(p)
    assert jnp.isfinite(slope).all()
    assert (slope[0] < -1e4) == (label > 0) and (slope[1] > 1e4) == (label < 1)
