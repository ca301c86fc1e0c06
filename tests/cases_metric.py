"""Cases and float64 NumPy references: distances, losses of embeddings."""

from collections.abc import Callable
from functools import partial

import numpy as np
from _case import Case, normal
from cases_basic import masked, np_log_softmax, np_mean

import jaxml.functional as F

SHAPE = (3, 5)


def np_norm(x, order=2, axis=-1):
    return np.linalg.norm(x, order, axis)


def np_unit(x, order=2, axis=-1):
    return x / np.expand_dims(np_norm(x, order, axis), axis)


def np_cosine(a, b, axis=-1):
    return (np_unit(a, 2, axis) * np_unit(b, 2, axis)).sum(axis)


def np_all(a, b, order=2):
    return np_norm(a[..., :, None, :] - b[..., None, :, :], order)


def np_triplet(a, p, n, order, eps, swap):
    far = np_norm(a - n + eps, order)
    if swap:
        far = np.minimum(far, np_norm(p - n + eps, order))
    return np.maximum(1 + np_norm(a - p + eps, order) - far, 0)


def np_info_nce(q, k, temperature=0.5):
    return -np.diag(np_log_softmax(np_unit(q) @ np_unit(k).T / temperature))


def np_nt_xent(a, b, temperature=0.5):
    views, n = np_unit(np.concatenate([a, b])), len(a)
    log = np_log_softmax(views @ views.T / temperature, -1, ~np.eye(2 * n, dtype=bool))
    partner = np.roll(np.arange(2 * n), n)
    loss = -log[np.arange(2 * n), partner]
    return (loss[:n] + loss[n:]) / 2


def np_circle(x, labels, margin=0.4, scale=8):
    cos = np_unit(x) @ np_unit(x).T
    loss = np.zeros(len(x))
    for i, row in enumerate(cos):
        same = labels == labels[i]
        other, same = row[~same], np.delete(row, i)[np.delete(same, i)]
        pull = np.exp(-scale * np.maximum(1 + margin - same, 0) * (same - 1 + margin)).sum()
        push = np.exp(scale * np.maximum(other + margin, 0) * (other - margin)).sum()
        loss[i] = np.log1p(pull * push)
    return loss


def np_arcface(c, labels, margin, scale):
    angle = np.arccos(c)
    moved = np.where(angle + margin < np.pi, np.cos(angle + margin), c - margin * np.sin(margin))
    return scale * np.where(np.arange(c.shape[-1]) == labels[..., None], moved, c)


def with_signs(rng, dtype):
    return *normal(SHAPE, SHAPE)(rng, dtype), np.array([1, -1, 1], dtype)


def with_angles(rng, dtype):
    return rng.uniform(-0.95, 0.95, SHAPE).astype(dtype), np.array([0, 4, -1], np.int32)


def labelled(rng, dtype):
    """Two labels, one of them of one example alone."""
    return *normal(SHAPE)(rng, dtype), np.array([7, 7, 2], np.int32)


def np_pairs(a, b, t):
    d = np_norm(a - b)
    return np.where(t > 0, d**2, np.maximum(1.5 - d, 0) ** 2) / 2


def of_triplet(fn: Callable, **options) -> Case:
    reference = partial(np_triplet, **{"order": 2, "eps": 1e-6, "swap": False} | options)
    name = "metric/triplet" + "".join(f"_{key}" for key in options)
    return Case(name, partial(fn, **options), normal(*[SHAPE] * 3), reference, None, (0, 1, 2))


BOTH, PAIR, ROWS = (0, 1), normal(SHAPE, SHAPE), normal((2, 3, 4), (2, 2, 4))
CASES: list[Case] = [
    Case("distance/normalize", F.normalize, normal(SHAPE), np_unit),
    Case(
        "distance/normalize_3", partial(F.normalize, axis=0, order=3.0), normal(SHAPE),
        partial(np_unit, order=3, axis=0),
    ),
    Case("distance/cosine", partial(F.cosine_similarity, axis=0), PAIR, partial(np_cosine, axis=0), None, BOTH),
    Case("distance/pairwise", F.pairwise_distance, PAIR, lambda a, b: np_norm(a - b + 1e-6), None, BOTH),
    Case(
        "distance/pairwise_inf", partial(F.pairwise_distance, order=np.inf, eps=0.0), PAIR,
        lambda a, b: np_norm(a - b, np.inf), None, BOTH,
    ),
    Case("distance/cdist", F.cdist, ROWS, np_all, None, BOTH),
    Case("distance/cdist_1", partial(F.cdist, order=1.0), ROWS, partial(np_all, order=1), None, BOTH),
    Case("distance/pdist", F.pdist, normal((4, 3)), lambda x: np_all(x, x)[np.triu_indices(4, 1)]),
    of_triplet(F.triplet_margin_loss),
    of_triplet(F.triplet_margin_loss, order=1.0, swap=True),
    Case(
        "metric/triplet_distance",
        partial(F.triplet_margin_with_distance_loss, distance=lambda x, y: ((x - y) ** 2).sum(-1)),
        normal(*[SHAPE] * 3),
        lambda a, p, n: np.maximum(1 + ((a - p) ** 2 - (a - n) ** 2).sum(-1), 0), None, (0, 1, 2),
    ),
    Case(
        "metric/cosine_embedding", partial(F.cosine_embedding_loss, margin=-0.5), with_signs,
        lambda a, b, t: np.where(t > 0, 1 - np_cosine(a, b), np.maximum(np_cosine(a, b) + 0.5, 0)), None, BOTH,
        tolerance={"float64": 1e-11},  # of PyTorch's 1e-12 beside the squares
    ),
    Case("metric/contrastive", partial(F.contrastive_loss, margin=1.5), with_signs, np_pairs, None, BOTH),
    Case(
        "metric/where", lambda a, p, n, w: F.triplet_margin_loss(a, p, n, where=w),
        masked((3, 4, 5), (3, 4, 5), (3, 4, 5), mask=(3, 4)),
        lambda a, p, n, w: np_mean(np_triplet(a, p, n, 2, 1e-6, False), w), None, (0, 1, 2),
    ),
    Case("metric/info_nce", partial(F.info_nce_loss, temperature=0.5), PAIR, np_info_nce, None, BOTH),
    Case("metric/nt_xent", F.nt_xent_loss, PAIR, np_nt_xent, None, BOTH),
    # Its weights are constants in the derivative, which is compared by a test of its own.
    Case(
        "metric/circle", partial(F.circle_loss, scale=8.0), labelled, lambda x, y: np_circle(x, y) * [1, 1, 0], None, ()
    ),
    Case(
        "metric/arcface", partial(F.arcface_logits, margin=0.7, scale=4.0), with_angles,
        partial(np_arcface, margin=0.7, scale=4), tolerance={"float16": 1e-2},
    ),
]  # fmt: skip
