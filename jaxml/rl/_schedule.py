"""How a rate changes over training."""

import jax
import jax.numpy as jnp


def linear_schedule(start: float, end: float, fraction: float, updates: int) -> jax.Array:
    """The value at each of the updates: from `start` to `end` over the first `fraction` of them, then `end`."""
    if fraction == 0:
        return jnp.full(updates, end, jnp.float32)
    done = jnp.arange(updates, dtype=jnp.float32) / (fraction * updates)
    return start + (end - start) * jnp.minimum(done, 1)
