"""Arguments taken apart: which leaves are differentiated, what they are called, which are skipped and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.gradcheck._errors import CheckError


@dataclass(frozen=True)
class Leaf:
    """A floating leaf. `native` is the dtype in which `f` receives it, `weak` that it was a Python number."""

    path: str
    value: np.ndarray
    native: np.dtype
    weak: bool = False

    @property
    def complex(self) -> bool:
        return np.issubdtype(self.native, np.complexfloating)

    def real_view(self, value: np.ndarray) -> np.ndarray:
        """`value` as real numbers; a complex one gets a last axis (real part, imaginary part)."""
        return np.stack([np.real(value), np.imag(value)], -1) if self.complex else value


@dataclass(frozen=True)
class Skipped:
    path: str
    dtype: str
    shape: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Leaves:
    """The arguments of one call, flattened; `rebuild` puts other values in the differentiated places."""

    leaves: tuple[Leaf, ...]
    skipped: tuple[Skipped, ...]
    places: tuple[int, ...]
    flat: tuple[Any, ...]
    treedef: Any

    def rebuild(self, values: Sequence[Any]) -> tuple[Any, ...]:
        flat = list(self.flat)
        for place, value in zip(self.places, values, strict=True):
            flat[place] = value
        return jax.tree.unflatten(self.treedef, flat)

    def reals(self, dtypes: Sequence[Any]) -> list[np.ndarray]:
        """The real views of the leaves, each in the given real dtype."""
        return [leaf.real_view(leaf.value).astype(d) for leaf, d in zip(self.leaves, dtypes, strict=True)]

    def native_dtypes(self) -> list[np.dtype]:
        return [real_dtype(leaf.native) for leaf in self.leaves]


def split(args: Sequence[Any]) -> Leaves:
    """Sort the leaves of `args`. Nothing floating at all is an error, and so is an array of objects."""
    with_paths, treedef = jax.tree_util.tree_flatten_with_path(tuple(args), is_leaf=lambda x: x is None)
    leaves, skipped, places = [], [], []
    for place, (path, value) in enumerate(with_paths):
        name = "args" + jax.tree_util.keystr(path)
        if _dtype_of(value) == np.dtype(object):
            raise CheckError(f"check: {name} is an array of objects, which cannot be differentiated")
        reason = _why_skipped(value)
        if reason is None:
            leaves.append(_leaf(name, value))
            places.append(place)
        else:
            dtype = str(getattr(value, "dtype", type(value).__name__))
            skipped.append(Skipped(name, dtype, tuple(getattr(value, "shape", ())), reason))
    if not leaves:
        listed = ", ".join(f"{s.path} ({s.reason})" for s in skipped) or "none at all"
        raise CheckError(f"check: no argument can be differentiated, a floating or complex one is needed; got {listed}")
    # A Python number takes the dtype of the arrays beside it, as it would in arithmetic with them.
    strong = [real_dtype(leaf.native) for leaf in leaves if not leaf.weak]
    if strong:
        narrow = max(strong, key=epsilon)
        leaves = [
            Leaf(x.path, x.value, narrow, True) if x.weak and not x.complex and epsilon(narrow) > 1e-10 else x
            for x in leaves
        ]
    return Leaves(tuple(leaves), tuple(skipped), tuple(places), tuple(v for _, v in with_paths), treedef)


def real_dtype(dtype: Any) -> np.dtype:
    """The dtype of the real part."""
    return np.dtype(jnp.finfo(dtype).dtype)


def epsilon(dtype: Any) -> float:
    """The spacing of numbers at 1."""
    return float(jnp.finfo(dtype).eps)


def is_inexact(value: Any) -> bool:
    dtype = _dtype_of(value)
    if dtype is None or not isinstance(dtype, np.dtype):
        return isinstance(value, float | complex)
    return bool(jnp.issubdtype(dtype, jnp.inexact))


def _dtype_of(value: Any) -> Any:
    return value.dtype if isinstance(value, np.ndarray | np.generic | jax.Array) else None


def _leaf(path: str, value: Any) -> Leaf:
    array = np.asarray(value)
    native = np.dtype(jax.dtypes.canonicalize_dtype(array.dtype))
    return Leaf(path, array, native, isinstance(value, float | complex) and not isinstance(value, np.generic))


def _why_skipped(value: Any) -> str | None:
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float | complex):
        return None
    dtype = _dtype_of(value)
    if dtype is None:
        return "static"
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return "key"
    if dtype == np.bool_:
        return "boolean"
    if jnp.issubdtype(dtype, jnp.integer):
        return "integer"
    if not jnp.issubdtype(dtype, jnp.inexact):
        return "static"
    return "empty" if value.size == 0 else None
