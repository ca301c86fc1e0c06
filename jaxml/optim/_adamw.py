"""AdamW: Adam with weight decay kept apart from the moments."""

import optax

from jaxml.optim._adam import EPS, scale_by_adam
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
from jaxml.optim._rule import preset
from jaxml.optim._weight_decay import add_decay, with_decay

WEIGHT_DECAY = {"torch": 1e-2, "keras": 4e-3, "optax": 1e-4}


def adamw(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number | None = None,
    amsgrad: bool = False,
    weight_decay: Number | None = None,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """AdamW: Adam in which every parameter also shrinks by the same share, however large its gradients are.

    With u the step of `adam` in the same style (w <- w - eta u there), learning rate eta and weight decay lambda:

        all styles     w <- (1 - eta lambda) w - eta u

        torch          eps = 1e-8         lambda = 1e-2
        keras          eps = 1e-7         lambda = 4e-3, and u as in Keras
        optax          eps = 1e-8         lambda = 1e-4

    `None` takes the style's own value. PyTorch and Keras shrink w first and then step, Optax adds up what to subtract:
    equal but for rounding. `decay_mask` says what decays, such as `optim.decay_mask`.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, b1 or b2 outside [0, 1), an eps that
    is not positive, an unknown style, or amsgrad with Optax; at the update, where no parameters are given.
    Paper: Loshchilov and Hutter, Decoupled weight decay regularization, arXiv:1711.05101.

    >>> import optax
    >>> tx, w = adamw(0.1, weight_decay=0.5), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w), w)
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.85, -1.8]
    """
    check_style("adamw", style)
    check_learning_rate("adamw", learning_rate)
    eps = EPS[style] if eps is None else eps
    weight_decay = WEIGHT_DECAY[style] if weight_decay is None else weight_decay
    check_decay("adamw", b1=b1, b2=b2)
    check_eps("adamw", eps)
    check_not_negative("adamw", weight_decay=weight_decay)
    check_only_for("adamw", "amsgrad", amsgrad, style, ("torch", "keras"))
    rule = scale_by_adam("adamw", b1, b2, eps, amsgrad=amsgrad, style=style)
    rate = scale_by_learning_rate(learning_rate)
    if style == "optax":
        return preset("adamw", rule, add_decay("adamw", weight_decay, decay_mask), rate)
    return with_decay("adamw", optax.chain(rule, rate), learning_rate, weight_decay, decay_mask, apart=True)
