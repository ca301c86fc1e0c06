"""Dropout."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_float


def dropout(key: Array | None, x: Float[Array, "*shape"], *, rate: float, train: bool = True) -> Float[Array, "*shape"]:
    """Set each entry, of any shape, to 0 with probability `rate` and divide the others by `1 - rate`.

    `y = m x / (1 - rate)` with independent `m ~ Bernoulli(1 - rate)`, the inverted form of arXiv:1207.0580, which keeps
    the mean: without `train`, and at rate 0, `x` is returned as it is and `key` may be `None`. At rate 1 all is 0, with
    gradient 0.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key (`jax.random.key`, or the old uint32 form).
        ValueError: `rate` is not in [0, 1].

    >>> dropout(None, jnp.ones(3), rate=0.5, train=False).tolist()
    [1.0, 1.0, 1.0]
    """
    check_float("dropout", x=x)
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: rate must lie between 0 and 1, got {rate}")
    if not train or rate == 0:
        return x
    key = _checked_key("dropout", key)
    if rate == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)


def _checked_key(function: str, key: Any) -> Array:
    if not hasattr(key, "dtype"):
        raise TypeError(
            f"{function}: key must be a jax.random.key, got {'None' if key is None else type(key).__name__}"
        )
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not (typed and key.ndim == 0) and not (key.dtype == jnp.uint32 and key.ndim == 1):
        raise TypeError(f"{function}: key must be one jax.random.key, got {key.dtype} of shape {tuple(key.shape)}")
    return key
