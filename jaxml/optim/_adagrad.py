"""AdaGrad: a step for every parameter, divided by the root of all its squared gradients."""

from numbers import Real

import jax.numpy as jnp
import optax
from jax import Array, lax

from jaxml.optim._checks import LearningRate, Number, check_eps, check_learning_rate, check_number, check_style
from jaxml.optim._rule import elementwise

# style: (what the sum starts from, eps)
DEFAULTS = {"torch": (0.0, 1e-10), "keras": (0.1, 1e-7), "optax": (0.1, 1e-7)}


def adagrad(
    learning_rate: LearningRate,
    *,
    initial_accumulator: Number | None = None,
    eps: Number | None = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """AdaGrad: parameters that rarely have a gradient take larger steps when they do.

    With gradient g, learning rate eta and s = `initial_accumulator` at the start:

        all styles       s <- s + g^2
        torch            w <- w - eta g / (sqrt(s) + eps)          s starts from 0,    eps = 1e-10
        keras, optax     w <- w - eta g / sqrt(s + eps)            s starts from 0.1,  eps = 1e-7

    `None` takes the style's own value. PyTorch's `lr_decay` is a schedule here: `lambda t: eta / (1 + t * lr_decay)`.

    Errors: `ValueError` for a rate that is negative or not finite, a negative accumulator, an eps that is not
    positive, or an unknown style.
    Paper: Duchi, Hazan, Singer, Adaptive subgradient methods for online learning, JMLR 12, 2011.

    >>> import optax
    >>> tx, w = adagrad(0.5), jnp.array([1.0, -2.0])
    >>> updates, state = tx.update(2 * w, tx.init(w))
    >>> optax.apply_updates(w, updates).tolist()
    [0.5, -1.5]
    """
    check_style("adagrad", style)
    check_learning_rate("adagrad", learning_rate)
    start, default_eps = DEFAULTS[style]
    start = start if initial_accumulator is None else initial_accumulator
    eps = default_eps if eps is None else eps
    check_eps("adagrad", eps)
    check_number("adagrad", "initial_accumulator", start)
    if isinstance(start, Real) and not start >= 0:
        raise ValueError(f"adagrad: initial_accumulator must not be negative, got {start}")

    def rule(t: Array, g: Array, s: Array) -> tuple[Array, tuple[Array]]:
        s = s + g**2
        return (g / (jnp.sqrt(s) + eps) if style == "torch" else g * lax.rsqrt(s + eps)), (s,)

    return optax.chain(elementwise("adagrad", rule, s=start), optax.scale_by_learning_rate(learning_rate))
