"""What the fitted transforms of numbers share: statistics for each feature, and how they meet an array."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data._numbers import as_float, observed
from jaxml.functional._dtypes import wide_dtype


def axes(function: str, axis: Any) -> tuple[int, ...]:
    """The axes that statistics are taken over; the examples' always is among them."""
    over = (axis,) if isinstance(axis, int) else tuple(axis)
    if 0 not in over or any(a < 0 for a in over) or len(set(over)) < len(over):
        raise ValueError(f"{function}: axis must hold 0, the examples, and other axes from the front, got {axis}")
    return over


def sample(function: str, x: Any, axis: Any, where: Any) -> np.ndarray:
    """(M, *features): all the values that one feature takes along the first axis, NaN where there are none."""
    x, over = observed(function, x, where), axes(function, axis)
    if max(over) >= x.ndim:
        raise ValueError(f"{function}: axis must be axes of x, got {axis} (x: {x.shape})")
    kept = tuple(1 if a in over else n for a, n in enumerate(x.shape))[1:]
    x = np.moveaxis(x, over, range(len(over)))
    return x.reshape(-1, *kept)


def fitted(function: str, *statistics: Any) -> None:
    """Statistics are there, that is `fit` was called."""
    if any(s is None for s in statistics):
        raise ValueError(f"{function}: not fitted yet; use what {function}(...).fit(x) returns")


def checked(function: str, x: Any, like: Any, axis: Any) -> jax.Array:
    """`x` as floats, if its last axes are those that statistics of the shape of `like` were fitted on."""
    x = as_float(function, x)
    over, features = axes(function, axis), tuple(like.shape)
    ends = x.shape[x.ndim - len(features) :] if x.ndim >= len(features) else None
    if ends is None or any(n != m for a, (n, m) in enumerate(zip(ends, features, strict=True), 1) if a not in over):
        form = ", ".join("*" if a in over else str(n) for a, n in enumerate(features, 1))
        raise ValueError(f"{function}: x must have the features it was fitted on, (*, {form}), got {x.shape}")
    return x


def compute(x: jax.Array, *statistics: Any) -> tuple[jax.Array, ...]:
    """`x` and statistics in one dtype, float32 or wider, and of one rank."""
    dtype = wide_dtype(x.dtype)
    shaped = (jnp.asarray(s, dtype).reshape((1,) * (x.ndim - s.ndim) + tuple(s.shape)) for s in statistics)
    return x.astype(dtype), *shaped


def without_zeros(scale: np.ndarray) -> np.ndarray:
    """1 for a feature that does not vary (or has no value at all), as scikit-learn has it."""
    return np.where(np.isnan(scale) | (scale < 10 * np.finfo(np.float64).eps), 1.0, scale)


def or_else(statistic: np.ndarray, instead: float) -> np.ndarray:
    """The statistic, or `instead` for a feature without a value."""
    return np.where(np.isnan(statistic), instead, statistic)
