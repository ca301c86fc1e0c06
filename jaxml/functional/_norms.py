"""Absolute values, hinges and norms with one stated derivative at every kink, finite up to the ends of a dtype."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._softmax import finite


def absolute(x: Array) -> Array:
    """`|x|` with derivative 0 at 0; that of `jnp.abs` is 1 there."""
    return jnp.maximum(x, -x)  # which shares the derivative at a tie: 1/2 - 1/2


def clamped(x: Array) -> Array:
    """`max(x, 0)` with derivative 1 at 0: PyTorch's `clamp_min(0)`, where that of `relu` is 0."""
    return jnp.where(x < 0, 0, x)


def above_zero(x: Array) -> Array:
    """`max(x, 0)` with derivative 0 at 0, that of `relu`; a NaN stays one."""
    return jnp.where(x <= 0, 0, x)


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


def vector_norm(x: Array, order: float, axis: int = -1) -> Array:
    """`(Σ |x_i|^order)^(1/order)` along `axis`, which stays with size 1; derivative 0 at 0.

    At `order` infinity several largest entries share the derivative; at `order` 0 the entries that are not 0 are
    counted, without one. Entries that are 0 pass none below order 1 either, where the limit is infinite.
    """
    x = finite(x)
    if order == 0:
        return jnp.sum(x != 0, axis, keepdims=True).astype(x.dtype)
    size = absolute(x)
    if order == math.inf:
        return jnp.max(size, axis, keepdims=True)
    if order == 1:
        return jnp.sum(size, axis, keepdims=True)
    x, r = rescaled(x, axis)
    if order == 2:
        return root_of_squares(x, axis) / r
    size = absolute(x)
    largest = jax.lax.stop_gradient(jnp.max(size, axis, keepdims=True))
    largest = jnp.where(largest == 0, 1, largest)
    ratio = size / largest
    total = jnp.sum(jnp.where(ratio == 0, 0, jnp.where(ratio == 0, 1, ratio) ** order), axis, keepdims=True)
    some = total != 0
    return jnp.where(some, largest / r * jnp.where(some, total, 1) ** (1 / order), 0)
