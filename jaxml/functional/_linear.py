"""The dense layer and the reshape before it."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_equal, check_float, check_rank, check_some_axis


def linear(
    x: Float[Array, "*batch I"], w: Float[Array, "I O"], b: Float[Array, " O"] | None = None
) -> Float[Array, "*batch O"]:
    """Affine map of the last axis, `y = x w + b`.

    `x` is `(..., I)`, `w` is `(I, O)` (the transpose of PyTorch's, as in Keras and Flax), `b` is `(O,)` or `None`.
    float16 and bfloat16 products are accumulated in float32 and rounded once.

    Cost: `I * O` multiply-adds for each row of `x`.

    Raises:
        TypeError: an array that is not floating point, or mixed dtypes.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> x, w, b = jnp.array([[1.0, 2.0]]), jnp.array([[1.0, 0.0, 3.0], [0.0, 1.0, 4.0]]), jnp.full(3, 0.5)
    >>> linear(x, w, b).tolist()
    [[1.5, 2.5, 11.5]]
    """
    check_float("linear", {"b": b}, x=x, w=w)
    check_rank("linear", "w", w, 2, "(I, O)")
    check_some_axis("linear", x, "(..., I)")
    check_equal("linear", "the last axis of x", x.shape[-1], w.shape[0], x=x, w=w)
    # No preferred_element_type: every backend accumulates half precision in float32 anyway, and asking for a float32
    # result would turn the two gradient products into slow mixed float32 x half ones.
    y = jnp.matmul(x, w)
    if b is None:
        return y
    check_equal("linear", "the shape of b", tuple(b.shape), (w.shape[1],), w=w, b=b)
    return y + b.reshape((1,) * (y.ndim - 1) + b.shape)


def flatten(x: Array) -> Array:
    """Merge every axis but the first: `(N, ...)` to `(N, prod)`, the last axis varying fastest.

    The order is that of the channels-last layout: weights behind a PyTorch (channels-first) flatten must be permuted.

    Raises:
        ValueError: `x` has no axis.

    >>> flatten(jnp.ones((2, 3, 4, 5))).shape
    (2, 60)
    """
    check_some_axis("flatten", x, "(N, ...)")
    size = 1
    for n in x.shape[1:]:
        size *= n
    return x.reshape(x.shape[0], size)
