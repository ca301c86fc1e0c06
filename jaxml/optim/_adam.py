"""Adam: momentum over the running root mean square, both corrected for their start from zero."""

import math
from numbers import Real
from typing import Any

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
    check_only_for,
    check_style,
    is_zero,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array
from jaxml.optim._weight_decay import with_decay

EPS = {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8}


def adam(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number | None = None,
    amsgrad: bool = False,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Adam: steps of about `learning_rate` in every parameter, smaller where the gradient's sign keeps changing.

    With gradient g at update t = 1, 2, ..., learning rate eta, weight decay lambda and m = v = s = 0 at the start:

        weight decay     torch: g <- g + lambda w first       keras: w <- (1 - eta lambda) w first
        all styles       m <- b1 m + (1 - b1) g                v <- b2 v + (1 - b2) g^2
                         c1 = 1 - b1^t                         c2 = 1 - b2^t
        torch, optax     w <- w - eta (m / c1) / (sqrt(v / c2) + eps)              eps = 1e-8
        keras            w <- w - eta (m / c1) sqrt(c2) / (sqrt(v) + eps)          eps = 1e-7
        amsgrad          s <- max(s, v), in place of v in the last line; optax: s <- max(s, v / c2) in place of v / c2

    Keras's is the paper's "epsilon hat": an eps outside the correction, which in the first steps acts as one up to
    1 / sqrt(1 - b2) = 32 times larger. `None` takes the style's own eps. Optax itself subtracts
    b2^t from 1 in float32 and loses 3e-5 of c2 at t = 1, so that its first steps differ from all of these by 1e-5.
    PyTorch's weight decay goes through the moments here: `adamw` is the one that keeps it apart.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, b1 or b2 outside [0, 1), an eps that
    is not positive, an unknown style, or weight decay with Optax, which has it in `adamw` alone.
    Papers: Kingma and Ba, Adam: a method for stochastic optimization, arXiv:1412.6980; amsgrad: Reddi, Kale, Kumar, On
    the convergence of Adam and beyond, arXiv:1904.09237.

    >>> import optax
    >>> tx, w = adam(0.1), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.9, -1.9]
    """
    return _adam("adam", learning_rate, b1, b2, eps, amsgrad, weight_decay, decay_mask, style)


def amsgrad(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number | None = None,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """AMSGrad: Adam divided by the largest root mean square so far, so that no step grows again.

    `adam` with `amsgrad=True`: the equations, the styles and the errors are given there.

    >>> import optax
    >>> tx, w = amsgrad(0.1), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.9, -1.9]
    """
    return _adam("amsgrad", learning_rate, b1, b2, eps, True, weight_decay, decay_mask, style)


def _adam(
    function: str,
    learning_rate: LearningRate,
    b1: Number,
    b2: Number,
    eps: Number | None,
    amsgrad: bool,
    weight_decay: Number,
    decay_mask: DecayMask,
    style: str,
) -> optax.GradientTransformation:
    check_style(function, style)
    check_learning_rate(function, learning_rate)
    eps = EPS[style] if eps is None else eps
    check_decay(function, b1=b1, b2=b2)
    check_eps(function, eps)
    check_not_negative(function, weight_decay=weight_decay)
    check_only_for(function, "weight_decay", not is_zero(weight_decay), style, ("torch", "keras"))
    step = optax.chain(
        scale_by_adam(function, b1, b2, eps, amsgrad=amsgrad, style=style), scale_by_learning_rate(learning_rate)
    )
    return with_decay(function, step, learning_rate, weight_decay, decay_mask, apart=style == "keras")


def scale_by_adam(
    function: str, b1: Number, b2: Number, eps: Number, *, amsgrad: bool = False, style: str = "torch"
) -> optax.GradientTransformation:
    """The rule of `adam` without the learning rate."""

    def rule(t: Array, g: Array, m: Array, v: Array, *largest: Array) -> tuple[Array, tuple[Any, ...]]:
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        c1, c2 = correction(b1, t, g), correction(b2, t, g)
        if style == "keras":
            s = jnp.maximum(largest[0], v) if amsgrad else v
            u = m / c1 * jnp.sqrt(c2) / (jnp.sqrt(s) + eps)
        elif style == "optax" and amsgrad:
            s = jnp.maximum(largest[0], v / c2)
            u = m / c1 / (jnp.sqrt(s) + eps)
        else:
            s = jnp.maximum(largest[0], v) if amsgrad else v
            u = m / c1 / (jnp.sqrt(s / c2) + eps)
        return u, (m, v, s) if amsgrad else (m, v)

    slots = {"m": 0.0, "v": 0.0} | ({"s": 0.0} if amsgrad else {})
    return per_array(function, rule, slots)


def correction(b: Number, t: Array, like: Array) -> Array:
    """1 - b^t, written -expm1(t log b) so that nothing cancels."""
    return -jnp.expm1(t.astype(like.dtype) * log(b, like))


def log(b: Number, like: Array) -> Any:
    """log b, of 0 a large negative number."""
    # In Python's double precision where b is a number: the logarithm of 0.999 rounded to float32 is 1e-5 off.
    return math.log(max(b, 1e-300)) if isinstance(b, Real) else jnp.log(b).astype(like.dtype)
