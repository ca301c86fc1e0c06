"""Smooth activations: `jax.nn`'s arithmetic where it is right everywhere, and ours where it is not.

What is repaired, all measured on jax 0.10: `silu`, `gelu`, `mish` and `soft_sign` are NaN at -inf or inf, and so are
their derivatives; that of `gelu` is from 1e13 on (from 40 in float16), since `inf * 0` stands in each. `squareplus` is
inf at -1e20, and the derivative of `sparse_plus` NaN at inf. All take floating point alone, and options by keyword.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._activation_curves import (
    algebraic_rectifier,
    exponential_unit,
    in_wide,
    log_of_complement,
    normal_gate,
)
from jaxml.functional._activation_parts import check_real, check_slopes, clamp, gated, per_channel
from jaxml.functional._checks import check_above, check_flags, check_float
from jaxml.functional._dtypes import wide


def identity(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` itself, of any shape: the activation of a layer that has none.

    >>> identity(jnp.array([-1.0, 2.0])).tolist()
    [-1.0, 2.0]
    """
    check_float("identity", x=x)
    return x


def sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Logistic function, `1 / (1 + exp(-x))`, of any shape.

    >>> sigmoid(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [0.0, 0.5, 1.0]
    """
    check_float("sigmoid", x=x)
    return jax.nn.sigmoid(x)


def log_sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Logarithm of the logistic function, `-log(1 + exp(-x))`, of any shape; it underflows nowhere.

    >>> log_sigmoid(jnp.array([-1000.0, jnp.inf])).tolist()
    [-1000.0, -0.0]
    """
    check_float("log_sigmoid", x=x)
    return jax.nn.log_sigmoid(x)


def softplus(x: Float[Array, "..."], *, beta: float = 1.0) -> Float[Array, "..."]:
    """Smooth rectifier, `log(1 + exp(beta x)) / beta`, of any shape; the larger `beta`, the nearer to `relu`.

    PyTorch's returns `x` where `beta x` is above a threshold of 20, which is 2e-9 off; here it is exact throughout.

    Raises:
        ValueError: `beta` is not positive.

    >>> softplus(jnp.array([-jnp.inf, 100.0]), beta=2.0).tolist()
    [0.0, 100.0]
    """
    check_float("softplus", x=x)
    check_above("softplus", "beta", beta, 0)
    if beta == 1:
        return jax.nn.softplus(x)
    inner = clamp(x, -800.0 / beta, 800.0 / beta)
    return jnp.where(x >= 800.0 / beta, x, jax.nn.softplus(wide(inner) * beta).astype(x.dtype) / beta)


def tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Hyperbolic tangent, of any shape.

    >>> tanh(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [-1.0, 0.0, 1.0]
    """
    check_float("tanh", x=x)
    return jnp.tanh(x)


def softsign(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x / (1 + |x|)`, of any shape: -1 at -inf, 1 at inf, with derivative 0 at both.

    >>> softsign(jnp.array([-jnp.inf, 1.0, jnp.inf])).tolist()
    [-1.0, 0.5, 1.0]
    """
    check_float("softsign", x=x)
    end = float(jnp.finfo(x.dtype).max) / 2
    inner = wide(clamp(x, -end, end))
    return (inner / (1 + jnp.where(inner < 0, -inner, inner))).astype(x.dtype)


def silu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Sigmoid-weighted linear unit, `x * sigmoid(x)`, of any shape; also called swish.

    Its limits hold: -0 at -inf with derivative 0, inf at inf with derivative 1. arXiv:1702.03118.

    >>> silu(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [-0.0, 0.0, inf]
    """
    check_float("silu", x=x)
    return gated(x, jax.nn.sigmoid, 800.0)


def gelu(x: Float[Array, "..."], *, approximate: bool = True) -> Float[Array, "..."]:
    """Gaussian error linear unit, `x Φ(x)` with the normal distribution function `Φ`, of any shape.

    `approximate=True` (Flax's and `jax.nn`'s default; PyTorch's and Keras's is False) takes
    `Φ(x) ~ sigmoid(2 √(2/π) (x + 0.044715 x³))`, which is the usual tanh form without its loss of precision below -3.
    arXiv:1606.08415.

    >>> gelu(jnp.array([-jnp.inf, 0.0, jnp.inf]), approximate=False).tolist()
    [-0.0, 0.0, inf]
    """
    check_float("gelu", x=x)
    check_flags("gelu", approximate=approximate)
    if approximate:
        return gated(x, _normal_gate, 30.0)
    return in_wide(normal_gate, x)


def _normal_gate(x: Array) -> Array:
    return jax.nn.sigmoid(x * (1.5957691216057308 + 0.0713548162726009 * jnp.square(x)))


def _mish_gate(x: Array) -> Array:
    # tanh(softplus(x)) = (1 - q²) / (1 + q²) with q = sigmoid(-x), written so that neither tail cancels.
    p = jax.nn.sigmoid(x)
    return p * (2.0 - p) / (1.0 + jnp.square(1.0 - p))


def mish(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Smooth non-monotonic activation, `x * tanh(softplus(x))`, of any shape.

    arXiv:1908.08681.

    >>> mish(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [-0.0, 0.0, inf]
    """
    check_float("mish", x=x)
    return gated(x, _mish_gate, 800.0)


def elu(x: Float[Array, "..."], *, alpha: float = 1.0) -> Float[Array, "..."]:
    """Exponential linear unit, `x` above 0, else `alpha (exp(x) - 1)`, of any shape.

    Its derivative at 0 is `alpha`. arXiv:1511.07289.

    >>> elu(jnp.array([-jnp.inf, 0.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 0.0, 2.0]
    """
    check_float("elu", x=x)
    check_real("elu", "alpha", alpha)
    return in_wide(exponential_unit, x, alpha, 1.0)


def celu(x: Float[Array, "..."], *, alpha: float = 1.0) -> Float[Array, "..."]:
    """Continuously differentiable elu, `max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)`, of any shape.

    arXiv:1704.07483.

    Raises:
        ValueError: `alpha` is not positive.

    >>> celu(jnp.array([-jnp.inf, 0.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 0.0, 2.0]
    """
    check_float("celu", x=x)
    check_above("celu", "alpha", alpha, 0)
    return in_wide(exponential_unit, x, alpha, alpha)


def selu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Self-normalising elu, `λ x` above 0, else `λ α (exp(x) - 1)`, of any shape; λ = 1.0507, α = 1.6733.

    Its derivative at 0 is the left one, `λ α` = 1.7581. arXiv:1706.02515.

    >>> selu(jnp.array([0.0, 1.0, 2.0])).tolist()
    [0.0, 1.0507010221481323, 2.1014020442962646]
    """
    check_float("selu", x=x)
    return (1.0507009873554805 * exponential_unit(wide(x), 1.6732632423543772, 1.0)).astype(x.dtype)


def snake(x: Float[Array, "..."], alpha: Float[Array, "..."]) -> Float[Array, "..."]:
    """Activation with a period, `x + sin²(alpha x) / alpha`; `alpha` is one number `()` or one a channel, `(C,)`.

    Where `alpha` is 0 it is `x`, its limit, and no gradient flows to `alpha`; so it is where `alpha x` is infinite.
    arXiv:2006.08195.

    Raises:
        TypeError: arrays that are not floating point, or mixed dtypes.
        ValueError: `alpha` has neither of the shapes.

    >>> snake(jnp.array([-jnp.inf, 0.0, 2.0]), jnp.array(0.0)).tolist()
    [-inf, 0.0, 2.0]
    """
    check_float("snake", x=x, alpha=alpha)
    check_slopes("snake", x, alpha)
    frequency = per_channel(wide(alpha), x)
    usable = frequency != 0
    frequency = jnp.where(usable, frequency, 1)
    phase = wide(x) * frequency
    usable = usable & (jnp.abs(phase) < jnp.inf)
    # The double `where` keeps the derivative of the sine at an infinity, NaN, out of the backward pass.
    phase = jnp.where(usable, phase, 0)
    wave = jnp.where(usable, jnp.square(jnp.sin(phase)) / frequency, 0)
    return (wide(x) + wave).astype(x.dtype)


def squareplus(x: Float[Array, "..."], *, beta: float = 4.0) -> Float[Array, "..."]:
    """Algebraic rectifier, `(x + √(x² + beta)) / 2`, of any shape; exact in both tails. arXiv:2112.11687.

    Raises:
        ValueError: `beta` is not positive.

    >>> squareplus(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [0.0, 1.0, inf]
    """
    check_float("squareplus", x=x)
    check_above("squareplus", "beta", beta, 0)
    return in_wide(algebraic_rectifier, x, beta)


def sparse_plus(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` above 1, 0 below -1, `(x + 1)² / 4` between, of any shape: its derivative is `sparse_sigmoid`.

    >>> sparse_plus(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.25, 2.0]
    """
    check_float("sparse_plus", x=x)
    return jnp.where(x >= 1, x, jnp.square(clamp(x, -1.0, 1.0) + 1) / 4)


def log1mexp(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`log(1 - exp(-x))` for positive `x`, of any shape, without cancellation at either end; -inf at 0, NaN below.

    >>> log1mexp(jnp.array([0.0, jnp.inf])).tolist()
    [-inf, -0.0]
    """
    check_float("log1mexp", x=x)
    return in_wide(log_of_complement, x)
