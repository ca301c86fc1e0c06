"""Adadelta: RMSprop whose step has the parameters' own unit."""

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._checks import (
    DecayMask,
    LearningRate,
    Number,
    check_decay,
    check_eps,
    check_learning_rate,
    check_not_negative,
    check_style,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array
from jaxml.optim._weight_decay import with_decay

# style: (decay, eps)
DEFAULTS = {"torch": (0.9, 1e-6), "keras": (0.95, 1e-7), "optax": (0.9, 1e-6)}


def adadelta(
    learning_rate: LearningRate,
    *,
    decay: Number | None = None,
    eps: Number | None = None,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Adadelta: the gradient times the running root mean square of the steps over that of the gradients.

    With gradient g, learning rate eta (the paper and PyTorch: 1; Keras: 0.001), decay rho, weight decay lambda and
    v = d = 0 at the start:

        weight decay     torch, optax: g <- g + lambda w first        keras: w <- (1 - eta lambda) w first
        all styles       v <- rho v + (1 - rho) g^2
                         u = sqrt(d + eps) / sqrt(v + eps) g
                         d <- rho d + (1 - rho) u^2
                         w <- w - eta u
        torch, optax     rho = 0.9,  eps = 1e-6
        keras            rho = 0.95, eps = 1e-7

    `None` takes the style's own value.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, a decay outside [0, 1), an eps that
    is not positive, or an unknown style.
    Paper: Zeiler, Adadelta: an adaptive learning rate method, arXiv:1212.5701.

    >>> import optax
    >>> tx, w = adadelta(1.0, decay=0.75, eps=1.0), jnp.array([1.0, -1.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in updates.tolist()]
    [-1.4142, 1.4142]
    """
    check_style("adadelta", style)
    check_learning_rate("adadelta", learning_rate)
    default_decay, default_eps = DEFAULTS[style]
    rho = default_decay if decay is None else decay
    eps = default_eps if eps is None else eps
    check_decay("adadelta", decay=rho)
    check_eps("adadelta", eps)
    check_not_negative("adadelta", weight_decay=weight_decay)

    def rule(t: Array | None, g: Array, v: Array, d: Array) -> tuple[Array, tuple[Array, Array]]:
        v = rho * v + (1 - rho) * g**2
        u = jnp.sqrt(d + eps) / jnp.sqrt(v + eps) * g
        d = rho * d + (1 - rho) * u**2
        return u, (v, d)

    step = optax.chain(
        per_array("adadelta", rule, {"v": 0.0, "d": 0.0}, counts=False), scale_by_learning_rate(learning_rate)
    )
    return with_decay("adadelta", step, learning_rate, weight_decay, decay_mask, apart=style == "keras")
