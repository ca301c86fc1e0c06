"""Distances, and the losses of embeddings, beside their formulas."""

import jax
import jax.numpy as jnp

import jaxml.functional as F
from benchmarks._functional_case import Case, labels, normal, signs, uniform

PAIR = (normal(128), normal(128))
TARGETS = (*PAIR, signs())
TRIPLE = (normal(128), normal(128), normal(128))


def _norm(x):
    return jnp.sqrt(jnp.sum(x**2, -1))


def _unit(x, eps=1e-12):
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), eps)


def _cosine(a, b):
    return jnp.sum(a * b, -1) / (jnp.maximum(_norm(a), 1e-8) * jnp.maximum(_norm(b), 1e-8))


def _distance(a, b, eps=1e-6):
    return _norm(a - b + eps)


def _all_distances(a, b):
    return _norm(a[:, :, None] - b[:, None])


def _apart(x):
    i, j = jnp.triu_indices(x.shape[1], 1)
    return _norm(x[:, i] - x[:, j])


def _cosine_loss(a, b, t):
    return jnp.where(t > 0, 1 - _cosine(a, b), jnp.maximum(_cosine(a, b), 0))


def _contrastive(a, b, t):
    d = _distance(a, b, 0.0)
    return jnp.where(t > 0, d**2, jnp.maximum(1 - d, 0) ** 2) / 2


def _triplet(a, p, n):
    return jnp.maximum(1 + _distance(a, p) - _distance(a, n), 0)


def _info_nce(q, k):
    return -jnp.diagonal(jax.nn.log_softmax(_unit(q) @ _unit(k).T / 0.07))


def _nt_xent(a, b):
    x = jnp.concatenate([_unit(a), _unit(b)])
    n = len(a)
    logits = jnp.where(jnp.eye(2 * n, dtype=bool), -jnp.inf, x @ x.T / 0.5)
    partner = (jnp.arange(2 * n) + n) % (2 * n)
    loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), partner[:, None], 1)[:, 0]
    return (loss[:n] + loss[n:]) / 2


def _circle(x, y):
    c = _unit(x) @ _unit(x).T
    same, fixed = y[:, None] == y[None], jax.lax.stop_gradient(c)
    positive, negative = same & ~jnp.eye(len(x), dtype=bool), ~same
    pull = jnp.where(positive, -8 * jnp.maximum(1.4 - fixed, 0) * (c - 0.6), -jnp.inf)
    push = jnp.where(negative, 8 * jnp.maximum(fixed + 0.4, 0) * (c - 0.4), -jnp.inf)
    return jax.nn.softplus(jax.nn.logsumexp(pull, 1) + jax.nn.logsumexp(push, 1))


def _arcface(c, y):
    hot = jnp.arange(c.shape[1]) == y[:, None]
    return 64 * jnp.where(hot, jnp.cos(jnp.arccos(c) + 0.5), c)


CASES = [
    Case("normalize", F.normalize, _unit, (normal(128),)),
    Case("cosine_similarity", F.cosine_similarity, _cosine, PAIR),
    Case("pairwise_distance", F.pairwise_distance, _distance, PAIR),
    Case(
        "pairwise_distance, order 3",
        lambda a, b: F.pairwise_distance(a, b, order=3.0),
        lambda a, b: jnp.sum(jnp.abs(a - b + 1e-6) ** 3, -1) ** (1 / 3),
        PAIR,
    ),
    Case("cdist", F.cdist, _all_distances, (normal(128, 16), normal(128, 16)), {"cached": 4, "large": 64}),
    Case("pdist", F.pdist, _apart, (normal(128, 16),), {"cached": 4, "large": 64}),
    Case("cosine_embedding_loss", F.cosine_embedding_loss, _cosine_loss, TARGETS),
    Case("contrastive_loss", F.contrastive_loss, _contrastive, TARGETS),
    Case("triplet_margin_loss", F.triplet_margin_loss, _triplet, TRIPLE),
    Case("info_nce_loss", F.info_nce_loss, _info_nce, PAIR, {"cached": 512, "large": 3072}),
    Case("nt_xent_loss", F.nt_xent_loss, _nt_xent, PAIR, {"cached": 256, "large": 1536}),
    Case(
        "circle_loss",
        lambda x, y: F.circle_loss(x, y, scale=8.0),
        _circle,
        (normal(128), labels(10)),
        {"cached": 512, "large": 3072},
    ),
    Case("arcface_logits", F.arcface_logits, _arcface, (uniform(1000), labels(1000))),
]
