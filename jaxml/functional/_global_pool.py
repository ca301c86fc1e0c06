"""Pooling over whole images."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_float
from jaxml.functional._pool_windows import largest


def global_avg_pool(x: Float[Array, "N *spatial C"]) -> Float[Array, "N C"]:
    """Mean over all positions, `(N, *spatial, C)` to `(N, C)`; float16 and bfloat16 are summed in float32.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: fewer than 3 axes, or no position.

    >>> global_avg_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[3.0, 4.0]]
    """
    return jnp.mean(_positions("global_avg_pool", x), 1)


def global_max_pool(x: Float[Array, "N *spatial C"]) -> Float[Array, "N C"]:
    """Largest entry over all positions, `(N, *spatial, C)` to `(N, C)`.

    The derivative goes to the first of several equal entries. NaN propagates.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: fewer than 3 axes, or no position.

    >>> global_max_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[6.0, 7.0]]
    """
    # jnp.max would share the derivative among equal entries, unlike the windowed pools.
    return largest(_positions("global_max_pool", x), 1)


def _positions(name: str, x: Array) -> Array:
    check_float(name, x=x)
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ValueError(f"{name}: x must have at least 3 axes (N, *spatial, C), none of them empty, got {x.shape}")
    return x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])  # no -1: the batch may be empty
