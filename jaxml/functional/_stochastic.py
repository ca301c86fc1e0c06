"""Random activations: the relaxed categorical draw, and the leaky ReLU of random slope."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_above, check_finite, check_flags, check_float, check_within
from jaxml.functional._dropout import checked_key
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._softmax import softmax


def gumbel_softmax(
    key: Array, logits: Float[Array, "*shape"], *, temperature: float = 1.0, hard: bool = False, axis: int = -1
) -> Float[Array, "*shape"]:
    """Differentiable draw of one class along `axis`, of any shape: `softmax((logits + g) / temperature)`.

    `g` is Gumbel(0, 1) noise; arXiv:1611.01144. `hard` returns the one-hot draw of its largest entry, which is class
    `i` with probability `softmax(logits)_i`, with the derivative of the soft one (straight-through). A logit of -inf is
    never drawn.

    Raises:
        TypeError: `logits` is not floating point, or `key` is not one key.
        ValueError: `temperature` is not finite and above 0, `axis` is empty or does not exist.

    >>> y = gumbel_softmax(jax.random.key(0), jnp.array([0.0, -jnp.inf, 0.0]), hard=True)
    >>> float(y.sum()), float(y[1])
    (1.0, 0.0)
    """
    check_float("gumbel_softmax", logits=logits)
    check_above("gumbel_softmax", "temperature", temperature, 0)
    key = checked_key("gumbel_softmax", key)
    if not isinstance(axis, int) or not -logits.ndim <= axis < logits.ndim:
        raise ValueError(f"gumbel_softmax: axis {axis} does not exist (logits: {tuple(logits.shape)})")
    if logits.shape[axis] == 0:
        raise ValueError(f"gumbel_softmax: axis {axis} must not be empty (logits: {tuple(logits.shape)})")
    noise = jax.random.gumbel(key, logits.shape, wide_dtype(logits.dtype))
    soft = softmax((wide(logits) + noise) / temperature, axis=axis)
    check_flags("gumbel_softmax", hard=hard)
    if hard:
        drawn = jnp.argmax(soft, axis, keepdims=True)
        places = jax.lax.broadcasted_iota(drawn.dtype, soft.shape, axis % soft.ndim)
        # The second term is exactly 0, and brings the derivative.
        soft = (places == drawn).astype(soft.dtype) + (soft - jax.lax.stop_gradient(soft))
    return soft.astype(logits.dtype)


def rrelu(
    key: Array | None, x: Float[Array, "*shape"], *, minval: float = 1 / 8, maxval: float = 1 / 3, train: bool = True
) -> Float[Array, "*shape"]:
    """Leaky ReLU whose slope is drawn for every entry, of any shape: `x` where `x > 0`, else `a x`.

    `a ~ U(minval, maxval)`; arXiv:1505.00853. Without `train` the slope is the mean, `(minval + maxval) / 2`, and `key`
    may be `None`. The derivative at 0 is the slope, as in PyTorch.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `maxval` is below `minval`.

    >>> rrelu(None, jnp.array([-2.0, 0.0, 2.0]), minval=0.25, maxval=0.75, train=False).tolist()
    [-1.0, 0.0, 2.0]
    """
    check_float("rrelu", x=x)
    check_flags("rrelu", train=train)
    check_finite("rrelu", "minval", minval)
    check_within("rrelu", "maxval", maxval, minval)
    slope = (minval + maxval) / 2
    if not train:
        return jnp.where(x > 0, x, x * slope)
    key = checked_key("rrelu", key)
    slopes = jax.random.uniform(key, x.shape, wide_dtype(x.dtype), minval, maxval)
    return jnp.where(x > 0, x, (wide(x) * slopes).astype(x.dtype))
