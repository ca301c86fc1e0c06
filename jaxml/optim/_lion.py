"""Lion: the sign of a momentum."""

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._checks import (
    DecayMask,
    LearningRate,
    Number,
    check_decay,
    check_learning_rate,
    check_not_negative,
    check_style,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array, preset
from jaxml.optim._weight_decay import add_decay, with_decay

WEIGHT_DECAY = {"keras": 0.0, "optax": 1e-3}


def lion(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.99,
    weight_decay: Number | None = None,
    decay_mask: DecayMask = None,
    style: str = "optax",
) -> optax.GradientTransformation:
    """Lion: every parameter steps by exactly `learning_rate`, up or down, and half of Adam's state is saved.

    With gradient g, learning rate eta, weight decay lambda and m = 0 at the start:

        both styles    u = sign(b1 m + (1 - b1) g)
                       m <- b2 m + (1 - b2) g
                       w <- (1 - eta lambda) w - eta u

        keras          lambda = 0
        optax          lambda = 1e-3

    `None` takes the style's own value; PyTorch has no Lion. The paper's rates are 3 to 10 times smaller than Adam's,
    with a weight decay as much larger.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, b1 or b2 outside [0, 1), or a style
    other than these two; at the update, where weight decay is not zero and no parameters are given.
    Paper: Chen et al., Symbolic discovery of optimization algorithms, arXiv:2302.06675.

    >>> import optax
    >>> tx, w = lion(0.25, weight_decay=0.5), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w), w)
    >>> optax.apply_updates(w, updates).tolist()
    [0.625, -1.5]
    """
    check_style("lion", style, tuple(WEIGHT_DECAY))
    check_learning_rate("lion", learning_rate)
    weight_decay = WEIGHT_DECAY[style] if weight_decay is None else weight_decay
    check_decay("lion", b1=b1, b2=b2)
    check_not_negative("lion", weight_decay=weight_decay)

    def rule(t: Array | None, g: Array, m: Array) -> tuple[Array, tuple[Array]]:
        return jnp.sign(b1 * m + (1 - b1) * g), (b2 * m + (1 - b2) * g,)

    signs, rate = per_array("lion", rule, {"m": 0.0}, counts=False), scale_by_learning_rate(learning_rate)
    if style == "optax":
        return preset("lion", signs, add_decay("lion", weight_decay, decay_mask), rate)
    return with_decay("lion", optax.chain(signs, rate), learning_rate, weight_decay, decay_mask, apart=True)
