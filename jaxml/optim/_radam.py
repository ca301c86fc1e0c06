"""RAdam: Adam that trusts its root mean square only as far as it has seen gradients."""

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._adam import correction, log
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

STYLES = ("torch", "optax")


def radam(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number = 1e-8,
    weight_decay: Number = 0.0,
    decoupled_weight_decay: bool = False,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Rectified Adam: momentum alone in the first steps, then Adam at a rate that grows with what v has averaged.

    With gradient g at update t = 1, 2, ..., learning rate eta, weight decay lambda and m = v = 0 at the start:

        both styles      m <- b1 m + (1 - b1) g                v <- b2 v + (1 - b2) g^2
                         c1 = 1 - b1^t                         c2 = 1 - b2^t
                         rho = 2 / (1 - b2) - 1                rho_t = rho - 2 t b2^t / c2
                         r^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t)
        rho_t <= 5       w <- w - eta m / c1
        torch            w <- w - eta r (m / c1) sqrt(c2) / (sqrt(v) + eps)
                         g <- g + lambda w first; decoupled: w <- (1 - eta lambda) w first
        optax            w <- w - eta r (m / c1) / (sqrt(v / c2) + eps)

    Keras has no RAdam. In float32 the difference in rho_t keeps three digits only as it is written above (and in
    Optax); here it is computed without cancelling.

    Errors: `ValueError` for a rate or weight decay that is negative or not finite, b1 or b2 outside [0, 1), an eps that
    is not positive, a style other than these two, or weight decay with Optax, which has none here.
    Paper: Liu et al., On the variance of the adaptive learning rate and beyond, arXiv:1908.03265.

    >>> import optax
    >>> tx, w = radam(0.25), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in updates.tolist()]
    [-0.5, 1.0]
    """
    check_style("radam", style, STYLES)
    check_learning_rate("radam", learning_rate)
    check_decay("radam", b1=b1, b2=b2)
    check_eps("radam", eps)
    check_not_negative("radam", weight_decay=weight_decay)
    check_only_for("radam", "weight_decay", not is_zero(weight_decay), style, ("torch",))
    check_only_for("radam", "decoupled_weight_decay", decoupled_weight_decay, style, ("torch",))

    def rule(t: Array, g: Array, m: Array, v: Array) -> tuple[Array, tuple[Array, Array]]:
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        c1, c2 = correction(b1, t, g), correction(b2, t, g)
        long, r = _rectifier(b2, t, g)
        root = (jnp.sqrt(v) + eps) / jnp.sqrt(c2) if style == "torch" else jnp.sqrt(v / c2) + eps
        return m / c1 * jnp.where(long, r / root, 1), (m, v)

    step = optax.chain(per_array("radam", rule, {"m": 0.0, "v": 0.0}), scale_by_learning_rate(learning_rate))
    return with_decay("radam", step, learning_rate, weight_decay, decay_mask, apart=decoupled_weight_decay)


def _rectifier(b2: Number, t: Array, like: Array) -> tuple[Array, Array]:
    """Whether rho_t > 5, and r there.

    With x = -log b2 and h(y) = 1 - y / (exp(y) - 1), rho_t = 1 + 2 / x (h(t x) - h(x)): a small difference of large
    numbers, 1999 - 1993 at t = 6 and b2 = 0.999, becomes one of small numbers.
    """
    x = jnp.asarray(-log(b2, like)).astype(like.dtype)
    rho_t = 1 + 2 / x * (_h(t.astype(like.dtype) * x) - _h(x))
    rho = jnp.asarray((1 + b2) / (1 - b2)).astype(like.dtype)
    long = rho_t > 5
    rho_t, rho = jnp.where(long, rho_t, 6), jnp.maximum(rho, 5)
    return long, jnp.sqrt((rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t))


def _h(y: Array) -> Array:
    """1 - y / (exp(y) - 1) for y > 0; of small y by its series, the coefficients Bernoulli's numbers over n!."""
    near, far = jnp.minimum(y, 0.5), jnp.maximum(y, 0.5)
    s = near**2
    series = near / 2 - s * (1 / 12 - s * (1 / 720 - s * (1 / 30240 - s * (1 / 1209600 - s / 47900160))))
    return jnp.where(y < 0.5, series, 1 - far / jnp.expm1(far))
