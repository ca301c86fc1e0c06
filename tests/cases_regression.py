"""Cases and float64 NumPy references: losses of regression and margins."""

from collections.abc import Callable
from functools import partial

import numpy as np
from _case import Case, normal
from cases_basic import masked, np_mean, with_classes, with_where

import jaxml.functional as F

SHAPE = (3, 5)
PAIR = normal(SHAPE, SHAPE, scale=2)


def of_error(f: Callable) -> Callable:
    """The reference of a loss that is a function of `e = p - t`; a third array holds weights."""
    return lambda p, t, w=1.0: np_mean(f(p - t) * w)


def np_huber(e, delta):
    return np.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2))


def np_robust(e, alpha, scale):
    z = (e / scale) ** 2
    limits = {2: z / 2, 0: np.log(z / 2 + 1), -np.inf: 1 - np.exp(-z / 2)}
    b = abs(alpha - 2)
    return limits[alpha] if alpha in limits else b / alpha * ((z / b + 1) ** (alpha / 2) - 1)


def np_poisson(p, t, log_input, full):
    loss = np.exp(p) - t * p if log_input else p - t * np.log(p + 1e-8)
    above = np.maximum(t, 1)
    return np_mean(loss + full * (t > 1) * (above * np.log(above) - above + np.log(2 * np.pi * above) / 2))


def np_multi_margin(x, y, w, margin, exponent):
    own = np.take_along_axis(x, y[:, None], 1)
    gap = np.maximum(margin - own + x, 0) ** exponent * (np.arange(x.shape[1]) != y[:, None])
    return w[y] * gap.mean(1)


def np_multilabel(x, labels):
    loss = np.zeros(len(x))
    for row, (scores, listed) in enumerate(zip(x, labels, strict=True)):
        own = listed[: np.argmax(listed < 0)] if (listed < 0).any() else listed
        others = np.setdiff1d(np.arange(x.shape[1]), own)
        loss[row] = sum(max(0, 1 - scores[j] + scores[i]) for j in own for i in others) / x.shape[1]
    return loss


def np_categorical_hinge(x, y):
    return np.maximum(0, 1 + ((1 - y) * x).max(-1) - (y * x).sum(-1))


def positive(count: int) -> Callable:
    return lambda rng, dtype: tuple(rng.uniform(0.3, 3, SHAPE).astype(dtype) for _ in range(count))


def apart(rng, dtype):
    """Positive predictions and targets whose difference is at least 0.1 either way: no draw near the kink."""
    t = rng.uniform(0.5, 3, SHAPE)
    return (t + rng.choice([-1, 1], SHAPE) * rng.uniform(0.1, 0.4, SHAPE)).astype(dtype), t.astype(dtype)


def with_signs(count: int = 1) -> Callable:
    """Normal draws, and targets 1 and -1."""
    return lambda rng, dtype: (*normal(*[SHAPE] * count, scale=2)(rng, dtype), rng.choice([-1, 1], SHAPE).astype(dtype))


def joined(*makes: Callable) -> Callable:
    return lambda rng, dtype: tuple(a for make in makes for a in make(rng, dtype))


def with_lists(rng, dtype):
    """Scores, and different class numbers that end at a -1: at none, in the middle, at once."""
    labels = np.stack([rng.permutation(5) for _ in range(3)]).astype(np.int32)
    labels[1, 2], labels[2, 0] = -1, -1
    return *normal(SHAPE)(rng, dtype), labels


def one_hot(rng, dtype):
    x, labels = with_classes(SHAPE)(rng, dtype)
    return x, np.eye(5)[labels].astype(dtype)


