"""Every loss and every activation, swept over the same grid to the ends of every dtype: nothing is NaN, all is right.

Right is what the same function gives in float64 for the same numbers, brought into the dtype's range; that the
function is right in float64 is proved elsewhere. Infinities stand in the grid too: of those only a NaN is refused.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_activations_numerics as activations
import test_losses_numerics as classes

import jaxml.functional as F

SLOW = [pytest.param(dtype, marks=pytest.mark.slow) for dtype in ("bfloat16", "float16", "float64")]
INF, KEY = np.inf, jax.random.key(0)
LABEL, LABELS, ONE_HOT = np.int32(1), np.array([1, -1, -1], np.int32), (0.0, 1.0, 0.0)


def vector(x, *entries):
    return jnp.asarray(np.array(entries or (0.0, 1.0, -2.0)), x.dtype)


def to(loss, *entries, **options):
    """A loss of `x` against three targets."""
    return lambda x: loss(x[None], vector(x, *entries)[None], **options)


def one(x, value=1.0):
    return vector(x, value)


def both(f, **options):
    """`f` of `x` and of a vector that is not it, of which the second is learned too where `x` is all there is."""
    return lambda x: f(x[None], vector(x, 1.0, 0.0, 2.0)[None], **options)


def signed(loss, sign):
    """A loss of two vectors that should be near (1) or apart (-1)."""
    return lambda x: loss(x[None], vector(x, 1.0, 0.0, 2.0)[None], one(x, sign))


def three(f, **options):
    return lambda x: f(vector(x, 1.0, 0.0, 2.0)[None], x[None], vector(x, 0.0, 1.0, 1.0)[None], **options)


def elementwise(f, **options):
    return lambda x: f(x, **options)


# Name: function of a vector of three.
SWEPT = {
    **{
        name: to(getattr(F, name))
        for name in (
            "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "log_cosh_loss", "charbonnier_loss",
            "general_robust_loss", "quantile_loss", "expectile_loss", "poisson_nll_loss",
        )
    },
    "mape_loss": to(F.mape_loss, 1.0, 2.0, -3.0),
    "msle_loss": lambda x: to(F.msle_loss, 0.0, 1.0, 2.0)(jnp.abs(x)),
    "gaussian_nll_loss": lambda x: F.gaussian_nll_loss(x, vector(x), vector(x, 1.0, 2.0, 0.5)),
    "gaussian_nll_loss/variance": lambda x: F.gaussian_nll_loss(vector(x), vector(x, 1.0, 1.0, 3.0), jnp.abs(x)),
    **{
        name: to(getattr(F, name), 1.0, -1.0, 1.0)
        for name in ("hinge_loss", "squared_hinge_loss", "soft_margin_loss", "hinge_embedding_loss")
    },
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x, vector(x), vector(x, 1.0, -1.0, 1.0)),
    "categorical_hinge_loss": to(F.categorical_hinge_loss, *ONE_HOT),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x[None], jnp.asarray(LABEL)[None]),
    "multilabel_margin_loss": lambda x: F.multilabel_margin_loss(x[None], jnp.asarray(LABELS)[None]),
    "multilabel_soft_margin_loss": to(F.multilabel_soft_margin_loss, 1.0, 0.0, 0.5),
    "cosine_embedding_loss": signed(F.cosine_embedding_loss, 1.0),
    "cosine_embedding_loss/apart": lambda x: F.cosine_embedding_loss(
        x[None], vector(x, 1.0, 0.0, 2.0)[None], one(x, -1.0), margin=-0.75  # away from the kink
    ),
    "contrastive_loss": signed(F.contrastive_loss, 1.0),
    "contrastive_loss/apart": signed(partial(F.contrastive_loss, margin=1.25), -1.0),
    "triplet_margin_loss": three(F.triplet_margin_loss),
    "triplet_margin_with_distance_loss": three(F.triplet_margin_with_distance_loss, distance=F.pairwise_distance),
    "circle_loss": lambda x: F.circle_loss(jnp.stack([x, vector(x), vector(x, 1.0, 0.0, 2.0)]), jnp.array([0, 0, 1])),
    "info_nce_loss": lambda x: F.info_nce_loss(
        jnp.stack([x, vector(x)]), jnp.stack([vector(x, 1.0, 0.0, 2.0), vector(x, 0.0, 1.0, 1.0)])
    ),
    "nt_xent_loss": lambda x: F.nt_xent_loss(
        jnp.stack([x, vector(x)]), jnp.stack([vector(x, 1.0, 0.0, 2.0), vector(x, 0.0, 1.0, 1.0)])
    ),
    "tversky_loss": lambda x: F.tversky_loss(jax.nn.sigmoid(x)[None], vector(x, *ONE_HOT)[None]),
    "linear_cross_entropy": lambda x: F.linear_cross_entropy(
        x[None], jnp.asarray(np.eye(3), x.dtype), jnp.asarray(LABEL)[None]
    ),
    "ctc_loss": lambda x: F.ctc_loss(jnp.stack([x, vector(x), x])[None], jnp.array([[1]])),
    "arcface_logits": lambda x: F.arcface_logits(jnp.clip(x, -1, 1)[None], jnp.asarray(LABEL)[None]),
    **{name: to(getattr(F, name), *ONE_HOT) for name in ("softmax_cross_entropy", "poly_loss", "sparsemax_loss")},
    **{
        name: partial(lambda f, x: f(x[None], jnp.asarray(LABEL)[None]), getattr(F, name))
        for name in (
            "softmax_cross_entropy_with_integer_labels", "softmax_focal_loss", "generalized_cross_entropy",
        )
    },
    "binary_cross_entropy": to(F.binary_cross_entropy, 1.0, 0.0, 0.5),
    "sigmoid_focal_loss": to(F.sigmoid_focal_loss, 1.0, 0.0, 0.5),
    **{
        name: elementwise(getattr(F, name))
        for name in ("softmax", "log_softmax", "softmin", "sparsemax", "logmeanexp", "crelu", "hard_swish")
    },
    "spatial_softmax": lambda x: F.spatial_softmax(x.reshape(1, 3, 1, 1)),
    **{
        name: partial(lambda f, x: f(jnp.concatenate([x, x[::-1]])), getattr(F, name))
        for name in ("glu", "geglu", "reglu", "swiglu")
    },
    "maxout": elementwise(F.maxout, pieces=3),
    "rrelu": lambda x: F.rrelu(KEY, x, minval=0.25, maxval=0.25),
    "gumbel_softmax": lambda x: F.gumbel_softmax(KEY, x),
}  # fmt: skip
# Those of probabilities and of logarithms have grids of their own, in `test_losses_numerics`.
ELSEWHERE = {
    "nll_loss", "binary_cross_entropy_from_probabilities", "dice_loss", "kl_divergence", "js_divergence",
    "wasserstein_loss", "smooth_labels",
}  # fmt: skip
FILES = (
    "activations", "losses", "softmax", "sparsemax", "cross_entropy", "ctc", "divergences", "linear_cross_entropy",
    "stochastic",
)  # fmt: skip
# A product of two variables or of a row and weights has no limit where one is infinite and the other 0.
PRODUCTS = {"glu", "geglu", "reglu", "swiglu", "linear_cross_entropy"}
# float64 draws other noise; a difference beyond the dtype counts as its end, before the mean is taken.
FINITE_ONLY = {"gumbel_softmax", "multilabel_margin_loss"}
# Sums that may cancel: their error is relative to what is summed.
SUMS = {"hinge_embedding_loss", "ctc_loss"}
# What divides by a small temperature, twice in a second derivative.
ULPS = {"info_nce_loss": 64 / 0.07}


def grid(dtype):
    info = jnp.finfo(dtype)
    positive = [float(info.tiny), 1.0, 88.0, 1e4, float(info.max), INF]
    numbers = [0.0, *positive, *(-v for v in positive)]
    with np.errstate(over="ignore"):
        return np.array([[a, b, c] for a, b in itertools.product(numbers, numbers) for c in (0.0, 1.0)]).astype(dtype)


def orders(fn, x):
    """Value, gradient of a weighted sum, and its derivative along a direction."""
    weighted = lambda x: jnp.vdot(y := fn(x).ravel(), jnp.asarray(1 / (1 + np.arange(y.size)), y.dtype))  # noqa: E731
    return fn(x).ravel(), *jax.jvp(jax.grad(weighted), (x,), (vector(x, 1.0, -2.0, 0.5),))


@pytest.mark.parametrize("dtype", ["float32", *SLOW])
@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.slow
def test_edges(name, dtype):
    run = jax.jit(jax.vmap(partial(orders, SWEPT[name])))
    info = jnp.finfo(dtype)
    end = float(info.max)
    with jax.enable_x64(True):
        x = grid(jnp.dtype(dtype))
        got, want = run(jnp.asarray(x)), run(jnp.asarray(x.astype(np.float64)))
    at = np.isfinite(x.astype(np.float64)).all(-1)
    for what, y, w in zip(("value", "slope", "curvature"), got, want, strict=True):
        y = np.asarray(y).astype(np.float64)
        nan = np.isnan(y).any(-1) & (at | (name not in PRODUCTS))
        assert not nan.any(), (what, nan.sum(), x[nan][:8])
        if name in FINITE_ONLY:
            continue
        y, w = np.clip(y[at], -end, end), np.clip(w[at], -end, end)
        size = np.maximum(1, np.abs(w).max(-1, keepdims=True))
        if name in SUMS:
            size = np.maximum(size, np.abs(x[at].astype(np.float64)).max(-1, keepdims=True))
        off = np.abs(y - w) / size
        bad = ~(off <= ULPS.get(name, 64) * float(info.eps)).all(-1)
        assert not bad.any(), (what, bad.sum(), x[at][bad][:4], y[bad][:4], w[bad][:4])


def test_all_are_swept():
    """A new loss or activation fails here until it stands in a sweep."""

    def file(name):
        return getattr(getattr(F, name), "__module__", "").rpartition("._")[2]

    wanted = {name for name in F.__all__ if file(name).startswith(FILES)}
    elementwise = {name.partition("/")[0] for name in activations.TABLE}
    assert wanted - {name.partition("/")[0] for name in SWEPT} - elementwise == ELSEWHERE
    assert {"nll", "bce_probabilities", "dice", "kl", "js", "wasserstein"} <= set(classes.LOSSES)
