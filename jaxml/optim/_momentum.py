"""Gradient descent with momentum."""

from numbers import Real

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._checks import LearningRate, Number, check_decay, check_learning_rate, check_only_for, check_style
from jaxml.optim._rule import elementwise


def momentum(
    learning_rate: LearningRate,
    *,
    momentum: Number = 0.9,
    dampening: Number = 0.0,
    nesterov: bool = False,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Gradient descent that rolls on: past gradients carry each step further. `momentum=0` is plain descent.

    With gradient g, learning rate eta, momentum mu, dampening tau (PyTorch's alone) and v = 0 at the start:

        torch, optax   v <- mu v + (1 - tau) g         w <- w - eta v              nesterov: w - eta (g + mu v)
        keras          v <- mu v - eta g               w <- w + v                  nesterov: w + mu v - eta g

    PyTorch leaves the very first gradient undampened (v = g), and refuses dampening together with Nesterov. Keras's
    form keeps the rate inside v: the same at a constant rate, while under a schedule a smaller eta slows only what
    comes after it. `learning_rate` is a number or a schedule of the update's number, which is 0 at the first.

    Errors: `ValueError` for a rate that is negative or not finite, a momentum or dampening outside [0, 1), an unknown
    style, or an option that style lacks.
    Papers: Polyak, Some methods of speeding up the convergence of iteration methods, 1964; Nesterov's form as in
    Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.

    >>> import optax
    >>> tx, w = momentum(0.1), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.8, -1.6]
    """
    check_style("momentum", style)
    check_learning_rate("momentum", learning_rate)
    check_decay("momentum", momentum=momentum, dampening=dampening)
    dampened = not (isinstance(dampening, Real) and dampening == 0)
    check_only_for("momentum", "dampening", dampened, style, ("torch",))
    if dampened and nesterov:
        raise ValueError(f"momentum: nesterov needs dampening=0, got {dampening}")

    def rule(t: Array, g: Array, v: Array) -> tuple[Array, tuple[Array]]:
        fresh = jnp.where(t == 1, 1.0, 1.0 - dampening).astype(g.dtype) * g if dampened else g
        v = momentum * v + fresh
        return (g + momentum * v if nesterov else v), (v,)

    velocity = elementwise("momentum", rule, v=0.0)
    descend = optax.scale_by_learning_rate(learning_rate)
    return optax.chain(descend, velocity) if style == "keras" else optax.chain(velocity, descend)
