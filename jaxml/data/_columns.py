"""Transforms for the columns of a table."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data._categories import OneHot
from jaxml.data._chain import Chain, check_inverse, check_transform
from jaxml.data._elementwise import Identity
from jaxml.data._impute import Impute
from jaxml.data._numbers import as_float, is_text
from jaxml.data._scale import Standardize
from jaxml.functional._checks import check_choice, check_equal
from jaxml.functional._dtypes import wide_dtype

Name = str | int
Names = tuple[Name, ...]


@jax.tree_util.register_pytree_with_keys_class
class Columns:
    """Each column of a table through its own transform, the results side by side: scikit-learn's `ColumnTransformer`.

    transforms: `{name: transform}`, or a tuple of names for several columns that go through one together. Names are
        those of a dictionary of columns `(N,)`, such as `read_csv` gives, or positions in an array `(N, F)`.
    rest: what happens to columns that are not named: "drop" (nothing is said of them), "keep" (as numbers, after the
        others) or "error".

    The result is `(N, features)`, floating point. `inverse` gives the dictionary (or array) of named columns again.
    Where all columns are numbers, `transform` runs under jit, vmap and grad.

    Errors: ValueError for a column that is not there (with the names that are near), columns of other lengths, one
    named twice, one not named with rest="error", or a transform without an inverse in `inverse`.

    >>> from jaxml import data
    >>> c = Columns({"size": data.MinMax(), "kind": data.OneHot()})
    >>> table = {"size": np.array([1.0, 3.0]), "kind": np.array(["a", "b"])}
    >>> c.fit(table).transform(table).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """

    names: tuple[Names, ...]
    transforms: tuple[Any, ...]
    rest: str
    widths: tuple[int, ...] | None

    def __init__(self, transforms: Mapping[Any, Any], *, rest: str = "drop") -> None:
        check_choice("Columns", "rest", rest, ("drop", "keep", "error"))
        self.names = tuple(key if isinstance(key, tuple) else (key,) for key in transforms)
        self.transforms, self.rest, self.widths = tuple(transforms.values()), rest, None
        if not transforms:
            raise ValueError("Columns: at least one column must be named")
        for transform in self.transforms:
            check_transform("Columns", transform)
        every = [name for names in self.names for name in names]
        if twice := sorted({str(name) for name in every if every.count(name) > 1}):
            raise ValueError(
                f"Columns: {', '.join(twice)} must be named once; use Chain for one transform after another"
            )

    @classmethod
    def auto(cls, table: Mapping[str, Any], *, drop: tuple[str, ...] = (), max_categories: int = 64) -> "Columns":
        """What one usually does: numbers imputed by the median and standardised, text one-hot with unseen ignored.

        All columns of `table` (N,) but those to `drop`. A text column with more than `max_categories` texts (a date,
        a name, an identifier) is a ValueError: it would make as many columns, and teach a model nothing.
        """
        for name in drop:
            _column(table, name)
        texts = [name for name in table if name not in drop and is_text(table[name])]
        for name in texts:
            if (found := len({v for v in table[name] if v is not None})) > max_categories:
                raise ValueError(
                    f"Columns.auto: column {name!r} has {found} different texts, more than max_categories="
                    f"{max_categories}; drop it, or say with Columns what becomes of it"
                )
        numbers = tuple(name for name in table if name not in drop and name not in texts)
        chosen: dict[Any, Any] = {numbers: Chain(Impute("median"), Standardize())} if numbers else {}
        return cls(chosen | {name: OneHot(unseen="ignore") for name in texts})

    def fit(self, x: Any) -> "Columns":
        """One whose transforms are fitted to their columns of `x`."""
        names, transforms = self.names, self.transforms
        every = {name for group in names for name in group}
        left = tuple(name for name in _names_of(x) if name not in every)
        if left and self.rest == "error":
            raise ValueError(f"Columns: {', '.join(map(str, left))} must be given a transform, or choose another rest")
        if left and self.rest == "keep":
            names, transforms = (*names, left), (*transforms, Identity())
        fitted, widths = [], []
        for group, transform in zip(names, transforms, strict=True):
            part = _select(x, group)
            fitted.append(_named_error(group, transform.fit, part))
            widths.append(_flat(fitted[-1].transform(part)).shape[-1])
        return _made(names, tuple(fitted), "drop" if self.rest == "keep" else self.rest, tuple(widths))

    def transform(self, x: Any) -> jax.Array:
        """(N, features): the transformed columns side by side, in the order in which they were named."""
        if self.widths is None:
            raise ValueError("Columns: not fitted yet; use what Columns(...).fit(x) returns")
        parts = []
        for names, transform in zip(self.names, self.transforms, strict=True):
            parts.append(_flat(_named_error(names, transform.transform, _select(x, names))))
        dtype = _widest(parts)
        return jnp.concatenate([p.astype(dtype) for p in parts], axis=-1)

    def inverse(self, z: Any) -> Any:
        """The named columns again: a dictionary of `(N,)`, or for columns named by position `(N, F)`."""
        if self.widths is None:
            raise ValueError("Columns: not fitted yet; use what Columns(...).fit(x) returns")
        check_inverse("Columns", self.transforms)
        z = as_float("Columns", z)
        check_equal("Columns", "the number of features", z.shape[-1] if z.ndim else 0, sum(self.widths), z=z)
        columns: dict[Name, Any] = {}
        start = 0
        for names, transform, width in zip(self.names, self.transforms, self.widths, strict=True):
            part = transform.inverse(z[..., start : start + width])
            columns |= {name: part[..., n] for n, name in enumerate(names)}
            start += width
        if all(isinstance(name, int) for name in columns):
            ordered = [columns[name] for name in sorted(columns)]
            host = any(isinstance(column, np.ndarray) for column in ordered)
            return np.stack(ordered, -1) if host else jnp.stack(ordered, -1)
        return columns

    def __repr__(self) -> str:
        pairs = ", ".join(
            f"{n[0] if len(n) == 1 else n!r}: {t!r}" for n, t in zip(self.names, self.transforms, strict=True)
        )
        return f"Columns({{{pairs}}}, rest={self.rest!r})"

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        keys = (jax.tree_util.DictKey(", ".join(map(str, names))) for names in self.names)
        return list(zip(keys, self.transforms, strict=True)), (self.names, self.rest, self.widths)

    @classmethod
    def tree_unflatten(cls, static: Any, transforms: Any) -> "Columns":
        names, rest, widths = static
        return _made(names, tuple(transforms), rest, widths)


def _made(names: tuple[Names, ...], transforms: tuple[Any, ...], rest: str, widths: Any) -> Columns:
    made = object.__new__(Columns)
    made.names, made.transforms, made.rest, made.widths = names, transforms, rest, widths
    return made


def _names_of(x: Any) -> list[Name]:
    return list(x) if isinstance(x, Mapping) else list(range(np.shape(x)[-1])) if np.ndim(x) else []


def _column(x: Mapping[str, Any], name: Any) -> Any:
    if name not in x:
        near = get_close_matches(str(name), [str(n) for n in x], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(map(str, x))}"
        raise ValueError(f"Columns: x has no column {name!r}{hint}")
    return x[name]


def _select(x: Any, names: Names) -> Any:
    """(N, k): the named columns, as numbers if they all are."""
    if not isinstance(x, Mapping):
        if not hasattr(x, "shape"):
            x = np.asarray(x, object if is_text(x) else None)
        if x.ndim == 0 or any(not isinstance(name, int) or not -x.shape[-1] <= name < x.shape[-1] for name in names):
            raise ValueError(
                f"Columns: x must have the columns {', '.join(map(str, names))}, got an array of shape {x.shape}; "
                "names are for a dictionary of columns, positions for an array"
            )
        return x[..., np.array(names)]
    columns = [_column(x, name) for name in names]
    columns = [c if hasattr(c, "shape") else np.asarray(c, object if is_text(c) else None) for c in columns]
    for name, column in zip(names, columns, strict=True):
        if column.ndim > 1 or column.shape != columns[0].shape:
            wanted = f"{columns[0].shape}" if columns[0].ndim < 2 else "(N,)"
            raise ValueError(f"Columns: column {name!r} must have the shape {wanted}, got {column.shape}")
    if any(isinstance(column, jax.Array) for column in columns):
        return jnp.stack([as_float("Columns", column) for column in columns], axis=-1)
    text = any(is_text(column) for column in columns)
    return np.stack([column.astype(object) if text else column for column in columns], axis=-1)


def _named_error(names: Names, f: Any, x: Any) -> Any:
    """`f(x)`, whose errors say which columns `x` was."""
    try:
        return f(x)
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):  # one of JAX's own, that is made otherwise
            raise
        raise type(error)(f"{error} [column {', '.join(map(repr, names))}]") from error


def _flat(part: Any) -> jax.Array:
    """(N, width), floating point or whole numbers."""
    if is_text(part):
        raise TypeError("Columns: the result must be numbers, got text; add OneHot or Ordinal after the last transform")
    return jnp.asarray(part)


def _widest(parts: list[jax.Array]) -> Any:
    """The floating point dtype that holds all parts; of positions alone, JAX's default one."""
    floats = {p.dtype for p in parts if jnp.issubdtype(p.dtype, jnp.floating)}
    if not floats:
        return jax.dtypes.canonicalize_dtype(np.float64)
    return (
        floats.pop() if len(floats) == 1 else max(map(wide_dtype, floats), key=lambda dtype: jnp.dtype(dtype).itemsize)
    )
