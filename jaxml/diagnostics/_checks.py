"""What the diagnostics ask of predictions, labels and data. Values are looked at where they are known: not in `jit`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

# What an argument may be; a list is not, since its dtype would be a guess.
ArrayLike = jax.Array | np.ndarray


def known(*arrays: Any) -> bool:
    """Whether the values are there, and no trace stands in for them."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(arrays))


def check_some(function: str, **arrays: Any) -> None:
    """Each has a first axis, of one example or more, and all have as many."""
    for name, a in arrays.items():
        if not hasattr(a, "shape") or not hasattr(a, "dtype"):
            raise TypeError(f"{function}: {name} must be an array, got {type(a).__name__}")
        if a.ndim == 0 or a.shape[0] == 0:
            raise ValueError(f"{function}: {name} must hold at least one example, got shape {tuple(a.shape)}")
    (first, a), *others = arrays.items()
    for name, b in others:
        if b.shape[0] != a.shape[0]:
            raise ValueError(
                f"{function}: {name} must have as many examples as {first}, {a.shape[0]}, got {b.shape[0]} "
                f"({first}: {tuple(a.shape)}, {name}: {tuple(b.shape)})"
            )


def check_finite(function: str, **arrays: Any) -> None:
    """No NaN and no infinity."""
    for name, a in arrays.items():
        if not known(a) or not jnp.issubdtype(a.dtype, jnp.inexact):
            continue
        wrong = ~np.isfinite(np.asarray(a, np.float64))
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(f"{function}: {name} must be finite, got {a[at]} at {at}")


def check_classes(function: str, name: str, labels: Any, num_classes: int | None) -> None:
    """(N,) integers in [0, num_classes); without `num_classes`, at least 0."""
    if not hasattr(labels, "dtype") or not (
        jnp.issubdtype(labels.dtype, jnp.integer) or jnp.issubdtype(labels.dtype, jnp.bool_)
    ):
        got = getattr(labels, "dtype", type(labels).__name__)
        raise TypeError(f"{function}: {name} must be an array of integer classes, got {got}; argmax(-1) makes them")
    if labels.ndim != 1:
        raise ValueError(f"{function}: {name} must have 1 axis (N,), got {labels.ndim} ({name}: {tuple(labels.shape)})")
    if known(labels):
        values = np.asarray(labels).astype(np.int64)
        wrong = (values < 0) | (False if num_classes is None else values >= num_classes)
        if wrong.any():
            at = int(wrong.argmax())
            allowed = "at least 0" if num_classes is None else f"in [0, {num_classes})"
            raise ValueError(f"{function}: {name} must be classes {allowed}, got {values[at]} at {at}")
