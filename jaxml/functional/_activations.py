"""Elementwise activations: `jax.nn`'s own where they are right everywhere, and the ones that are not.

What is repaired, all measured on jax 0.10: `silu`, `gelu`, `mish` and `hard_silu` are NaN at -inf, their derivatives
NaN at +inf, and that of `gelu` NaN from 1e13 on (from 40 in float16), since `inf * 0` stands in each. Options are
keyword-only here, and every kink has one documented derivative:

    function                kinks       derivative there (PyTorch's)
    relu                    0           0
    relu6                   0, 6        0
    hard_tanh               -1, 1       0
    hard_sigmoid            -3, 3       0
    hard_silu               -3, 3       0, 1
    leaky_relu              0           negative_slope
    elu (alpha != 1), selu  0           the left one: alpha, 1.758
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.nn import identity, log_sigmoid, relu, selu, sigmoid, softplus
from jaxtyping import Array, Float

from jaxml.functional._checks import check_equal, check_float

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]


def _clamp(x: Array, low: float, high: float) -> Array:
    # jnp.clip passes half of the gradient at either end; lax.clamp passes none.
    return jax.lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


def _gated(x: Array, gate: Callable[[Array], Array], bound: float) -> Array:
    """`x * gate(x)` for a gate that is 0 below `-bound` and 1 above `bound` in every dtype.

    Beyond the bounds the product is replaced by its limit before `inf * 0` can arise in it or in its derivatives.
    """
    inner = _clamp(x, -bound, bound)
    return jnp.where(x >= bound, x, inner * gate(inner))


def tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Hyperbolic tangent, of any shape.

    >>> tanh(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [-1.0, 0.0, 1.0]
    """
    check_float("tanh", x=x)
    return jnp.tanh(x)


def _mish_gate(x: Array) -> Array:
    # tanh(softplus(x)) = (1 - q²) / (1 + q²) with q = sigmoid(-x), written so that neither tail cancels.
    p = sigmoid(x)
    return p * (2.0 - p) / (1.0 + jnp.square(1.0 - p))


