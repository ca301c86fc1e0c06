"""Activations made of pieces. Every kink and every jump has one documented derivative, PyTorch's where it has one.

The same table is in `tests/kinks.py` and in the manual.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._activation_parts import check_real, check_slopes, clamp, gated, per_channel
from jaxml.functional._checks import check_equal, check_float, check_positive, check_within
from jaxml.functional._classes import class_axis


def relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Rectified linear unit, `max(x, 0)`, of any shape; its derivative at 0 is 0.

    >>> relu(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    check_float("relu", x=x)
    return jax.nn.relu(x)


def relu_squared(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Square of the rectified linear unit, `max(x, 0)²`, of any shape; its second derivative at 0 is 0.

    Primer, arXiv:2109.08668.

    >>> relu_squared(jnp.array([-1.0, 3.0])).tolist()
    [0.0, 9.0]
    """
    check_float("relu_squared", x=x)
    return jnp.square(jax.nn.relu(x))


def relu6(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Rectified linear unit that saturates at 6, `min(max(x, 0), 6)`, of any shape.

    Its derivative at 0 and at 6 is 0. MobileNets, arXiv:1704.04861.

    >>> relu6(jnp.array([-1.0, 3.0, 8.0])).tolist()
    [0.0, 3.0, 6.0]
    """
    check_float("relu6", x=x)
    return clamp(x, 0.0, 6.0)


def leaky_relu(x: Float[Array, "..."], *, negative_slope: float = 0.01) -> Float[Array, "..."]:
    """Rectified linear unit that leaks, `x` above 0, else `negative_slope * x`, of any shape.

    Its derivative at 0 is `negative_slope`. The default slope is PyTorch's and Flax's; that of Keras's layer is 0.3.

    >>> leaky_relu(jnp.array([-2.0, 0.0, 2.0]), negative_slope=0.25).tolist()
    [-0.5, 0.0, 2.0]
    """
    check_float("leaky_relu", x=x)
    check_real("leaky_relu", "negative_slope", negative_slope)
    if negative_slope == 0:  # no slope times -inf
        return jax.nn.relu(x)
    return jnp.where(x > 0, x, negative_slope * x)


def prelu(x: Float[Array, "..."], alpha: Float[Array, "..."]) -> Float[Array, "..."]:
    """Leaky relu whose slope is learned, `x` above 0, else `alpha x`; `alpha` is `()` or one a channel, `(C,)`.

    Its derivative at 0 is `alpha`, that by `alpha` is 0 there. At -inf an `alpha` of 0 gives 0. arXiv:1502.01852.

    Raises:
        TypeError: arrays that are not floating point, or mixed dtypes.
        ValueError: `alpha` has neither of the shapes.

    >>> prelu(jnp.array([[-2.0, -2.0, 3.0]]), jnp.array([0.25, 0.5, 0.5])).tolist()
    [[-0.5, -1.0, 3.0]]
    """
    check_float("prelu", x=x, alpha=alpha)
    check_slopes("prelu", x, alpha)
    alpha = per_channel(alpha, x)
    # Without the inner `where` the derivative by alpha would be 0 * inf at x = inf.
    below = jnp.where(x > 0, 0, x)
    below = jnp.where((alpha == 0) & (x == -jnp.inf), jnp.finfo(x.dtype).min, below)  # 0 times it is 0, not NaN
    return jnp.where(x > 0, x, alpha * below)


def crelu(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """`relu(x)` and `relu(-x)`, one behind the other along `axis`: `(..., C)` gives `(..., 2 C)`.

    Its derivatives at 0 are 0. arXiv:1603.05201.

    Raises:
        ValueError: `axis` does not exist or is empty.

    >>> crelu(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0, 1.0, 0.0]
    """
    check_float("crelu", x=x)
    axis = class_axis("crelu", axis, x=x)
    return jnp.concatenate([jax.nn.relu(x), jax.nn.relu(-x)], axis)


def hard_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise linear tanh, `min(max(x, -1), 1)`, of any shape; its derivative at -1 and at 1 is 0.

    >>> hard_tanh(jnp.array([-2.0, 0.5, 8.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    check_float("hard_tanh", x=x)
    return clamp(x, -1.0, 1.0)


def hard_sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise linear sigmoid, `relu6(x + 3) / 6`, of any shape; its derivative at -3 and at 3 is 0.

    PyTorch's and MobileNetV3's (arXiv:1905.02244); Keras 2 used `clip(0.2 x + 0.5, 0, 1)`.

    >>> hard_sigmoid(jnp.array([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    check_float("hard_sigmoid", x=x)
    # Clamped before it is shifted: x + 3 would round to the kink beside it.
    return clamp(x, -3.0, 3.0) / 6.0 + 0.5


def hard_silu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise quadratic silu, `x * relu6(x + 3) / 6`, of any shape; its derivative is 0 at -3 and 1 at 3.

    Also called `hard_swish`. MobileNetV3, arXiv:1905.02244.

    >>> hard_silu(jnp.array([-4.0, 0.0, 4.0])).tolist()
    [-0.0, 0.0, 4.0]
    """
    check_float("hard_silu", x=x)
    return gated(x, hard_sigmoid, 4.0)


def sparse_sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Piecewise linear sigmoid, `min(max((x + 1) / 2, 0), 1)`, of any shape; its derivative at -1 and at 1 is 0.

    >>> sparse_sigmoid(jnp.array([-2.0, 0.0, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    check_float("sparse_sigmoid", x=x)
    return clamp(x, -1.0, 1.0) / 2 + 0.5


def hard_shrink(x: Float[Array, "..."], *, threshold: float = 0.5) -> Float[Array, "..."]:
    """`x` where `|x| > threshold`, else 0, of any shape; its derivative at either jump is 0.

    Raises:
        ValueError: `threshold` is negative.

    >>> hard_shrink(jnp.array([-1.0, 0.5, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    check_float("hard_shrink", x=x)
    check_real("hard_shrink", "threshold", threshold)
    check_within("hard_shrink", "threshold", threshold, 0)
    return jnp.where(jnp.abs(x) <= threshold, 0, x)


def soft_shrink(x: Float[Array, "..."], *, threshold: float = 0.5) -> Float[Array, "..."]:
    """`x` moved towards 0 by `threshold`, and 0 where `|x| <= threshold`, of any shape.

    Its derivative at either kink is 0. It is the proximal step of `threshold |x|`.

    Raises:
        ValueError: `threshold` is negative.

    >>> soft_shrink(jnp.array([-1.0, 0.5, 2.0])).tolist()
    [-0.5, 0.0, 1.5]
    """
    check_float("soft_shrink", x=x)
    check_real("soft_shrink", "threshold", threshold)
    check_within("soft_shrink", "threshold", threshold, 0)
    return jnp.where(jnp.abs(x) <= threshold, 0, jnp.where(x > 0, x - threshold, x + threshold))


def tanh_shrink(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x - tanh(x)`, of any shape.

    >>> tanh_shrink(jnp.array([-jnp.inf, 0.0])).tolist()
    [-inf, 0.0]
    """
    check_float("tanh_shrink", x=x)
    return x - jnp.tanh(x)


def threshold(x: Float[Array, "..."], *, threshold: float, value: float) -> Float[Array, "..."]:
    """`x` above `threshold`, else `value`, of any shape; its derivative at `threshold` is 0.

    Raises:
        ValueError: `threshold` or `value` is not a finite number.

    >>> threshold(jnp.array([-1.0, 0.5, 2.0]), threshold=0.5, value=-3.0).tolist()
    [-3.0, -3.0, 2.0]
    """
    check_float("threshold", x=x)
    check_real("threshold", "threshold", threshold)
    check_real("threshold", "value", value)
    return jnp.where(x <= threshold, value, x)


def step(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Heaviside's step, 1 above 0, else 0, of any shape; its derivative is 0 everywhere, at 0 too.

    >>> step(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    check_float("step", x=x)
    return jnp.where(x > 0, 1, jnp.where(x <= 0, 0, x))  # NaN stays what it is


def maxout(x: Float[Array, "..."], *, pieces: int, axis: int = -1) -> Float[Array, "..."]:
    """Largest of every `pieces` neighbours along `axis`: `(..., C)` gives `(..., C / pieces)`.

    Several largest share the derivative equally. arXiv:1302.4389.

    Raises:
        ValueError: `axis` does not exist or is empty, or `pieces` does not divide it.

    >>> maxout(jnp.array([1.0, 4.0, 2.0, -1.0]), pieces=2).tolist()
    [4.0, 2.0]
    """
    check_float("maxout", x=x)
    axis = class_axis("maxout", axis, x=x)
    check_positive("maxout", "pieces", (pieces,))
    check_equal("maxout", f"the size of axis {axis} modulo pieces, {pieces},", x.shape[axis] % pieces, 0, x=x)
    shape = (*x.shape[:axis], x.shape[axis] // pieces, pieces, *x.shape[axis + 1 :])
    return jnp.max(x.reshape(shape), axis + 1)


hard_swish = hard_silu
