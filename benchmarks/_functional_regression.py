"""Losses of elements beside their formulas: errors, likelihoods, margins, binary labels, overlaps."""

import jax
import jax.numpy as jnp

import jaxml.functional as F
from benchmarks._functional_case import Case, Draw, normal, signs, uniform

PAIR = (normal(256), normal(256))
POSITIVE = (uniform(256), uniform(256))
SIGNED = (normal(256), signs(256))
LABELLED = (normal(256), uniform(256))


def _mean(f):
    return lambda *inputs: jnp.mean(f(*inputs), -1)


def _huber(p, t):
    e = jnp.abs(p - t)
    return jnp.where(e <= 1, e**2 / 2, e - 0.5)


def _robust(p, t):
    z = jnp.square(p - t)
    return 4 / 2 * (1 - 1 / (z / 4 + 1))


def _cross_entropy(x, z):
    return jnp.maximum(x, 0) - x * z + jnp.log1p(jnp.exp(-jnp.abs(x)))


def _focal(x, z):
    p = jax.nn.sigmoid(x)
    return (1 - (z * p + (1 - z) * (1 - p))) ** 2 * _cross_entropy(x, z)


def _tversky(alpha, beta, smooth):
    def loss(p, z):
        hit, false, missed = (jnp.sum(a, -1) for a in (p * z, p * (1 - z), (1 - p) * z))
        return 1 - (hit + smooth) / (hit + alpha * false + beta * missed + smooth)

    return loss


def _case(name: str, ours, formula, inputs: tuple[Draw, ...] = PAIR) -> Case:
    return Case(name, ours, _mean(formula), inputs)


CASES = [
    _case("mse_loss", F.mse_loss, lambda p, t: (p - t) ** 2),
    _case("l1_loss", F.l1_loss, lambda p, t: jnp.abs(p - t)),
    _case("smooth_l1_loss", F.smooth_l1_loss, _huber),
    _case("huber_loss", F.huber_loss, _huber),
    _case("log_cosh_loss", F.log_cosh_loss, lambda p, t: jnp.logaddexp(p - t, t - p) - jnp.log(2.0)),
    _case("charbonnier_loss", F.charbonnier_loss, lambda p, t: jnp.sqrt((p - t) ** 2 + 1e-6)),
    _case("general_robust_loss", lambda p, t: F.general_robust_loss(p, t, alpha=-2.0), _robust),
    _case(
        "quantile_loss",
        lambda p, t: F.quantile_loss(p, t, level=0.9),
        lambda p, t: jnp.maximum(0.9 * (t - p), -0.1 * (t - p)),
    ),
    _case(
        "expectile_loss",
        lambda p, t: F.expectile_loss(p, t, level=0.9),
        lambda p, t: jnp.where(p > t, 0.1, 0.9) * (p - t) ** 2,
    ),
    _case(
        "gaussian_nll_loss",
        F.gaussian_nll_loss,
        lambda p, t, v: (jnp.log(jnp.maximum(v, 1e-6)) + (t - p) ** 2 / jnp.maximum(v, 1e-6)) / 2,
        (normal(256), normal(256), uniform(256)),
    ),
    _case("poisson_nll_loss", F.poisson_nll_loss, lambda p, t: jnp.exp(p) - t * p),
    _case("msle_loss", F.msle_loss, lambda p, t: (jnp.log1p(p) - jnp.log1p(t)) ** 2, POSITIVE),
    _case("mape_loss", F.mape_loss, lambda p, t: 100 * jnp.abs((p - t) / jnp.maximum(jnp.abs(t), 1e-7))),
    _case("hinge_loss", F.hinge_loss, lambda p, t: jnp.maximum(1 - t * p, 0), SIGNED),
    _case("squared_hinge_loss", F.squared_hinge_loss, lambda p, t: jnp.maximum(1 - t * p, 0) ** 2, SIGNED),
    _case("soft_margin_loss", F.soft_margin_loss, lambda p, t: jnp.log1p(jnp.exp(-t * p)), SIGNED),
    _case(
        "margin_ranking_loss",
        F.margin_ranking_loss,
        lambda a, b, t: jnp.maximum(-t * (a - b), 0),
        (normal(256), normal(256), signs(256)),
    ),
    _case(
        "hinge_embedding_loss",
        F.hinge_embedding_loss,
        lambda d, t: jnp.where(t > 0, d, jnp.maximum(1 - d, 0)),
        (uniform(256), signs(256)),
    ),
    _case("binary_cross_entropy", F.binary_cross_entropy, _cross_entropy, LABELLED),
    _case(
        "binary_cross_entropy_from_probabilities",
        F.binary_cross_entropy_from_probabilities,
        lambda p, z: -(z * jnp.log(p) + (1 - z) * jnp.log(1 - p)),
        POSITIVE,
    ),
    _case("sigmoid_focal_loss", F.sigmoid_focal_loss, _focal, LABELLED),
    _case("multilabel_soft_margin_loss", F.multilabel_soft_margin_loss, _cross_entropy, LABELLED),
    Case("dice_loss", F.dice_loss, lambda p, z: 1 - (2 * (p * z).sum(-1) + 1) / (p.sum(-1) + z.sum(-1) + 1), POSITIVE),
    Case("tversky_loss", F.tversky_loss, _tversky(0.3, 0.7, 1.0), POSITIVE),
]