REGRESSION: dict[str, tuple[Callable, Callable]] = {
    "l1": (F.l1_loss, np.abs),
    "smooth_l1": (partial(F.smooth_l1_loss, beta=0.5), lambda e: np_huber(e, 0.5) / 0.5),
    "huber": (partial(F.huber_loss, delta=1.5), lambda e: np_huber(e, 1.5)),
    "log_cosh": (F.log_cosh_loss, lambda e: np.log(np.cosh(e))),
    "charbonnier": (partial(F.charbonnier_loss, eps=0.5), lambda e: np.sqrt(e**2 + 0.25)),
    "quantile": (partial(F.quantile_loss, level=0.8), lambda e: np.where(e < 0, -0.8 * e, 0.2 * e)),
    "expectile": (partial(F.expectile_loss, level=0.8), lambda e: np.where(e < 0, 0.8, 0.2) * e**2),
    "robust": (partial(F.general_robust_loss, alpha=-1.5, scale=2.0), lambda e: np_robust(e, -1.5, 2)),
}
BOTH = (0, 1)
CASES: list[Case] = [
    *(Case(f"regression/{name}", f, PAIR, of_error(want), None, BOTH) for name, (f, want) in REGRESSION.items()),
    Case(
        "regression/mse_weights", lambda p, t, w: F.mse_loss(p, t, weights=w), joined(PAIR, positive(1)),
        of_error(np.square), None, (0, 1, 2),
    ),
    Case(
        "regression/huber_weights", lambda p, t, w: F.huber_loss(p, t, weights=w), joined(PAIR, positive(1)),
        of_error(lambda e: np_huber(e, 1)), None, (0, 1, 2),
    ),
    Case(
        "regression/l1_where", with_where(F.l1_loss), masked(SHAPE, SHAPE, mask=SHAPE),
        lambda p, t, w: np_mean(abs(p - t), w), None, BOTH,
    ),
    Case(
        "regression/gaussian", partial(F.gaussian_nll_loss, full=True), joined(PAIR, positive(1)),
        lambda p, t, v: np_mean((np.log(2 * np.pi * v) + (p - t) ** 2 / v) / 2), None, (0, 1, 2),
    ),
    Case(
        "regression/poisson", partial(F.poisson_nll_loss, full=True), joined(normal(SHAPE), positive(1)),
        partial(np_poisson, log_input=True, full=True), None, BOTH,
    ),
    Case(
        "regression/poisson_rate", partial(F.poisson_nll_loss, log_input=False), positive(2),
        partial(np_poisson, log_input=False, full=False), None, BOTH,
    ),
    Case(
        "regression/msle", F.msle_loss, positive(2), lambda p, t: np_mean((np.log1p(p) - np.log1p(t)) ** 2), None, BOTH,
    ),
    Case("regression/mape", F.mape_loss, apart, lambda p, t: np_mean(100 * abs(p / t - 1)), None, BOTH),
    Case("margin/hinge", F.hinge_loss, with_signs(), lambda p, t: np_mean(np.maximum(1 - t * p, 0))),
    Case(
        "margin/squared_hinge", F.squared_hinge_loss, with_signs(), lambda p, t: np_mean(np.maximum(1 - t * p, 0) ** 2)
    ),
    Case("margin/soft", F.soft_margin_loss, with_signs(), lambda p, t: np_mean(np.logaddexp(0, -t * p))),
    Case(
        "margin/ranking", partial(F.margin_ranking_loss, margin=0.5), with_signs(2),
        lambda a, b, t: np_mean(np.maximum(0.5 - t * (a - b), 0)), None, BOTH,
    ),
    Case(
        "margin/embedding", partial(F.hinge_embedding_loss, margin=1.5), with_signs(),
        lambda d, t: np_mean(np.where(t > 0, d, np.maximum(1.5 - d, 0))),
    ),
    Case("margin/categorical", F.categorical_hinge_loss, one_hot, np_categorical_hinge),
    Case(
        "margin/multi", lambda x, y, w: F.multi_margin_loss(x, y, class_weights=w, margin=0.5, exponent=2),
        joined(with_classes(SHAPE), normal((5,))), partial(np_multi_margin, margin=0.5, exponent=2), None, (0, 2),
    ),
    Case(
        "margin/multi_where", with_where(F.multi_margin_loss), with_classes((3, 4, 5), -1, (3, 4)),
        lambda x, y, w: np_mean(
            np_multi_margin(x.reshape(-1, 5), y.ravel(), np.ones(5), 1, 1).reshape(3, 4), w
        ),
    ),
    Case("margin/multilabel", F.multilabel_margin_loss, with_lists, np_multilabel),
    Case(
        "margin/multilabel_soft", lambda x, z, w: F.multilabel_soft_margin_loss(x, z, class_weights=w),
        normal(SHAPE, SHAPE, (5,)), lambda x, z, w: np_mean((np.logaddexp(0, x) - x * z) * w), None, (0, 1, 2),
    ),
]  # fmt: skip
