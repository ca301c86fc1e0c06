"""AdaGrad: a step for every parameter, divided by the root of all its squared gradients."""

import jax.numpy as jnp
import optax
from jax import Array, lax

from jaxml.optim._checks import (
    DecayMask,
    LearningRate,
    Number,
    check_eps,
    check_learning_rate,
    check_not_negative,
    check_only_for,
    check_style,
    is_zero,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array
from jaxml.optim._weight_decay import with_decay

# style: (what the sum starts from, eps)
DEFAULTS = {"torch": (0.0, 1e-10), "keras": (0.1, 1e-7), "optax": (0.1, 1e-7)}


def adagrad(
    learning_rate: LearningRate,
    *,
    initial_accumulator: Number | None = None,
    eps: Number | None = None,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """AdaGrad: parameters that rarely have a gradient take larger steps when they do.

    With gradient g, learning rate eta, weight decay lambda and s = `initial_accumulator` at the start:

        weight decay     torch: g <- g + lambda w first            keras: w <- (1 - eta lambda) w first
        all styles       s <- s + g^2
        torch            w <- w - eta g / (sqrt(s) + eps)          s starts from 0,    eps = 1e-10
        keras, optax     w <- w - eta g / sqrt(s + eps)            s starts from 0.1,  eps = 1e-7

    `None` takes the style's own value. PyTorch's `lr_decay` is a schedule here: `lambda t: eta / (1 + t * lr_decay)`.

    Errors: `ValueError` for a rate, weight decay or accumulator that is negative or not finite, an eps that is not
    positive, an unknown style, or weight decay with Optax, which has none here.
    Paper: Duchi, Hazan, Singer, Adaptive subgradient methods for online learning, JMLR 12, 2011.

    >>> import optax
    >>> tx, w = adagrad(0.5), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> optax.apply_updates(w, updates).tolist()
    [0.5, -1.5]
    """
    check_style("adagrad", style)
    check_learning_rate("adagrad", learning_rate)
    start, default_eps = DEFAULTS[style]
    start = start if initial_accumulator is None else initial_accumulator
    eps = default_eps if eps is None else eps
    check_eps("adagrad", eps)
    check_not_negative("adagrad", initial_accumulator=start, weight_decay=weight_decay)
    check_only_for("adagrad", "weight_decay", not is_zero(weight_decay), style, ("torch", "keras"))

    def rule(t: Array | None, g: Array, s: Array) -> tuple[Array, tuple[Array]]:
        s = s + g**2
        return (g / (jnp.sqrt(s) + eps) if style == "torch" else g * lax.rsqrt(s + eps)), (s,)

    step = optax.chain(per_array("adagrad", rule, {"s": start}, counts=False), scale_by_learning_rate(learning_rate))
    return with_decay("adagrad", step, learning_rate, weight_decay, decay_mask, apart=style == "keras")
