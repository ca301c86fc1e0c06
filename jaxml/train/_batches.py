"""Arrays cut into batches of one shape, losing nothing."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # x, y, where


def as_pair(function: str, name: str, data: Any) -> tuple[np.ndarray, np.ndarray]:
    """`data` as host arrays (x, y) of one length, in the precision JAX computes in."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{len(data)} parts" if isinstance(data, tuple | list) else type(data).__name__
        raise ValueError(f"{function}: {name} must be a pair of arrays (x, y), got {got}")
    x, y = map(np.asarray, data)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"{function}: {name}'s x and y must have the same length (x: {x.shape}, y: {y.shape})")
    if len(x) == 0:
        raise ValueError(f"{function}: {name} must have at least one example (x: {x.shape}, y: {y.shape})")
    # Once here, and not for every batch: float64 from NumPy or scikit-learn becomes float32 unless x64 is enabled.
    x, y = (a.astype(jax.dtypes.canonicalize_dtype(a.dtype), copy=False) for a in (x, y))
    return x, y


def batches(x: np.ndarray, y: np.ndarray, batch_size: int, order: np.ndarray) -> Iterator[Batch]:
    """Every example once, in the given order. The last batch is filled up with the first examples of the order, whose
    `where` is False: real examples, so that batch normalisation sees the data and no zeros."""
    for start in range(0, len(order), batch_size):
        positions = np.arange(start, start + batch_size)
        index = order.take(positions, mode="wrap")
        yield x[index], y[index], positions < len(order)
