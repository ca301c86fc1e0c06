"""What acts on the channels, the last axis: one number for each of them."""

import math

import jax
import jax.numpy as jnp
from jax import lax


def per_channel(a: jax.Array, ndim: int) -> jax.Array:
    """`(C,)` as `(1, ..., 1, C)`: broadcast where it is said, not by rank promotion."""
    return a.reshape((1,) * (ndim - 1) + a.shape)


def as_rows(a: jax.Array) -> jax.Array:
    """`(..., C)` as the matrix `(rows, C)`."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def sum_leading_as_dot(a: jax.Array) -> jax.Array:
    """`a.sum over every axis but the last`, as two rows of ones times a matrix.

    XLA:CPU calls a library for it; for one row it would compile a loop of its own, 20 ms each, and for the plain sum
    share out work that is not worth it.
    """
    rows = a.reshape(-1, a.shape[-1])
    ones = jnp.ones((2, rows.shape[0]), a.dtype)
    return lax.dot_general(ones, rows, (((1,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)[0]
