"""Random arrays and parameters from NumPy. JAX compiles a program for every shape it draws, here a third of a run."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks._memory import require
from jaxml import nn


def normal(seed: int, shapes: Sequence[tuple[int, ...]], dtype: str) -> list[Array]:
    """Standard normal arrays of these shapes; `MemoryError` where the host has no room for them."""
    sizes = [math.prod(shape) for shape in shapes]
    require(sum(sizes) * jnp.dtype(dtype).itemsize + 4 * max(sizes))  # NumPy draws one after the other in float32
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal(shape, np.float32), dtype) for shape in shapes]


def network(build: Callable[[], Any], seed: int) -> tuple[Callable[..., Any], Any, Any]:
    """`(apply, params, state)` of an untrained network for timing: weights as He drew them, every vector of ones."""
    apply, params, state = nn.abstract(build)
    rng = np.random.default_rng(seed)

    def draw(leaf: jax.ShapeDtypeStruct) -> Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key(seed)
        if len(leaf.shape) < 2:
            return jnp.ones(leaf.shape, leaf.dtype)
        deviation = math.sqrt(2 / math.prod(leaf.shape[:-1]))
        return jnp.asarray(deviation * rng.standard_normal(leaf.shape, np.float32), leaf.dtype)

    return apply, *jax.tree.map(draw, (params, state))
