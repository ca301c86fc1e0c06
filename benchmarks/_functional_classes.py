"""Losses over classes and divergences beside their formulas, with softmax as `jax.nn` has it."""

import jax
import jax.numpy as jnp

import jaxml.functional as F
from benchmarks._functional_case import Case, labels, normal, probabilities, weights

C = 1000
DENSE = (normal(C), probabilities(C))
NUMBERED = (normal(C), labels(C))


def _at(x, y):
    return jnp.take_along_axis(x, y[:, None], -1)[:, 0]


def _cost(x, y):
    return -_at(jax.nn.log_softmax(x), y)


def _log_p(x):
    return jax.nn.log_softmax(x)


def _smoothed(x, y):
    y = 0.9 * jax.nn.one_hot(y, C, dtype=x.dtype) + 0.1 / C
    return -jnp.sum(y * _log_p(x), -1)


def _focal(x, y):
    log_p = _at(_log_p(x), y)
    return -((1 - jnp.exp(log_p)) ** 2) * log_p


def _poly(x, y):
    log_p = _log_p(x)
    return jnp.sum(y * (-log_p + 2 * (1 - jnp.exp(log_p))), -1)


def _margins(x, y):
    hot = jnp.arange(C) == y[:, None]
    return jnp.sum(jnp.where(hot, 0, jnp.maximum(1 - _at(x, y)[:, None] + x, 0)), -1) / C


def _js(p, q):
    m = jnp.log((jnp.exp(p) + jnp.exp(q)) / 2)
    return jnp.sum(jnp.exp(p) * (p - m) + jnp.exp(q) * (q - m), -1) / 2


def _sparsemax(x):
    z = -jnp.sort(-x, -1)
    total = jnp.cumsum(z, -1)
    k = jnp.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    count = jnp.sum(1 + k * z > total, -1, keepdims=True)
    tau = (jnp.take_along_axis(total, count - 1, -1) - 1) / count.astype(x.dtype)
    return jnp.maximum(x - tau, 0)


def _logits(x, w, y):
    return _cost(x @ w, y)


CASES = [
    Case("softmax_cross_entropy", F.softmax_cross_entropy, lambda x, y: -jnp.sum(y * _log_p(x), -1), DENSE),
    Case("cross entropy, integer labels", F.softmax_cross_entropy_with_integer_labels, _cost, NUMBERED),
    Case(
        "cross entropy, smoothed labels",
        lambda x, y: F.softmax_cross_entropy_with_integer_labels(x, y, label_smoothing=0.1),
        _smoothed,
        NUMBERED,
    ),
    Case("nll_loss", F.nll_loss, lambda x, y: -_at(x, y), NUMBERED),
    Case("softmax_focal_loss", F.softmax_focal_loss, _focal, NUMBERED),
    Case(
        "generalized_cross_entropy",
        F.generalized_cross_entropy,
        lambda x, y: (1 - _at(jax.nn.softmax(x), y) ** 0.7) / 0.7,
        NUMBERED,
    ),
    Case("poly_loss", F.poly_loss, _poly, DENSE),
    Case("multi_margin_loss", F.multi_margin_loss, _margins, NUMBERED),
    Case(
        "categorical_hinge_loss",
        F.categorical_hinge_loss,
        lambda x, y: jnp.maximum(1 + jnp.max((1 - y) * x, -1) - jnp.sum(y * x, -1), 0),
        DENSE,
    ),
    Case(
        "kl_divergence",
        F.kl_divergence,
        lambda q, t: jnp.sum(t * (jnp.log(t) - q), -1),
        (normal(C), probabilities(C)),
    ),
    Case("js_divergence", F.js_divergence, _js, (normal(C), normal(C))),
    Case(
        "wasserstein_loss",
        F.wasserstein_loss,
        lambda p, t: jnp.sum(jnp.abs(jnp.cumsum((p - t)[:, :-1], -1)), -1),
        (probabilities(100), probabilities(100)),
    ),
    Case("sparsemax", F.sparsemax, _sparsemax, (normal(100),)),
    Case(
        "linear_cross_entropy",
        F.linear_cross_entropy,
        _logits,
        (normal(256), weights(256, 20_000), labels(20_000)),
        {"cached": 128, "large": 512},
    ),
]
