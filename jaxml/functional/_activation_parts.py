"""What the activations share: a clamp with a gradient of its own, and products whose limits hold."""

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._checks import number


def check_real(function: str, name: str, value: Any) -> None:
    """A finite number, and no array."""
    if not -math.inf < number(function, name, value) < math.inf or not isinstance(value, Real):
        raise ValueError(f"{function}: {name} must be a finite number, got {value!r}")


def check_slopes(function: str, x: Array, alpha: Array) -> None:
    """`alpha` is one number, `()`, or one a channel, `(C,)`."""
    if alpha.shape != () and alpha.shape != x.shape[-1:]:
        raise ValueError(
            f"{function}: alpha must have the shape () or that of the last axis of x, {tuple(x.shape[-1:])}, got "
            f"{tuple(alpha.shape)} (x: {tuple(x.shape)}, alpha: {tuple(alpha.shape)})"
        )


def per_channel(alpha: Array, x: Array) -> Array:
    """`alpha` with the rank of `x`, which JAX's strict rank promotion asks for."""
    return alpha.reshape((1,) * (x.ndim - alpha.ndim) + alpha.shape)


def clamp(x: Array, low: float, high: float) -> Array:
    """`min(max(x, low), high)`: `jnp.clip` passes half of the gradient at either end, this passes none."""
    return jax.lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def gated(x: Array, gate: Callable[[Array], Array], bound: float) -> Array:
    """`x * gate(x)` for a gate that is 0 below `-bound` and 1 above `bound` in every dtype.

    It may not be NaN at infinity. `-inf * 0` is kept out of the product, and of its derivatives by their own bounds.
    """
    return jnp.maximum(x, -bound) * gate(x)


@gated.defjvp
def _gated_jvp(
    gate: Callable[[Array], Array], bound: float, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    inner = clamp(x, -bound, bound)
    g, slope = jax.jvp(gate, (inner,), (jnp.ones_like(inner),))
    return jnp.maximum(x, -bound) * g, dx * (g + inner * slope)
