"""The root of a sum of squares, with a derivative at 0, and the scaling that keeps the sum within the dtype."""

import jax
import jax.numpy as jnp
from jaxtyping import Array


def rescaled(x: Array, axis: int) -> tuple[Array, Array]:
    """`x r` and `r`: 1, or a power of two for vectors so large that the squares of their entries have no sum.

    A first sum of squares tells. It costs half of what finding the largest entry does, and no gradient passes it.
    """
    info = jnp.finfo(x.dtype)
    total = jax.lax.stop_gradient(jnp.sum(jnp.square(x), axis, keepdims=True))
    r = jnp.where(total < info.max / 4, 1, 2.0 ** -(info.maxexp // 2 + 12)).astype(x.dtype)
    return x * r, r


def root_of_squares(x: Array, axis: int) -> Array:
    """`√(Σ x²)` along `axis`, which stays with size 1; derivative 0 at 0, where autodiff gives NaN."""
    total = jnp.sum(jnp.square(x), axis, keepdims=True)
    some = total != 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, total, 1)), 0)
