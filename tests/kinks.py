"""Every kink of a function, and the one derivative it has there; `docs/numerics.md` shows the same table."""

import math
from collections.abc import Callable
from functools import partial

import jax.numpy as jnp

import jaxml.functional as F

ZERO, ONE, LABEL = jnp.zeros(()), jnp.ones(()), jnp.zeros((), jnp.int32)


def of(loss: Callable, target: float = 0.0, **options) -> Callable:
    """A loss as a function of its prediction."""
    return lambda x: loss(x, jnp.asarray(target, x.dtype), **options)


def beside(x, other: float):
    """The vector `(x, other)`."""
    return jnp.stack([x, jnp.asarray(other, x.dtype)])


def length(x, **options):
    """Distance of `(x, 0)` to the origin."""
    return F.pairwise_distance(beside(x, 0), jnp.zeros(2, x.dtype), eps=0.0, **options)


def triplet(x, **options):
    """The positive at distance `x`, the negative at 2, the anchor at 0."""
    return F.triplet_margin_loss(jnp.zeros(1, x.dtype), x[None], jnp.full(1, 2, x.dtype), eps=0.0, **options)


def cosine_embedding(x):
    """Of `(x, 1)` and `(1, 0)`: the cosine is x / √(1 + x²), 0 at 0."""
    return F.cosine_embedding_loss(beside(x, 1), jnp.array([1, 0], x.dtype), jnp.asarray(-1, x.dtype))


def contrastive(x, target: float):
    return F.contrastive_loss(beside(x, 0), jnp.zeros(2, x.dtype), jnp.asarray(target, x.dtype))


# Name and variable, scalar function, point, derivative.
KINKS: list[tuple[str, Callable, float, float]] = [
    ("relu", F.relu, 0, 0),
    ("relu6", F.relu6, 0, 0),
    ("relu6", F.relu6, 6, 0),
    ("leaky_relu at slope 0.25", partial(F.leaky_relu, negative_slope=0.25), 0, 0.25),
    ("prelu at alpha 0.25", lambda x: F.prelu(x, jnp.asarray(0.25, x.dtype)), 0, 0.25),
    ("crelu, both outputs added", lambda x: F.crelu(x[None]).sum(), 0, 0),
    ("hard_tanh", F.hard_tanh, -1, 0),
    ("hard_tanh", F.hard_tanh, 1, 0),
    ("hard_sigmoid", F.hard_sigmoid, -3, 0),
    ("hard_sigmoid", F.hard_sigmoid, 3, 0),
    ("hard_silu", F.hard_silu, -3, 0),
    ("hard_silu", F.hard_silu, 3, 1),
    ("sparse_sigmoid", F.sparse_sigmoid, -1, 0),
    ("sparse_sigmoid", F.sparse_sigmoid, 1, 0),
    ("hard_shrink", F.hard_shrink, -0.5, 0),
    ("hard_shrink", F.hard_shrink, 0.5, 0),
    ("soft_shrink", F.soft_shrink, -0.5, 0),
    ("soft_shrink", F.soft_shrink, 0.5, 0),
    ("threshold at threshold 1", partial(F.threshold, threshold=1.0, value=-3.0), 1, 0),
    ("elu at alpha 0.3", partial(F.elu, alpha=0.3), 0, 0.3),
    ("selu", F.selu, 0, 1.0507009873554805 * 1.6732632423543772),
    ("reglu, gate", lambda x: F.reglu(beside(x, 1)[::-1])[0], 0, 0),
    ("maxout, equal entries", lambda x: F.maxout(beside(x, 0), pieces=2)[0], 0, 0.5),
    ("l1_loss, error", of(F.l1_loss), 0, 0),
    ("smooth_l1_loss at beta 0, error", of(F.smooth_l1_loss, beta=0.0), 0, 0),
    ("mape_loss, error", lambda x: of(F.mape_loss, 1.0)(1 + x), 0, 0),
    ("quantile_loss, error", of(F.quantile_loss, level=0.8), 0, 0),
    ("msle_loss, prediction", of(F.msle_loss, math.e - 1), 0, -2),
    ("hinge_loss, target times prediction", of(F.hinge_loss, 1.0), 1, 0),
    ("margin_ranking_loss, x1 - x2", lambda x: F.margin_ranking_loss(x, ZERO, ONE, margin=0.5), 0.5, -1),
    ("hinge_embedding_loss at target -1, distance", of(F.hinge_embedding_loss, -1.0), 1, -1),
    ("categorical_hinge_loss, gap", lambda x: F.categorical_hinge_loss(beside(x, 0), jnp.array([1.0, 0.0])), 1, 0),
    ("multi_margin_loss, gap", lambda x: F.multi_margin_loss(beside(x, 0), LABEL), 1, 0),
    ("multilabel_margin_loss, gap", lambda x: F.multilabel_margin_loss(beside(x, 0), jnp.array([0, -1])), 1, 0),
    ("cosine_embedding_loss at target -1, cosine", cosine_embedding, 0, 1),
    ("contrastive_loss at target -1, distance", partial(contrastive, target=-1.0), 0, 0),
    ("triplet_margin_loss, distance of the positive", triplet, 1, 1),
    ("triplet_margin_loss with swap, equal distances", partial(triplet, swap=True), 4, 0.5),
    ("pairwise_distance, distance", length, 0, 0),
    ("pairwise_distance at order 1, distance", partial(length, order=1.0), 0, 0),
    ("pairwise_distance at order 1/2, distance", partial(length, order=0.5), 0, 0),
    ("pairwise_distance at order inf, distance", partial(length, order=math.inf), 0, 0),
    ("cdist, distance", lambda x: F.cdist(beside(x, 0)[None], jnp.zeros((1, 2)))[0, 0], 0, 0),
    ("sparsemax, entry that reaches 0", lambda x: F.sparsemax(beside(x, 0))[0], -1, 0),
    ("sparsemax, entry that reaches 1", lambda x: F.sparsemax(beside(x, 0))[0], 1, 0),
    ("wasserstein_loss, inner sum", lambda x: F.wasserstein_loss(beside(x, 0)[None], jnp.ones((1, 2)))[0], 1, 0),
]
