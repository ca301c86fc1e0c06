"""Categories as numbers: one column for each, or their position in the list."""

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data._numbers import is_missing
from jaxml.functional._checks import check_choice, check_equal

STATIC = {"static": True}
POLICIES = ("error", "ignore", "category")
Categories = tuple[tuple[str | float | None, ...], ...]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class OneHot:
    """One column of 0 and 1 for each category: `(N,)` or `(N, F)` of text or numbers gives `(N, columns)`, float32.

    The categories of a feature are those that `fit` saw, sorted; then, if it saw any, what is missing (None, NaN);
    then with `unseen="category"` all else.

    unseen: what a category does that `fit` did not see: "error", "ignore" (a row of zeros), or "category" (a column).
    missing: likewise; "category" is a column if `fit` saw any, and otherwise it is unseen.

    Computed on the host, for text has no place on a device. `inverse` gives the categories again, as Python objects
    `(N, F)`, and None for what is missing, unseen or all zeros. As scikit-learn's `OneHotEncoder`.

    Errors: ValueError for an unknown option, no examples, another number of features, a category not seen, or a
    missing one, where that is an error.

    >>> f = OneHot(unseen="ignore").fit(["a", "b", None])
    >>> f.transform(["b", None, "z"]).tolist(), f.inverse([[1, 0, 0]]).tolist()
    ([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], [['a']])
    """

    _: KW_ONLY
    unseen: str = field(default="error", metadata=STATIC)
    missing: str = field(default="category", metadata=STATIC)
    categories: Categories | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        check_choice("OneHot", "unseen", self.unseen, POLICIES)
        check_choice("OneHot", "missing", self.missing, POLICIES)

    def fit(self, x: Any) -> "OneHot":
        """One that knows the categories of `x`."""
        return replace(self, categories=_found("OneHot", x, self.missing))

    def transform(self, x: Any) -> jax.Array:
        """The columns of each feature side by side."""
        places = _positions("OneHot", x, self.categories, self.unseen, self.missing)
        hot = [p[:, None] == np.arange(width) for p, width in zip(places.T, self._widths(), strict=True)]
        return jnp.asarray(np.concatenate(hot, axis=1), jnp.float32)

    def inverse(self, z: Any) -> np.ndarray:
        """The category whose column is largest, for each feature."""
        z, widths = np.asarray(z), self._widths()
        check_equal("OneHot", "the shape of z", z.shape, (len(z), sum(widths)))
        parts = np.split(z, np.cumsum(widths)[:-1], axis=1)
        # `initial`: a feature that was missing everywhere may have no column at all.
        places = [np.where(p.max(axis=1, initial=0) > 0, p.argmax(axis=1) if p.size else -1, -1) for p in parts]
        return _named(np.stack(places, axis=1), self.categories or ())

    def _widths(self) -> list[int]:
        if self.categories is None:
            raise ValueError("OneHot: not fitted yet; use what OneHot(...).fit(x) returns")
        return [len(c) + (self.unseen == "category") for c in self.categories]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Ordinal:
    """The position of each category in the sorted list: `(N,)` or `(N, F)` of text or numbers, of that shape, int32.

    Categories, `unseen` and `missing` as in `OneHot`, where "ignore" gives -1. For embeddings, and for models that
    compare numbers; a linear one would take the order at its word. As scikit-learn's `OrdinalEncoder`.

    >>> f = Ordinal(unseen="ignore").fit(["b", "a"])
    >>> f.transform(["a", "b", "z"]).tolist(), f.inverse([1, -1]).tolist()
    ([0, 1, -1], ['b', None])
    """

    _: KW_ONLY
    unseen: str = field(default="error", metadata=STATIC)
    missing: str = field(default="category", metadata=STATIC)
    categories: Categories | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        check_choice("Ordinal", "unseen", self.unseen, POLICIES)
        check_choice("Ordinal", "missing", self.missing, POLICIES)

    def fit(self, x: Any) -> "Ordinal":
        """One that knows the categories of `x`."""
        return replace(self, categories=_found("Ordinal", x, self.missing))

    def transform(self, x: Any) -> jax.Array:
        """The position of each category."""
        places = _positions("Ordinal", x, self.categories, self.unseen, self.missing)
        return jnp.asarray(places.reshape(np.shape(x)), jnp.int32)

    def inverse(self, z: Any) -> np.ndarray:
        """The category at each position; None at those that are none."""
        if self.categories is None:
            raise ValueError("Ordinal: not fitted yet; use what Ordinal(...).fit(x) returns")
        z = np.asarray(z)
        places = _columns("Ordinal", z).astype(np.int64)
        check_equal("Ordinal", "the number of features", places.shape[1], len(self.categories), z=z)
        return _named(places, self.categories).reshape(z.shape)


def _columns(function: str, x: Any) -> np.ndarray:
    """(N, F), Python objects."""
    x = np.asarray(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"{function}: x must have 1 or 2 axes (N,) or (N, F), got {x.ndim} (x: {x.shape})")
    return (x if x.ndim == 2 else x[:, None]).astype(object)


def _plain(value: Any) -> Any:
    """NumPy's strings and numbers as Python's, which are what a file can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _found(function: str, x: Any, missing: str) -> Categories:
    columns = _columns(function, x)
    if len(columns) == 0:
        raise ValueError(f"{function}: x must have at least one example to be fitted on, got shape {np.shape(x)}")
    found = []
    for f, column in enumerate(columns.T):
        gaps = [is_missing(v) for v in column]
        if any(gaps) and missing == "error":
            raise ValueError(f"{function}: example {gaps.index(True)} of feature {f} is missing; Impute it before")
        values = {_plain(v) for v, gap in zip(column, gaps, strict=True) if not gap}
        if odd := [v for v in values if not isinstance(v, str | int | float)]:
            raise TypeError(f"{function}: categories must be text or numbers, got {odd[0]!r}")
        known = sorted(values, key=lambda v: (isinstance(v, str), v))
        found.append((*known, *([None] if any(gaps) and missing == "category" else [])))
    return tuple(found)


def _positions(function: str, x: Any, categories: Categories | None, unseen: str, missing: str) -> np.ndarray:
    """(N, F): the place of every value among the categories of its feature, -1 for those to ignore."""
    if categories is None:
        raise ValueError(f"{function}: not fitted yet; use what {function}(...).fit(x) returns")
    columns = _columns(function, x)
    check_equal(function, "the number of features", columns.shape[1], len(categories), x=columns)
    places = np.full(columns.shape, -1, np.int64)
    for f, known in enumerate(categories):
        place_of = {value: place for place, value in enumerate(known)}
        for n, value in enumerate(columns[:, f]):
            gap = is_missing(value)
            place = place_of.get(None if gap else value)
            if place is not None:
                places[n, f] = place
                continue
            policy = missing if gap and missing != "category" else unseen
            if policy == "error":
                what = "is missing" if gap else f"is {value!r}"
                listed = ", ".join(repr(v) for v in known[:8]) + (", ..." if len(known) > 8 else "")
                option = "missing" if gap and missing == "error" else "unseen"
                raise ValueError(
                    f"{function}: example {n} of feature {f} {what}, which fit did not see (it saw {listed}); "
                    f'choose {option}="ignore" or "category"'
                )
            if policy == "category":
                places[n, f] = len(known)
    return places


def _named(places: np.ndarray, categories: Categories) -> np.ndarray:
    named = np.full(places.shape, None, object)
    for f, known in enumerate(categories):
        named[:, f] = [known[p] if 0 <= p < len(known) else None for p in places[:, f]]
    return named
