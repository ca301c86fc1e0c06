"""LAMB: Adam with a step as long as each array's own norm, for very large batches."""

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._adam import scale_by_adam
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
from jaxml.optim._rule import per_array, preset
from jaxml.optim._weight_decay import add_decay, with_decay

EPS = {"keras": 1e-7, "optax": 1e-6}


def lamb(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number | None = None,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "optax",
) -> optax.GradientTransformation:
    """LAMB: Adam whose step in each array is `learning_rate` times the norm of that array's parameters.

    With a = (m / c1) / (sqrt(v / c2) + eps), the step of `adam` in PyTorch's style, learning rate eta and weight decay
    lambda:

        optax          u = a + lambda w                w <- w - eta |w| / |u| u         eps = 1e-6, the paper's form
        keras          w <- (1 - eta lambda) w
                       u = a                           w <- w - eta |w| / |u| u         eps = 1e-7

    |w| / |u| counts as 1 where one of the two is zero. `None` takes the style's own eps; PyTorch has no LAMB.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, b1 or b2 outside [0, 1), an eps that
    is not positive, or a style other than these two; at the update, where no parameters are given.
    Paper: You et al., Large batch optimization for deep learning: training BERT in 76 minutes, arXiv:1904.00962.

    >>> import optax
    >>> tx, w = lamb(0.1), jnp.array([3.0, -4.0])
    >>> updates, state = tx.update(2 * w, tx.init(w), w)
    >>> [round(x, 4) for x in updates.tolist()]
    [-0.3536, 0.3536]
    """
    check_style("lamb", style, tuple(EPS))
    check_learning_rate("lamb", learning_rate)
    eps = EPS[style] if eps is None else eps
    check_decay("lamb", b1=b1, b2=b2)
    check_eps("lamb", eps)
    check_not_negative("lamb", weight_decay=weight_decay)

    def trust(t: Array | None, u: Array, w: Array) -> tuple[Array, tuple[()]]:
        of_w, of_u = jnp.sum(w**2), jnp.sum(u**2)
        both = (of_w > 0) & (of_u > 0)
        # The squares are replaced before the root, so that derivatives through an update stay finite as well.
        return jnp.sqrt(jnp.where(both, of_w, 1)) / jnp.sqrt(jnp.where(both, of_u, 1)) * u, ()

    rule = scale_by_adam("lamb", b1, b2, eps)
    ratio = per_array("lamb", trust, {}, counts=False, reads_params=True)
    rate = scale_by_learning_rate(learning_rate)
    if style == "optax":
        return preset("lamb", rule, add_decay("lamb", weight_decay, decay_mask), ratio, rate)
    return with_decay("lamb", optax.chain(rule, ratio, rate), learning_rate, weight_decay, decay_mask, apart=True)
