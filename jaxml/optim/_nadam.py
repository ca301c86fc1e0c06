"""NAdam: Adam with Nesterov's momentum."""

import math

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._adam import EPS, correction
from jaxml.optim._checks import (
    DecayMask,
    LearningRate,
    Number,
    check_decay,
    check_eps,
    check_learning_rate,
    check_not_negative,
    check_only_for,
    check_style,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array, preset
from jaxml.optim._weight_decay import add_decay, with_decay

MOMENTUM_DECAY = {"torch": 4e-3, "keras": 1.0, "optax": 0.0}


def nadam(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number | None = None,
    momentum_decay: Number | None = None,
    weight_decay: Number = 0.0,
    decoupled_weight_decay: bool = False,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """NAdam: Adam that looks ahead, stepping along the momentum as it will be after this gradient.

    With gradient g at update t = 1, 2, ..., learning rate eta, weight decay lambda, momentum decay psi and
    m = v = 0, p = 1 at the start:

        all styles       m <- b1 m + (1 - b1) g                v <- b2 v + (1 - b2) g^2
        torch, keras     mu(t) = b1 (1 - 0.96^(t psi) / 2)     p <- p mu(t)
                         n = mu(t + 1) m / (1 - p mu(t + 1)) + (1 - mu(t)) g / (1 - p)
        optax            n = b1 m / (1 - b1^(t + 1)) + (1 - b1) g / (1 - b1^t)
        all styles       w <- w - eta n / (sqrt(v / (1 - b2^t)) + eps)

        torch            eps = 1e-8, psi = 0.004      g <- g + lambda w first; decoupled: w <- (1 - eta lambda) w first
        keras            eps = 1e-7, psi = 1          w <- (1 - eta lambda) w first
        optax            eps = 1e-8                   w <- w - eta lambda w besides (Optax's `nadamw`)

    `None` takes the style's own value.

    Errors: `ValueError` for a rate, a weight decay or a momentum decay that is negative or not finite, b1 or b2 outside
    [0, 1), an eps that is not positive, an unknown style, or an option that style lacks (`momentum_decay` and
    `decoupled_weight_decay` are PyTorch's).
    Papers: Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016 workshop.

    >>> import optax
    >>> tx, w = nadam(0.1, style="optax"), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in updates.tolist()]
    [-0.1474, 0.1474]
    """
    check_style("nadam", style)
    check_learning_rate("nadam", learning_rate)
    check_only_for("nadam", "momentum_decay", momentum_decay is not None, style, ("torch",))
    check_only_for("nadam", "decoupled_weight_decay", decoupled_weight_decay, style, ("torch",))
    eps = EPS[style] if eps is None else eps
    psi = MOMENTUM_DECAY[style] if momentum_decay is None else momentum_decay
    check_decay("nadam", b1=b1, b2=b2)
    check_eps("nadam", eps)
    check_not_negative("nadam", momentum_decay=psi, weight_decay=weight_decay)

    def mu(t: Array) -> Array:
        return b1 * (1 - 0.5 * jnp.exp(t * psi * math.log(0.96)))

    def moments(g: Array, m: Array, v: Array) -> tuple[Array, Array]:
        return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2

    def divide(t: Array, n: Array, v: Array) -> Array:
        return n / (jnp.sqrt(v / correction(b2, t, v)) + eps)

    def scheduled(t: Array, g: Array, m: Array, v: Array, p: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        m, v = moments(g, m, v)
        now, ahead = mu(t.astype(p.dtype)), mu((t + 1).astype(p.dtype))
        p = p * now
        of_m, of_g = ahead / (1 - p * ahead), (1 - now) / (1 - p)
        return divide(t, of_m.astype(g.dtype) * m + of_g.astype(g.dtype) * g, v), (m, v, p)

    def constant(t: Array, g: Array, m: Array, v: Array) -> tuple[Array, tuple[Array, Array]]:
        m, v = moments(g, m, v)
        return divide(t, b1 * m / correction(b1, t + 1, g) + (1 - b1) * g / correction(b1, t, g), v), (m, v)

    rate = scale_by_learning_rate(learning_rate)
    if style == "optax":
        rule = per_array("nadam", constant, {"m": 0.0, "v": 0.0})
        return preset("nadam", rule, add_decay("nadam", weight_decay, decay_mask), rate)
    step = optax.chain(per_array("nadam", scheduled, {"m": 0.0, "v": 0.0, "p": 1.0}, shared=("p",)), rate)
    apart = decoupled_weight_decay or style == "keras"
    return with_decay("nadam", step, learning_rate, weight_decay, decay_mask, apart=apart)
