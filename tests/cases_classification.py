"""Cases and float64 NumPy references: losses of classes, regions, distributions and sequences."""

import itertools
from functools import partial

import numpy as np
from _case import Case, normal
from cases_basic import INTEGER, masked, np_log_softmax, np_mean, np_sigmoid, with_classes, with_probabilities

import jaxml.functional as F
from jaxml.functional._class_costs import class_costs, reference


def with_weights(make, classes=5):
    """What `make` gives, and a positive number for each class."""

    def made(rng, dtype):
        args = make(rng, dtype)
        return *args, (0.5 + rng.random(classes)).astype(dtype)

    return made


def probabilities(*shapes, low=0.05):
    """Draws in `[low, 1 - low]`."""
    return lambda rng, dtype: tuple((low + (1 - 2 * low) * rng.random(s)).astype(dtype) for s in shapes)


def distributions(shape, *kinds):
    """Of each kind, "log" or "plain", probabilities that sum to 1 along the last axis."""

    def make(rng, dtype):
        draws = [np_log_softmax(rng.standard_normal(shape)) for _ in kinds]
        return tuple((x if k == "log" else np.exp(x)).astype(dtype) for x, k in zip(draws, kinds, strict=True))

    return make


def hot(labels, classes):
    return (labels[..., None] == np.arange(classes)).astype(np.float64)


def np_smoothed(y, s):
    return (1 - s) * y + s / y.shape[-1]


def np_weighted_ce(x, y, w, s, where=None):
    return np_mean(-(w * np_smoothed(y, s) * np_log_softmax(x)).sum(-1), where)


def np_focal(x, z, gamma, alpha, where=None):
    p = np_sigmoid(x)
    a = 1 if alpha is None else alpha * z + (1 - alpha) * (1 - z)
    wrong = z * (1 - p) + (1 - z) * p
    return np_mean(a * wrong**gamma * (z * np.logaddexp(0, -x) + (1 - z) * np.logaddexp(0, x)), where)


def np_softmax_focal(x, labels, w, gamma):
    log_p = (hot(labels, x.shape[-1]) * np_log_softmax(x)).sum(-1)
    return np_mean(w[labels] * (-np.expm1(log_p)) ** gamma * -log_p)


def np_gce(x, labels, q):
    return (1 - np.exp(q * (hot(labels, x.shape[-1]) * np_log_softmax(x)).sum(-1))) / q


def np_poly(x, y, coefficient, where):
    log_p = np_log_softmax(x)
    return np_mean((y * (coefficient * (1 - np.exp(log_p)) - log_p)).sum(-1), where)


def np_sparsemax(x, axis=-1):
    """Of all supports the one whose probabilities are right."""

    def row(v):
        for size in range(len(v), 0, -1):
            tau = (np.sort(v)[-size:].sum() - 1) / size
            p = np.maximum(v - tau, 0)
            if abs(p.sum() - 1) < 1e-9:
                return p
        raise AssertionError

    return np.apply_along_axis(row, axis, x)


def np_sparsemax_loss(x, y, where=None):
    """`max_p (p x - |p|²/2) + |y|²/2 - x y`, from the definition."""
    p = np_sparsemax(x)
    return np_mean((p * x - p**2 / 2 + y**2 / 2 - x * y).sum(-1), where)


def np_tversky(p, z, alpha, beta, smooth, axis, where=None):
    where = np.ones(p.shape, bool) if where is None else where
    p, z, axis = p * where, z * where, tuple(range(1, p.ndim)) if axis is None else axis
    hit, false, miss = ((a).sum(axis) for a in (p * z, p * (1 - z), (1 - p) * z))
    return np_mean(1 - (hit + smooth) / (hit + alpha * false + beta * miss + smooth))


def np_kl(q, t, where=None):
    return np_mean((t * (np.log(t) - q)).sum(-1), where)


def np_js(p, q):
    m = (np.exp(p) + np.exp(q)) / 2
    return (np_kl(np.log(m), np.exp(p)) + np_kl(np.log(m), np.exp(q))) / 2


