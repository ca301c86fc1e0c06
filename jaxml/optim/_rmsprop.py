"""RMSprop: AdaGrad that forgets."""

import jax.numpy as jnp
import optax
from jax import Array, lax

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
from jaxml.optim._sgd import descent
from jaxml.optim._weight_decay import with_decay

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
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """RMSprop: each parameter's step is divided by the running root mean square of its gradient.

    With gradient g, learning rate eta, decay rho (PyTorch's alpha), momentum mu, weight decay lambda and v = m = b = 0
    at the start:

        weight decay     torch: g <- g + lambda w first            keras: w <- (1 - eta lambda) w first
        all styles       v <- rho v + (1 - rho) g^2
        centered         m <- rho m + (1 - rho) g, and v - m^2 in place of v below
        torch            u = g / (sqrt(v) + eps)       b <- mu b + u           w <- w - eta b    rho = 0.99, eps = 1e-8
        keras            u = g / sqrt(v + eps)         b <- mu b + eta u       w <- w - b        rho = 0.9,  eps = 1e-7
        optax            u = g / sqrt(v + eps)         b <- mu b + eta u       w <- w - b        rho = 0.9,  eps = 1e-8

    `None` takes the style's own value. Where the gradient is near zero the place of eps decides the step: inside the
    root it bounds 1 / sqrt(v) at 1e4, outside at 1e8. `nesterov` (w <- w - eta u - mu b) is Optax's alone. When
    centered, rounding can make v - m^2 slightly negative where the gradient is constant. PyTorch, Keras and Optax
    take the root of it all the same (a NaN); here it counts as zero.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, a decay or momentum outside [0, 1),
    an eps that is not positive, an unknown style, or an option that style lacks (Optax has no weight decay here).
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
    check_not_negative("rmsprop", weight_decay=weight_decay)
    check_only_for("rmsprop", "weight_decay", not is_zero(weight_decay), style, ("torch", "keras"))
    check_only_for("rmsprop", "nesterov", nesterov, style, ("optax",))

    def divide(g: Array, v: Array) -> Array:
        return g / (jnp.sqrt(v) + eps) if style == "torch" else g * lax.rsqrt(v + eps)

    def plain(t: Array | None, g: Array, v: Array) -> tuple[Array, tuple[Array]]:
        v = rho * v + (1 - rho) * g**2
        return divide(g, v), (v,)

    def around_mean(t: Array | None, g: Array, v: Array, m: Array) -> tuple[Array, tuple[Array, Array]]:
        v = rho * v + (1 - rho) * g**2
        m = rho * m + (1 - rho) * g
        return divide(g, jnp.maximum(v - m**2, 0)), (v, m)

    slots = {"v": 0.0, "m": 0.0} if centered else {"v": 0.0}
    scaled = per_array("rmsprop", around_mean if centered else plain, slots, counts=False)
    rate = scale_by_learning_rate(learning_rate)
    # Keras's and Optax's velocity contains the rate, PyTorch's does not: as in the two forms of `sgd`.
    rolling = descent("rmsprop", rate, momentum, nesterov=nesterov, rate_inside=style != "torch")
    step = optax.chain(scaled, rolling)
    return with_decay("rmsprop", step, learning_rate, weight_decay, decay_mask, apart=style == "keras")
