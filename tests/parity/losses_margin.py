"""Claims and coverage: losses that ask for a margin."""

from collections.abc import Callable

import numpy as np

import jaxml.functional as F

from ._claim import Claim
from ._row import Row

SHAPE = (3, 5)


def scores(*extra: Callable, count: int = 1) -> Callable:
    """Scores, in halves with `ties`, so that margins are met exactly, and more by `extra`."""

    def make(rng, options):
        arrays = [2 * rng.standard_normal(SHAPE) for _ in range(count)]
        if options.get("ties"):
            arrays = [np.round(2 * a) / 2 for a in arrays]
        return [*arrays, *(draw(rng) for draw in extra)]

    return make


def signs(rng):
    return rng.choice([-1.0, 1.0], SHAPE)


def yes_or_no(rng):
    return rng.choice([0.0, 1.0], SHAPE)


def class_weights(rng):
    return rng.uniform(0, 2, SHAPE[1])


def one_label(rng):
    return rng.integers(0, SHAPE[1], SHAPE[0])


def some_labels(rng):
    """Different class numbers, the first -1 anywhere."""
    labels = np.stack([rng.permutation(SHAPE[1]) for _ in range(SHAPE[0])])
    return np.where(np.arange(SHAPE[1]) < rng.integers(0, SHAPE[1] + 1, (SHAPE[0], 1)), labels, -1)


def theirs(name: str, average: bool = True) -> Callable:
    """PyTorch's loss without reduction, the last axis averaged unless it has done so."""

    def call(torch, *tensors, ties=False, **options):
        if "exponent" in options:
            options["p"] = options.pop("exponent")
        loss = getattr(torch.nn.functional, name)(*tensors, reduction="none", **options)
        return loss.mean(-1) if average else loss

    return call


def plain(f: Callable) -> Callable:
    return lambda *arrays, ties=False, **options: f(*arrays, **options)


def with_weights(f: Callable) -> Callable:
    """Both have the weights as a third array."""
    return lambda x, y, w, ties=False, **options: f(x, y, class_weights=w, **options)


def their_weights(name: str) -> Callable:
    return lambda torch, x, y, w, **options: theirs(name, False)(torch, x, y, weight=w, **options)


TIES = (False, True)
MULTI = {"ties": TIES, "margin": (0.5, 1.0, 2.0), "exponent": (1, 2)}
CLAIMS = [
    Claim(
        "soft_margin_loss", "nn.functional.soft_margin_loss", scores(signs), F.soft_margin_loss,
        theirs("soft_margin_loss"),
    ),
    Claim(
        "margin_ranking_loss", "nn.functional.margin_ranking_loss", scores(signs, count=2),
        plain(F.margin_ranking_loss), theirs("margin_ranking_loss"),
        grid={"ties": TIES, "margin": (0.0, 0.5, 1.0)}, differentiable=(0, 1),
    ),
    Claim(
        "hinge_embedding_loss", "nn.functional.hinge_embedding_loss", scores(signs), plain(F.hinge_embedding_loss),
        theirs("hinge_embedding_loss"), grid={"ties": TIES, "margin": (0.5, 1.0, 2.0)},
    ),
    Claim(
        "multi_margin_loss", "nn.functional.multi_margin_loss", scores(one_label), plain(F.multi_margin_loss),
        theirs("multi_margin_loss", False), grid=MULTI,
    ),
    Claim(
        "multi_margin_loss", "nn.functional.multi_margin_loss", scores(one_label, class_weights),
        with_weights(F.multi_margin_loss), their_weights("multi_margin_loss"), grid=MULTI, variant="weights",
    ),
    Claim(
        "multilabel_margin_loss", "nn.functional.multilabel_margin_loss", scores(some_labels),
        plain(F.multilabel_margin_loss), theirs("multilabel_margin_loss", False), grid={"ties": TIES},
    ),
    Claim(
        "multilabel_soft_margin_loss", "nn.functional.multilabel_soft_margin_loss", scores(yes_or_no),
        F.multilabel_soft_margin_loss, theirs("multilabel_soft_margin_loss", False),
    ),
    Claim(
        "multilabel_soft_margin_loss", "nn.functional.multilabel_soft_margin_loss", scores(yes_or_no, class_weights),
        with_weights(F.multilabel_soft_margin_loss), their_weights("multilabel_soft_margin_loss"), variant="weights",
        differentiable=(0, 2),
    ),
]  # fmt: skip
ROWS = [
    Row((), ("Hinge",), "hinge_loss", reason="targets ±1; optax's `hinge_loss` has the derivative -1/2 at the margin"),
    Row((), ("SquaredHinge",), "squared_hinge_loss"),
    Row((), ("CategoricalHinge",), "categorical_hinge_loss"),
    Row((), (), reason="Crammer and Singer's: `optax.losses.multiclass_hinge_loss` is it"),
    Row((), (), reason="`optax.losses.perceptron_loss` and `multiclass_perceptron_loss` are exact"),
    Row(("soft_margin_loss",), (), "soft_margin_loss"),
    Row(("multi_margin_loss",), (), "multi_margin_loss", reason="`p` is called `exponent`"),
    Row(("multilabel_margin_loss",), (), "multilabel_margin_loss"),
    Row(("multilabel_soft_margin_loss",), (), "multilabel_soft_margin_loss"),
    Row(("margin_ranking_loss",), (), "margin_ranking_loss", reason="optax's `ranking_softmax_loss` is of lists"),
    Row(("hinge_embedding_loss",), (), "hinge_embedding_loss"),
]  # fmt: skip
