"""Claims and coverage: losses of regression."""

from collections.abc import Callable

import numpy as np

import jaxml.functional as F

from ._claim import Claim
from ._row import Row

SHAPE = (3, 5)


def near(*extra: Callable) -> Callable:
    """Predictions and targets, and more by `extra`; with `ties` halves, so that errors are 0 and the options' own."""

    def make(rng, options):
        arrays = [2 * rng.standard_normal(SHAPE) for _ in range(2)]
        if options.get("ties"):
            arrays = [np.round(2 * a) / 2 for a in arrays]
        return [*arrays, *(draw(rng) for draw in extra)]

    return make


def positive(rng):
    return rng.uniform(0, 2, SHAPE)


def counts(rng, options):
    """Predictions, positive without `log_input`, and counts, some of them 0 and 1."""
    p = rng.standard_normal(SHAPE)
    return [p if options["log_input"] else np.abs(p), rng.poisson(1.5, SHAPE).astype(np.float64)]


def theirs(name: str) -> Callable:
    """PyTorch's loss without reduction, averaged over the last axis."""

    def call(torch, *tensors, ties=False, **options):
        return getattr(torch.nn.functional, name)(*tensors, reduction="none", **options).mean(-1)

    return call


def weighted(name: str, **unused) -> tuple[Callable, Callable]:
    """The weighted mean over everything, by the recipe of the docstring and by PyTorch."""

    def ours(p, t, w, ties=False, **options):
        return getattr(F, name)(p, t, weights=w, **options).mean() / w.mean()

    def call(torch, p, t, w, ties=False, **options):
        return getattr(torch.nn.functional, name)(p, t, weight=w, **options)

    return ours, call


def plain(f: Callable) -> Callable:
    return lambda *arrays, ties=False, **options: f(*arrays, **options)


TIES = (False, True)
HUBER = {"ties": TIES, "delta": (0.5, 1.0, 2.5)}
CLAIMS = [
    Claim("mse_loss", "nn.functional.mse_loss", near(), F.mse_loss, theirs("mse_loss"), differentiable=(0, 1)),
    Claim(
        "mse_loss", "nn.functional.mse_loss", near(positive), *weighted("mse_loss"), differentiable=(0, 1, 2),
        variant="weights",
    ),
    Claim(
        "l1_loss", "nn.functional.l1_loss", near(), plain(F.l1_loss), theirs("l1_loss"), grid={"ties": TIES},
        differentiable=(0, 1),
    ),
    Claim(
        "l1_loss", "nn.functional.l1_loss", near(positive), *weighted("l1_loss"), grid={"ties": TIES},
        differentiable=(0, 1, 2), variant="weights",
    ),
    Claim(
        "smooth_l1_loss", "nn.functional.smooth_l1_loss", near(), plain(F.smooth_l1_loss), theirs("smooth_l1_loss"),
        grid={"ties": TIES, "beta": (0.0, 0.5, 1.0, 2.5)}, differentiable=(0, 1),
    ),
    Claim(
        "huber_loss", "nn.functional.huber_loss", near(), plain(F.huber_loss), theirs("huber_loss"), grid=HUBER,
        differentiable=(0, 1),
    ),
    Claim(
        "huber_loss", "nn.functional.huber_loss", near(positive),
        lambda *a, **options: weighted("huber_loss")[0](*a, **options) * a[2].mean(), weighted("huber_loss")[1],
        grid=HUBER, differentiable=(0, 1, 2), variant="weights",
    ),
    Claim(
        "gaussian_nll_loss", "nn.functional.gaussian_nll_loss", near(positive), F.gaussian_nll_loss,
        theirs("gaussian_nll_loss"), grid={"full": (False, True), "eps": (1e-6, 0.5)}, differentiable=(0, 1, 2),
    ),
    Claim(
        # PyTorch's derivative by a target of 0 is NaN with `full`.
        "poisson_nll_loss", "nn.functional.poisson_nll_loss", counts, F.poisson_nll_loss, theirs("poisson_nll_loss"),
        grid={"log_input": (False, True), "full": (False, True), "eps": (1e-8, 0.1)},
    ),
]  # fmt: skip
ROWS = [
    Row(("mse_loss",), ("MeanSquaredError",), "mse_loss", reason="optax's `squared_error`; `l2_loss` is half of it"),
    Row(("l1_loss",), ("MeanAbsoluteError",), "l1_loss"),
    Row(("smooth_l1_loss",), (), "smooth_l1_loss"),
    Row(("huber_loss",), ("Huber",), "huber_loss", reason="with `weights`, PyTorch's mean is not divided by their sum"),
    Row((), ("LogCosh",), "log_cosh_loss", reason="optax's `log_cosh` too"),
    Row((), ("MeanSquaredLogarithmicError",), "msle_loss"),
    Row((), ("MeanAbsolutePercentageError",), "mape_loss"),
    Row((), (), "quantile_loss", reason="pinball loss"),
    Row((), (), "expectile_loss"),
    Row((), (), "charbonnier_loss"),
    Row((), (), "general_robust_loss", reason="Barron's; `alpha` is a number, not learnt"),
    Row(("gaussian_nll_loss",), (), "gaussian_nll_loss", reason="the variance is given for every element"),
    Row(("poisson_nll_loss",), ("Poisson",), "poisson_nll_loss", reason="Keras's is `log_input=False` with eps 1e-7"),
    Row((), ("R2Score",), reason="R² is a ratio of two sums over the data set, not a value per example: a metric"),
]
