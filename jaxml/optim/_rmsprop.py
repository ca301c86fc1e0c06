"""RMSprop: AdaGrad that forgets."""

from numbers import Real

import jax.numpy as jnp
import optax
from jax import Array, lax

from jaxml.optim._checks import (
    LearningRate,
    Number,
    check_decay,
    check_eps,
    check_learning_rate,
    check_only_for,
    check_style,
)
from jaxml.optim._momentum import momentum as with_momentum
from jaxml.optim._rule import elementwise

# style: (decay, eps)
DEFAULTS = {"torch": (0.99, 1e-8), "keras": (0.9, 1e-7), "optax": (0.9, 1e-8)}


def rmsprop(
    learning_rate: LearningRate,
    *,
    decay: Number | None = None,
    eps: Number | None = None,
    momentum: Number = 0.0,
    centered: bool = False,
    nesterov: bool = False,
    style: str = "torch",
) -> optax.GradientTransformation:
    """RMSprop: each parameter's step is divided by the running root mean square of its gradient.

    With gradient g, learning rate eta, decay rho (PyTorch's alpha), momentum mu and v = m = b = 0 at the start:

        all styles       v <- rho v + (1 - rho) g^2
        centered         m <- rho m + (1 - rho) g, and v - m^2 in place of v below
        torch            u = g / (sqrt(v) + eps)       b <- mu b + u           w <- w - eta b    rho = 0.99, eps = 1e-8
        keras            u = g / sqrt(v + eps)         b <- mu b + eta u       w <- w - b        rho = 0.9,  eps = 1e-7
        optax            u = g / sqrt(v + eps)         b <- mu b + eta u       w <- w - b        rho = 0.9,  eps = 1e-8

    `None` takes the style's own value. Where the gradient is near zero the place of eps decides the step: inside the
    root it bounds 1 / sqrt(v) at 1e4, outside at 1e8. `nesterov` (w <- w - eta u - mu b) is Optax's alone. When
    centered, rounding can make v - m^2 slightly negative where the gradient is constant. PyTorch, Keras and Optax
    take the root of it all the same (a NaN); here it counts as zero.

    Errors: `ValueError` for a rate that is negative or not finite, a decay or momentum outside [0, 1), an eps that is
    not positive, an unknown style, or an option that style lacks.
    Papers: Hinton, Neural Networks for Machine Learning, lecture 6e, 2012; centered: Graves, arXiv:1308.0850.

    >>> import optax
    >>> tx, w = rmsprop(0.1, decay=0.75), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.8, -1.8]
    """
    check_style("rmsprop", style)
    check_learning_rate("rmsprop", learning_rate)
    default_decay, default_eps = DEFAULTS[style]
    rho = default_decay if decay is None else decay
    eps = default_eps if eps is None else eps
    check_decay("rmsprop", decay=rho, momentum=momentum)
    check_eps("rmsprop", eps)
    check_only_for("rmsprop", "nesterov", nesterov, style, ("optax",))

    def divide(g: Array, v: Array) -> Array:
        return g / (jnp.sqrt(v) + eps) if style == "torch" else g * lax.rsqrt(v + eps)

    def plain(t: Array, g: Array, v: Array) -> tuple[Array, tuple[Array]]:
        v = rho * v + (1 - rho) * g**2
        return divide(g, v), (v,)

    def around_mean(t: Array, g: Array, v: Array, m: Array) -> tuple[Array, tuple[Array, Array]]:
        v = rho * v + (1 - rho) * g**2
        m = rho * m + (1 - rho) * g
        return divide(g, jnp.maximum(v - m**2, 0)), (v, m)

    slots = {"v": 0.0, "m": 0.0} if centered else {"v": 0.0}
    scaled = elementwise("rmsprop", around_mean if centered else plain, **slots)
    if isinstance(momentum, Real) and momentum == 0:
        return optax.chain(scaled, optax.scale_by_learning_rate(learning_rate))
    # Keras's and Optax's velocity contains the rate, PyTorch's does not: as in the two forms of `momentum`.
    order = "torch" if style == "torch" else "keras"
    return optax.chain(scaled, with_momentum(learning_rate, momentum=momentum, nesterov=nesterov, style=order))