def relu6(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Rectified linear unit that saturates at 6, `min(max(x, 0), 6)`, of any shape.

    Its derivative at 0 and at 6 is 0. MobileNets, arXiv:1704.04861.

    >>> relu6(jnp.array([-1.0, 3.0, 8.0])).tolist()
    [0.0, 3.0, 6.0]
    """
    check_float("relu6", x=x)
    return _clamp(x, 0.0, 6.0)


def hard_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise linear tanh, `min(max(x, -1), 1)`, of any shape; its derivative at -1 and at 1 is 0.

    >>> hard_tanh(jnp.array([-2.0, 0.5, 8.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    check_float("hard_tanh", x=x)
    return _clamp(x, -1.0, 1.0)


def hard_sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise linear sigmoid, `relu6(x + 3) / 6`, of any shape; its derivative at -3 and at 3 is 0.

    PyTorch's and MobileNetV3's (arXiv:1905.02244); Keras 2 used `clip(0.2 x + 0.5, 0, 1)`.

    >>> hard_sigmoid(jnp.array([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    check_float("hard_sigmoid", x=x)
    # Clamped before it is shifted: x + 3 would round to the kink beside it.
    return _clamp(x, -3.0, 3.0) / 6.0 + 0.5


def hard_silu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise quadratic silu, `x * relu6(x + 3) / 6`, of any shape; its derivative is 0 at -3 and 1 at 3.

    Also called `hard_swish`. MobileNetV3, arXiv:1905.02244.

    >>> hard_silu(jnp.array([-4.0, 0.0, 4.0])).tolist()
    [-0.0, 0.0, 4.0]
    """
    check_float("hard_silu", x=x)
    return _gated(x, hard_sigmoid, 4.0)


def silu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Sigmoid-weighted linear unit, `x * sigmoid(x)`, of any shape; also called swish.

    Its limits hold: -0 at -inf with derivative 0, inf at inf with derivative 1. arXiv:1702.03118.

    >>> silu(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [-0.0, 0.0, inf]
    """
    check_float("silu", x=x)
    return _gated(x, sigmoid, 800.0)


def gelu(x: Float[Array, "..."], *, approximate: bool = True) -> Float[Array, "..."]:
    """Gaussian error linear unit, `x Φ(x)` with the normal distribution function `Φ`, of any shape.

    `approximate=True` (Flax's and `jax.nn`'s default; PyTorch's and Keras's is False) takes
    `Φ(x) ~ sigmoid(2 √(2/π) (x + 0.044715 x³))`, which is the usual tanh form without its loss of precision below -3.
    arXiv:1606.08415.

    >>> gelu(jnp.array([-jnp.inf, 0.0, jnp.inf]), approximate=False).tolist()
    [-0.0, 0.0, inf]
    """
    check_float("gelu", x=x)
    if approximate:
        return _gated(x, lambda v: sigmoid(1.5957691216057308 * (v + 0.044715 * v * v * v)), 30.0)
    return _gated(x, lambda v: 0.5 * jax.lax.erfc(-0.7071067811865476 * v), 50.0)


def mish(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Smooth non-monotonic activation, `x * tanh(softplus(x))`, of any shape.

    arXiv:1908.08681.

    >>> mish(jnp.array([-jnp.inf, 0.0, jnp.inf])).tolist()
    [-0.0, 0.0, inf]
    """
    check_float("mish", x=x)
    return _gated(x, _mish_gate, 800.0)


def elu(x: Float[Array, "..."], *, alpha: float = 1.0) -> Float[Array, "..."]:
    """Exponential linear unit, `x` above 0, else `alpha (exp(x) - 1)`, of any shape.

    Its derivative at 0 is `alpha`. arXiv:1511.07289.

    >>> elu(jnp.array([-jnp.inf, 0.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 0.0, 2.0]
    """
    check_float("elu", x=x)
    return jax.nn.elu(x, alpha)


def celu(x: Float[Array, "..."], *, alpha: float = 1.0) -> Float[Array, "..."]:
    """Continuously differentiable elu, `max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)`, of any shape.

    arXiv:1704.07483.

    Raises:
        ValueError: `alpha` is not positive.

    >>> celu(jnp.array([-jnp.inf, 0.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 0.0, 2.0]
    """
    check_float("celu", x=x)
    if not alpha > 0:
        raise ValueError(f"celu: alpha must be positive, got {alpha}")
    return jax.nn.celu(x, alpha)


def leaky_relu(x: Float[Array, "..."], *, negative_slope: float = 0.01) -> Float[Array, "..."]:
    """Rectified linear unit that leaks, `x` above 0, else `negative_slope * x`, of any shape.

    Its derivative at 0 is `negative_slope`. The default slope is PyTorch's and Flax's; that of Keras's layer is 0.3.

    >>> leaky_relu(jnp.array([-2.0, 0.0, 2.0]), negative_slope=0.25).tolist()
    [-0.5, 0.0, 2.0]
    """
    check_float("leaky_relu", x=x)
    return jnp.where(x > 0, x, negative_slope * x)


def glu(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """Gated linear unit, `a * sigmoid(b)` where `a` and `b` are the halves of `x` along `axis`.

    `(..., 2 C)` gives `(..., C)`. arXiv:1612.08083.

    Raises:
        ValueError: the size of `axis` is odd.

    >>> glu(jnp.array([3.0, 4.0, 0.0, 0.0])).tolist()
    [1.5, 2.0]
    """
    check_float("glu", x=x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"glu: axis {axis} does not exist (x: {tuple(x.shape)})")
    check_equal("glu", f"the size of axis {axis} modulo 2", x.shape[axis] % 2, 0, x=x)
    a, b = jnp.split(x, 2, axis)
    return a * sigmoid(b)


hard_swish = hard_silu