def np_ctc(x, labels, lengths=None, label_lengths=None, blank=0):
    """Every path there is, its repeats merged and blanks removed."""
    losses = []
    for i, (log_p, label) in enumerate(zip(np_log_softmax(x), labels.tolist(), strict=True)):
        steps = len(log_p) if lengths is None else lengths[i]
        label = label[: None if label_lengths is None else label_lengths[i]]
        paths = itertools.product(range(x.shape[2]), repeat=int(steps))
        fits = [path for path in paths if [c for c, _ in itertools.groupby(path) if c != blank] == label]
        losses.append(-np.log(sum(np.exp(sum(log_p[t, c] for t, c in enumerate(path))) for path in fits)))
    return np.array(losses)


def sequences(rng, dtype):
    """Two sequences of 4 steps over 3 classes: a repeat that fills all steps; two labels of which one is padding."""
    x = rng.standard_normal((2, 4, 3)).astype(dtype)
    return x, np.array([[1, 1], [2, 1]], np.int32), np.array([4, 3], np.int32), np.array([2, 1], np.int32)


def with_layer(rng, dtype):
    """Features (2, 3, 4), weights for 7 classes, labels of which one is to be ignored, biases, class weights."""
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((2, 3, 4), (4, 7), (7,)))
    labels = rng.integers(0, 7, (2, 3), dtype=np.int32)
    labels[0, 1] = -100
    return x, w, labels, b, (0.5 + rng.random(7)).astype(dtype)


def np_layer(x, w, labels, b, weights):
    return np_weighted_ce(x @ w + b, hot(labels, 7), weights, 0.1, labels != -100)


def rows(rng, dtype):
    x, w, labels, b, shares = with_layer(rng, dtype)
    return x[0], w, b, shares, np.abs(labels[1])


