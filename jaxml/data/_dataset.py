"""What the readers give: inputs, targets, and what the numbers mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np


def length(function: str, data: Any) -> int:
    """The number of examples in an array, a dictionary of columns, a Dataset, or a tuple of these that agree."""
    if isinstance(data, Mapping):
        parts = list(data.values())
    elif isinstance(data, tuple):
        parts = list(data)
    elif isinstance(data, Dataset):
        return len(data)
    else:
        if not hasattr(data, "shape"):
            data = np.asarray(data)
        if len(data.shape) == 0:
            raise ValueError(f"{function}: data must have an axis of examples, got one number")
        return int(data.shape[0])
    if not parts:
        raise ValueError(f"{function}: data must hold at least one array, got none")
    lengths = [length(function, part) for part in parts]
    if len(set(lengths)) > 1:
        names = list(data) if isinstance(data, Mapping) else range(len(parts))
        listed = ", ".join(f"{name}: {n}" for name, n in zip(names, lengths, strict=True))
        raise ValueError(f"{function}: all parts must have the same number of examples, got {listed}")
    return lengths[0]


def take(data: Any, index: np.ndarray) -> Any:
    """The examples at `index`, in that order and in the form that `data` has; images on disk are not read yet."""
    if data is None:
        return None
    if isinstance(data, Mapping):
        return {name: take(column, index) for name, column in data.items()}
    if isinstance(data, tuple):
        return tuple(take(part, index) for part in data)
    if hasattr(data, "paths") or isinstance(data, Dataset):
        return data.take(index)
    return data[index] if isinstance(data, jax.Array) else np.asarray(data)[index]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs `x` and targets `y` of the same N examples, as host arrays, and what they are called.

    x: an array (N, ...), a dictionary of columns (N,), or images on disk that are read when indexed (`Images`).
    y: whole numbers (N,) for "classification", numbers (N,) or (N, outputs) for "regression", or None.
    feature_names: the columns of `x`; class_names: what class 0, 1, ... is called.

    `len(d)` is N and `d.take(index)` a Dataset of some of the examples.

    >>> d = Dataset(np.ones((3, 2)), np.array([0, 1, 0]), class_names=("no", "yes"), task="classification")
    >>> len(d), d.take(np.array([1])).y.tolist()
    (3, [1])
    """

    x: Any
    y: Any = None
    feature_names: tuple[str, ...] = field(default=(), metadata={"static": True})
    class_names: tuple[str, ...] = field(default=(), metadata={"static": True})
    task: str | None = field(default=None, metadata={"static": True})

    def __len__(self) -> int:
        return length("Dataset", self.x if self.y is None else (self.x, self.y))

    def take(self, index: Any) -> "Dataset":
        """The examples at `index`, an array of positions."""
        index = np.asarray(index)
        return replace(self, x=take(self.x, index), y=take(self.y, index))
