"""Sparsemax, the projection onto the probability simplex, and its loss."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_equal, check_float
from jaxml.functional._classes import class_axis, without
from jaxml.functional._dtypes import wide
from jaxml.functional._per_example import check_same_shape, mean_per_example, rounded
from jaxml.functional._softmax import check_where, finite


def sparsemax(x: Float[Array, "*shape"], *, axis: int = -1) -> Float[Array, "*shape"]:
    """The probabilities nearest to `x`, `argmin_p |p - x|²` along `axis`, many of them 0; any shape, arXiv:1602.02068.

    `p_i = max(x_i - τ, 0)` with the τ that makes the sum 1. Its Jacobian is `diag(s) - s sᵀ / Σ s` for the support
    `s = [p > 0]`; an entry that has just reached 0 is outside. Several +inf share the 1, and so do the entries of a row
    that is -inf throughout.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: `axis` is empty or does not exist.

    >>> sparsemax(jnp.array([1.0, 0.5, -1.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    check_float("sparsemax", x=x)
    axis = class_axis("sparsemax", axis, x=x)
    return _projected(finite(wide(x)), axis).astype(x.dtype)


def sparsemax_loss(
    logits: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """The loss whose derivative is `sparsemax(x) - y`, for dense labels `y` that sum to 1; arXiv:1602.02068.

    `Σ_i (p_i - y_i) (x_i - (p_i + y_i) / 2)` along `axis` with `p = sparsemax(x)`: at least 0, and 0 where `p = y`,
    which a logit that leads by 1 reaches. `(N, C)` gives `(N,)`; `where` has the shape of `logits` without `axis`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `axis` does not exist or is empty.

    >>> sparsemax_loss(jnp.array([[2.0, 1.0], [0.0, 0.0]]), jnp.array([[1.0, 0.0], [1.0, 0.0]])).tolist()
    [0.0, 0.25]
    """
    name = "sparsemax_loss"
    check_same_shape(name, None, logits=logits, labels=labels)
    check_where(name, where)
    axis = class_axis(name, axis, logits=logits)
    x, y = finite(wide(logits)), wide(labels)
    if where is not None:
        want = without(logits.shape, axis)
        check_equal(name, "the shape of where", tuple(where.shape), want, logits=logits, where=where)
        x, y = (jnp.where(jnp.expand_dims(where, axis), a, 0) for a in (x, y))
    p = _projected(x, axis)
    # Relative to the largest logit, which changes nothing as p and y have the same sum; finite for logits far apart.
    x = finite(x - jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True)))
    return rounded(mean_per_example(jnp.sum((p - y) * (x - (p + y) / 2), axis), where), logits)


def _projected(x: Array, axis: int) -> Array:
    # Entries 1 below the largest have probability 0, wherever they are: cut off there, all sums are small.
    z = jnp.maximum(finite(x - jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))), -1)
    descending = -jnp.sort(-jax.lax.stop_gradient(z), axis)
    size = jnp.arange(1, z.shape[axis] + 1).astype(z.dtype).reshape((-1,) + (1,) * (z.ndim - 1 - axis))
    size = size.reshape((1,) * axis + size.shape)
    cumulative = jnp.cumsum(descending, axis)
    inside = 1 + size * descending > cumulative
    count = jnp.sum(inside, axis, keepdims=True)
    threshold = (jnp.take_along_axis(cumulative, count - 1, axis) - 1) / count.astype(z.dtype)
    support = z > threshold
    # The same threshold again, now a function of z that autodiff sees: with the support held, all is linear.
    count = jnp.maximum(jnp.sum(support, axis, keepdims=True), 1).astype(z.dtype)
    tau = (jnp.sum(jnp.where(support, z, 0), axis, keepdims=True) - 1) / count
    return jnp.where(support, jnp.maximum(z - tau, 0), 0)
