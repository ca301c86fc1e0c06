"""Claims and coverage: distances, and losses of embeddings."""

import math
from collections.abc import Callable

import numpy as np

import jaxml.functional as F

from ._claim import Claim
from ._row import Row

SHAPE = (3, 5)


def vectors(count: int, *extra: Callable) -> Callable:
    """Rows; with `ties` in halves, and one row of the first that is 0 and one like that of the second."""

    def make(rng, options):
        arrays = [rng.standard_normal(SHAPE) for _ in range(count)]
        if options.get("ties"):
            arrays = [np.round(2 * a) / 2 for a in arrays]
            arrays[0][0] = 0
            arrays[0][1] = arrays[-1][1]
        return [*arrays, *(draw(rng) for draw in extra)]

    return make


def rows(*shapes: tuple[int, ...]) -> Callable:
    """Batches of rows; with `ties` the first row of the first is the last of the last."""

    def make(rng, options):
        arrays = [rng.standard_normal(shape) for shape in shapes]
        if options["ties"]:
            arrays[0][..., 0, :] = arrays[-1][..., -1, :]
        return arrays

    return make


def signs(rng):
    return rng.choice([-1.0, 1.0], SHAPE[0])


def plain(f: Callable) -> Callable:
    return lambda *arrays, ties=False, **options: f(*arrays, **options)


def theirs(name: str, **names: str) -> Callable:
    """PyTorch's function; its losses without reduction, options under their names there."""

    def call(torch, *tensors, ties=False, **options):
        if name.endswith("loss"):
            options["reduction"] = "none"
        return getattr(torch.nn.functional, name)(*tensors, **{names.get(key, key): v for key, v in options.items()})

    return call


def their_embedding(torch, *tensors, ties=False, **options):
    return torch.nn.functional.cosine_embedding_loss(*tensors, reduction="none", **options)


def manhattan(x, y):
    return abs(x - y).sum(-1)


TIES = (False, True)
ORDERS = (0.5, 1.0, 1.5, 2.0, 3.0, math.inf)
# Not claimed: the cosine's derivative for norms between 0 and `eps`, where PyTorch's is not that of its value; ties of
# order inf in `cdist`, where its every largest entry gets the whole derivative, and in `pairwise_distance` a share.
CLAIMS = [
    Claim(
        "cosine_similarity", "nn.functional.cosine_similarity", vectors(2), F.cosine_similarity,
        theirs("cosine_similarity", axis="dim"), grid={"axis": (0, 1, -1), "eps": (1e-8, 1e-2)}, differentiable=(0, 1),
    ),
    Claim(
        "cosine_similarity", "nn.functional.cosine_similarity", vectors(2), plain(F.cosine_similarity),
        theirs("cosine_similarity"), grid={"ties": (True,), "eps": (1e-8, 1e-2)}, differentiable=(0, 1),
        variant="zero",
    ),
    Claim(
        "normalize", "nn.functional.normalize", vectors(1), plain(F.normalize),
        theirs("normalize", axis="dim", order="p"),
        grid={"ties": TIES, "axis": (0, 1, -1), "order": ORDERS, "eps": (1e-12, 2.0)},
    ),
    Claim(
        "pairwise_distance", "nn.functional.pairwise_distance", vectors(2), plain(F.pairwise_distance),
        theirs("pairwise_distance", order="p"), grid={"ties": TIES, "order": ORDERS, "eps": (0.0, 1e-6, 0.1)},
        differentiable=(0, 1),
    ),
    Claim(
        "cdist", "cdist", rows((2, 4, 3), (2, 5, 3)), plain(F.cdist),
        lambda torch, a, b, ties, order: torch.cdist(a, b, p=order), grid={"ties": TIES, "order": (0.0, *ORDERS)},
        differentiable=(0, 1),
    ),
    Claim(
        "pdist", "nn.functional.pdist", rows((5, 3)), plain(F.pdist), theirs("pdist", order="p"),
        grid={"ties": TIES, "order": (0.0, *ORDERS)},
    ),
    Claim(
        "cosine_embedding_loss", "nn.functional.cosine_embedding_loss", vectors(2, signs),
        plain(F.cosine_embedding_loss), their_embedding, grid={"ties": TIES, "margin": (-0.5, 0.0, 0.3)},
        # PyTorch's 1e-12 is one of float32: a relative difference of 2e-9 at a zero vector, where nothing is larger.
        differentiable=(0, 1), tolerance={"float64": 5e-9},
    ),
    Claim(
        "triplet_margin_loss", "nn.functional.triplet_margin_loss", vectors(3), plain(F.triplet_margin_loss),
        theirs("triplet_margin_loss", order="p"),
        grid={"ties": TIES, "margin": (0.5, 1.0), "order": ORDERS, "eps": (0.0, 1e-6, 0.1), "swap": (False, True)},
        differentiable=(0, 1, 2),
    ),
    Claim(
        "triplet_margin_with_distance_loss", "nn.functional.triplet_margin_with_distance_loss", vectors(3),
        lambda *a, ties, **options: F.triplet_margin_with_distance_loss(
            *a, distance=lambda x, y: F.pairwise_distance(x, y, order=1.0, eps=0.0), **options
        ),
        lambda torch, *a, ties, **options: torch.nn.functional.triplet_margin_with_distance_loss(
            *a, distance_function=manhattan, reduction="none", **options
        ),
        grid={"ties": TIES, "margin": (0.5, 1.0), "swap": (False, True)}, differentiable=(0, 1, 2),
    ),
]  # fmt: skip
ROWS = [
    Row(
        ("cosine_similarity",), ("CosineSimilarity",), "cosine_similarity",
        reason="Keras's loss is its negative, optax's `cosine_distance` 1 minus it",
    ),
    Row(("normalize",), ("ops.normalize",), "normalize", reason="`p` is called `order`"),
    Row(("pairwise_distance",), (), "pairwise_distance", reason="`p` is called `order`; shapes must agree"),
    Row(("cdist",), (), "cdist", reason="never by a matrix product, which cancels"),
    Row(("pdist",), (), "pdist"),
    Row(("cosine_embedding_loss",), (), "cosine_embedding_loss"),
    Row(("triplet_margin_loss",), (), "triplet_margin_loss", reason="optax's has no `swap`"),
    Row(("triplet_margin_with_distance_loss",), (), "triplet_margin_with_distance_loss"),
    Row((), (), "contrastive_loss", reason="of pairs, Hadsell's"),
    Row((), (), "info_nce_loss"),
    Row((), (), "nt_xent_loss", reason="optax's `ntxent` takes labels and returns one number"),
    Row((), ("Circle",), "circle_loss", reason="the weights are constants in the derivative, as in the paper"),
    Row((), (), "arcface_logits"),
]  # fmt: skip
