"""The dtype that half precision is computed in."""

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array


def wide_dtype(dtype: DTypeLike) -> jnp.dtype:
    """float32 for float16 and bfloat16, otherwise `dtype`; `jnp.promote_types` fails in JAX's strict mode."""
    dtype = jnp.dtype(dtype)
    return jnp.dtype(jnp.float32) if dtype.itemsize < 4 else dtype


def wide(x: Array) -> Array:
    """`x` in `wide_dtype`."""
    return x.astype(wide_dtype(x.dtype))