CASES: list[Case] = [
    Case(
        "ce/weights", lambda x, y, w: F.softmax_cross_entropy(x, y, class_weights=w, label_smoothing=0.2),
        with_weights(with_probabilities((3, 5))), partial(np_weighted_ce, s=0.2), None, (0, 1, 2),
    ),
    Case(
        "ce_integer/weights", lambda x, y, w: INTEGER(x, y, class_weights=w, label_smoothing=0.2, ignore_index=2),
        with_weights(with_classes((3, 4, 5))),
        lambda x, y, w: np_weighted_ce(x, hot(y, 5), w, 0.2, y != 2), None, (0, 2),
    ),
    Case("nll", F.nll_loss, with_classes((3, 5)), lambda x, y: -(hot(y, 5) * x).sum(-1)),
    Case(
        "nll/weights", lambda x, y, w: F.nll_loss(x, y, class_weights=w, axis=1, ignore_index=1),
        with_weights(with_classes((3, 5, 2), 1)),
        lambda x, y, w: np_mean(-(hot(y, 5) * w * np.moveaxis(x, 1, -1)).sum(-1), y != 1), None, (0, 2),
    ),
    Case(
        "smooth_labels", partial(F.smooth_labels, label_smoothing=0.3), probabilities((3, 5)),
        partial(np_smoothed, s=0.3),
    ),
    Case(
        "bce/weights",
        lambda x, z, w, v: F.binary_cross_entropy(x, z, pos_weight=w, weights=v, label_smoothing=0.2),
        lambda rng, dtype: (
            *with_weights(with_probabilities((3, 5), None))(rng, dtype), (0.5 + rng.random((3, 5))).astype(dtype)
        ),
        lambda x, z, w, v: np_mean(
            v * (w * (0.8 * z + 0.1) * np.logaddexp(0, -x) + (0.9 - 0.8 * z) * np.logaddexp(0, x))
        ), None, (0, 1, 2, 3),
    ),
    Case(
        "bce_probabilities", lambda p, z, v: F.binary_cross_entropy_from_probabilities(p, z, weights=v),
        probabilities((3, 5), (3, 5), (3, 5)),
        lambda p, z, v: np_mean(v * (-z * np.log(p) - (1 - z) * np.log(1 - p))), None, (0, 1, 2),
    ),
    Case(
        "focal/sigmoid", F.sigmoid_focal_loss, with_probabilities((3, 5), None),
        partial(np_focal, gamma=2, alpha=None), None, (0, 1),
    ),
    Case(
        "focal/alpha", lambda x, z, where: F.sigmoid_focal_loss(x, z, gamma=0.5, alpha=0.25, where=where),
        lambda rng, dtype: (*with_probabilities((3, 5), None)(rng, dtype), np.arange(15).reshape(3, 5) % 4 > 0),
        lambda x, z, where: np_focal(x, z, 0.5, 0.25, where), None, (0, 1),
    ),
    Case(
        "focal/softmax", F.softmax_focal_loss, with_classes((3, 5)),
        lambda x, y: np_softmax_focal(x, y, np.ones(5), 2),
    ),
    Case(
        "focal/weights", lambda x, y, w: F.softmax_focal_loss(x, y, gamma=0.5, axis=1, class_weights=w),
        with_weights(with_classes((3, 5, 2), 1)),
        lambda x, y, w: np_softmax_focal(np.moveaxis(x, 1, -1), y, w, 0.5), None, (0, 2),
    ),
    Case("gce", F.generalized_cross_entropy, with_classes((3, 5)), partial(np_gce, q=0.7)),
    Case(
        "poly", lambda x, y, where: F.poly_loss(x, y, where=where),
        masked((3, 4, 5), (3, 4, 5), mask=(3, 4), labels="probabilities"),
        lambda x, y, where: np_poly(x, y, 2, where), None, (0, 1),
    ),
    Case("sparsemax", F.sparsemax, normal((3, 5)), np_sparsemax),
    Case("sparsemax/axis", partial(F.sparsemax, axis=0), normal((4, 3), scale=0.3), partial(np_sparsemax, axis=0)),
    Case(
        "sparsemax_loss", lambda x, y, where: F.sparsemax_loss(x, y, where=where),
        masked((3, 4, 5), (3, 4, 5), mask=(3, 4), labels="probabilities"), np_sparsemax_loss, None, (0,),
    ),
    Case(
        "dice", F.dice_loss, probabilities((3, 5), (3, 5)),
        lambda p, z: np_tversky(p, z, 0.5, 0.5, 0.5, None), None, (0, 1),
    ),
    Case(
        "tversky", lambda p, z, where: F.tversky_loss(p, z, smooth=0.1, axis=1, where=where),
        lambda rng, dtype: (*probabilities((2, 4, 3), (2, 4, 3))(rng, dtype), np.arange(24).reshape(2, 4, 3) % 5 > 0),
        lambda p, z, where: np_tversky(p, z, 0.3, 0.7, 0.1, 1, where), None, (0, 1),
    ),
    Case("kl", F.kl_divergence, distributions((3, 5), "log", "plain"), np_kl, None, (0, 1)),
    Case(
        "kl/log_targets", lambda q, t, where: F.kl_divergence(q, t, log_targets=True, where=where),
        lambda rng, dtype: (*distributions((3, 4, 5), "log", "log")(rng, dtype), np.arange(12).reshape(3, 4) % 3 > 0),
        lambda q, t, where: np_kl(q, np.exp(t), where), None, (0, 1),
    ),
    Case("js", F.js_divergence, distributions((3, 5), "log", "log"), np_js, None, (0, 1)),
    Case(
        "wasserstein", F.wasserstein_loss, distributions((3, 5), "plain", "plain"),
        lambda p, t: np.abs(np.cumsum(p - t, -1)[:, :-1]).sum(-1), None, (0, 1),
    ),
    Case("ctc", F.ctc_loss, lambda rng, dtype: sequences(rng, dtype)[:2], np_ctc),
    Case("ctc/lengths", lambda x, y, t, s: F.ctc_loss(x, y, lengths=t, label_lengths=s), sequences, np_ctc),
    Case(
        "linear_ce", F.linear_cross_entropy,
        lambda rng, dtype: (*normal((3, 4), (4, 7))(rng, dtype), np.array([6, 0, 2])),
        lambda x, w, y: -(hot(y, 7) * np_log_softmax(x @ w)).sum(-1), None, (0, 1),
    ),
    Case(
        "linear_ce/options",
        lambda x, w, y, b, c: F.linear_cross_entropy(
            x, w, y, b, class_weights=c, label_smoothing=0.1, ignore_index=-100),
        with_layer, np_layer, None, (0, 1, 3, 4),
    ),
    Case(
        "linear_ce/chunks", lambda *args: tuple(y.astype(args[0].dtype) for y in class_costs(*args, 3)),
        rows, None, partial(reference, width=3), (0, 1, 2, 3),
    ),
]  # fmt: skip
