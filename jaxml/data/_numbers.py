"""Numbers that come in: what they may be, and in which precision they are computed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def host_float(a: Any) -> np.ndarray:
    """On the host, in the precision JAX computes in: float64 only where it is enabled."""
    return np.asarray(a, jax.dtypes.canonicalize_dtype(np.float64))


def is_missing(value: Any) -> bool:
    """None and NaN, the two ways a cell is empty."""
    return value is None or (isinstance(value, float | np.floating) and value != value)


def is_text(x: Any) -> bool:
    """Strings, or Python objects some of which are not numbers."""
    if isinstance(x, jax.Array):
        return False
    x = np.asarray(x)
    return x.dtype.kind in "SU" or (x.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in x.flat))


def numeric(function: str, x: Any) -> Any:
    """`x` as an array of real numbers, a JAX array if it is one; None among Python objects becomes NaN."""
    if isinstance(x, jax.Array):
        kind = "b" if x.dtype == bool else "f" if jnp.issubdtype(x.dtype, jnp.floating) else x.dtype.kind
    else:
        x = np.asarray(x)
        kind = "f" if jnp.issubdtype(x.dtype, jnp.floating) else x.dtype.kind
    if kind in "biuf":
        return x
    if kind == "O":
        values = np.asarray(x).ravel().tolist()
        for value in values:
            if value is not None and not isinstance(value, int | float | np.number):
                raise TypeError(f"{function}: x must hold numbers, got {value!r}; OneHot and Ordinal take text")
        return np.array([np.nan if v is None else v for v in values], np.float64).reshape(x.shape)
    what = "text; OneHot and Ordinal take it" if kind in "SU" else str(x.dtype)
    raise TypeError(f"{function}: x must hold numbers, got {what}")


def as_float(function: str, x: Any) -> jax.Array:
    """`x` as a floating point JAX array; whole numbers and booleans become JAX's default float."""
    x = numeric(function, x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.asarray(x).astype(jax.dtypes.canonicalize_dtype(np.float64))
    return jnp.asarray(x)


def observed(function: str, x: Any, where: Any = None) -> np.ndarray:
    """`x` on the host in float64 to take statistics of, with NaN for what is missing or does not count."""
    x = np.asarray(numeric(function, x)).astype(np.float64)
    if x.ndim == 0:
        raise ValueError(f"{function}: x must have an axis of examples (N, ...), got one number")
    if x.shape[0] == 0:
        raise ValueError(f"{function}: x must have at least one example to be fitted on, got shape {x.shape}")
    if np.isinf(x).any():
        at = tuple(int(i) for i in np.argwhere(np.isinf(x))[0])
        raise ValueError(f"{function}: x must be finite, got {x[at]} at {at}; make it NaN, or Clip before")
    if where is not None:
        where = np.asarray(where)
        if where.dtype != bool:
            raise TypeError(f"{function}: where must be boolean, got {where.dtype}")
        try:
            x = np.where(np.broadcast_to(where, x.shape), x, np.nan)
        except ValueError:
            message = f"{function}: where must broadcast to x (where: {where.shape}, x: {x.shape})"
            raise ValueError(message) from None
    return x
