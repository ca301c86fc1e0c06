"""The adjoint of a linear function, which is written once and transposed by JAX."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxml.functional._bilinear_primitives import varying_like


def adjoint(linear: Callable[[jax.Array], jax.Array], shape: tuple[int, ...], dy: jax.Array) -> jax.Array:
    """What `linear`, a function of arrays of `shape`, makes of `dy` when run backwards."""
    operand = jnp.zeros(shape, dy.dtype)  # only its type is used
    return jax.linear_transpose(linear, varying_like(operand, dy))(dy)[0]
