"""Adam: momentum over the running root mean square, both corrected for their start from zero."""

import math
from numbers import Real

import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._checks import LearningRate, Number, check_decay, check_eps, check_learning_rate, check_style
from jaxml.optim._rule import elementwise

EPS = {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8}


def adam(
    learning_rate: LearningRate,
    *,
    b1: Number = 0.9,
    b2: Number = 0.999,
    eps: Number | None = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Adam: steps of about `learning_rate` in every parameter, smaller where the gradient's sign keeps changing.

    With gradient g at update t = 1, 2, ..., learning rate eta and m = v = 0 at the start:

        all styles       m <- b1 m + (1 - b1) g                v <- b2 v + (1 - b2) g^2
                         c1 = 1 - b1^t                         c2 = 1 - b2^t
        torch, optax     w <- w - eta (m / c1) / (sqrt(v / c2) + eps)              eps = 1e-8
        keras            w <- w - eta (m / c1) sqrt(c2) / (sqrt(v) + eps)          eps = 1e-7

    Keras's is the paper's "epsilon hat": an eps outside the correction, which in the first steps acts as one up to
    1 / sqrt(1 - b2) = 32 times larger. `None` takes the style's own eps. Optax itself subtracts
    b2^t from 1 in float32 and loses 3e-5 of c2 at t = 1, so that its first steps differ from all of these by 1e-5.

    Errors: `ValueError` for a rate that is negative or not finite, b1 or b2 outside [0, 1), an eps that is not
    positive, or an unknown style.
    Paper: Kingma and Ba, Adam: a method for stochastic optimization, arXiv:1412.6980.

    >>> import optax
    >>> tx, w = adam(0.1), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> [round(x, 4) for x in optax.apply_updates(w, updates).tolist()]
    [0.9, -1.9]
    """
    check_style("adam", style)
    check_learning_rate("adam", learning_rate)
    eps = EPS[style] if eps is None else eps
    check_decay("adam", b1=b1, b2=b2)
    check_eps("adam", eps)

    def rule(t: Array, g: Array, m: Array, v: Array) -> tuple[Array, tuple[Array, Array]]:
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        c1, c2 = _correction(b1, t, g), _correction(b2, t, g)
        if style == "keras":
            return m / c1 * jnp.sqrt(c2) / (jnp.sqrt(v) + eps), (m, v)
        return m / c1 / (jnp.sqrt(v / c2) + eps), (m, v)

    return optax.chain(elementwise("adam", rule, m=0.0, v=0.0), optax.scale_by_learning_rate(learning_rate))


def _correction(b: Number, t: Array, like: Array) -> Array:
    """1 - b^t, written -expm1(t log b) so that nothing cancels."""
    # In Python's double precision where b is a number: the logarithm of 0.999 rounded to float32 is 1e-5 off.
    log_b = math.log(max(b, 1e-300)) if isinstance(b, Real) else jnp.log(b).astype(like.dtype)
    return -jnp.expm1(t.astype(like.dtype) * log_b)
