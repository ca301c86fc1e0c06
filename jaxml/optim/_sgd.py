"""Gradient descent, plain, with momentum, and with Nesterov's."""

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
    check_only_for,
    check_style,
    is_zero,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array
from jaxml.optim._weight_decay import with_decay


def sgd(
    learning_rate: LearningRate,
    *,
    momentum: Number = 0.0,
    dampening: Number = 0.0,
    nesterov: bool = False,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Stochastic gradient descent: a step against the gradient, which `momentum` lets roll on.

    With gradient g, learning rate eta, momentum mu, dampening tau, weight decay lambda and v = 0 at the start:

        torch          g <- g + lambda w
                       v <- mu v + (1 - tau) g         w <- w - eta v              nesterov: w - eta (g + mu v)
        keras          w <- (1 - eta lambda) w
                       v <- mu v - eta g               w <- w + v                  nesterov: w + mu v - eta g
        optax          v <- mu v + g                   w <- w - eta v              nesterov: w - eta (g + mu v)

    PyTorch leaves the very first gradient undampened (v = g), and refuses dampening together with Nesterov. Keras's
    form keeps the rate inside v: the same at a constant rate, while under a schedule a smaller eta slows only what
    comes after it. `learning_rate` is a number or a schedule of the update's number, which is 0 at the first.
    Where momentum is 0 there is no v. `decay_mask` says what decays, such as `optim.decay_mask`.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, a momentum or dampening outside
    [0, 1), an unknown style, or an option that style lacks (Optax: dampening and weight decay; Keras: dampening).
    Papers: Polyak, Some methods of speeding up the convergence of iteration methods, 1964; Nesterov's form as in
    Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.

    >>> import optax
    >>> tx, w = sgd(0.25, weight_decay=0.5), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w), w)
    >>> optax.apply_updates(w, updates).tolist()
    [0.375, -0.75]
    """
    return _descend("sgd", learning_rate, momentum, dampening, nesterov, weight_decay, decay_mask, style)


def momentum(
    learning_rate: LearningRate,
    *,
    momentum: Number = 0.9,
    dampening: Number = 0.0,
    nesterov: bool = False,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Gradient descent that rolls on: `sgd` with momentum 0.9.

    The equations, the styles and the errors are those of `sgd`.

    >>> import optax
    >>> tx, w = momentum(0.1), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.8, -1.6]
    """
    return _descend("momentum", learning_rate, momentum, dampening, nesterov, weight_decay, decay_mask, style)


def nesterov(
    learning_rate: LearningRate,
    *,
    momentum: Number = 0.9,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Gradient descent with Nesterov's momentum: `sgd` with momentum 0.9 and `nesterov=True`.

    The equations, the styles and the errors are those of `sgd`.

    >>> import optax
    >>> tx, w = nesterov(0.1), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.62, -1.24]
    """
    return _descend("nesterov", learning_rate, momentum, 0.0, True, weight_decay, decay_mask, style)


def _descend(
    function: str,
    learning_rate: LearningRate,
    momentum: Number,
    dampening: Number,
    nesterov: bool,
    weight_decay: Number,
    decay_mask: DecayMask,
    style: str,
) -> optax.GradientTransformation:
    check_style(function, style)
    check_learning_rate(function, learning_rate)
    check_decay(function, momentum=momentum, dampening=dampening)
    check_not_negative(function, weight_decay=weight_decay)
    check_only_for(function, "dampening", not is_zero(dampening), style, ("torch",))
    check_only_for(function, "weight_decay", not is_zero(weight_decay), style, ("torch", "keras"))
    if nesterov and not is_zero(dampening):
        raise ValueError(f"{function}: nesterov needs dampening=0, got {dampening}")
    rate = scale_by_learning_rate(learning_rate)
    links = descent(function, rate, momentum, dampening, nesterov, rate_inside=style == "keras")
    return with_decay(function, links, learning_rate, weight_decay, decay_mask, apart=style == "keras")


def descent(
    function: str,
    rate: optax.GradientTransformation,
    momentum: Number,
    dampening: Number = 0.0,
    nesterov: bool = False,
    *,
    rate_inside: bool,
) -> optax.GradientTransformation:
    """The velocity and the learning rate, in the order that keeps the rate inside the velocity or outside."""
    if is_zero(momentum):
        return rate

    def rule(t: Array | None, g: Array, v: Array) -> tuple[Array, tuple[Array]]:
        fresh = g if is_zero(dampening) else jnp.where(t == 1, 1.0, 1.0 - dampening).astype(g.dtype) * g
        v = momentum * v + fresh
        return (g + momentum * v if nesterov else v), (v,)

    velocity = per_array(function, rule, {"v": 0.0}, counts=not is_zero(dampening))
    return optax.chain(rate, velocity) if rate_inside else optax.chain(velocity, rate)
