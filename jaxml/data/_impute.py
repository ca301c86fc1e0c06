"""Values in place of those that are missing."""

import math
import warnings
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data._numbers import as_float, is_missing, is_text
from jaxml.data._statistics import checked, compute, fitted, sample
from jaxml.functional._checks import check_choice

STATIC = {"static": True}
STRATEGIES = ("mean", "median", "most_frequent", "constant")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Impute:
    """Fill what is missing, NaN or None, with a value for each feature of `(N, ...)`.

    strategy: "mean", "median", "most_frequent" (the least of those equally frequent) or "constant" (`value`). Text
        takes the latter two; it is filled on the host and stays text.
    value: what a "constant" is, and what fills a feature that had no value at all when fitted; None is 0, and for
        text "missing".
    indicator: of x `(N, F)`, for every feature that missed values when fitted, one more column that is 1 where this
        one is missing: `(N, F + missing)`.

    As scikit-learn's `SimpleImputer(keep_empty_features=True)`. Numbers are filled under jit, vmap and grad; the
    derivative by what was missing is 0. `inverse` needs the indicator, and makes NaN again of what it says.

    Errors: ValueError for an unknown strategy, infinite values or no examples in `fit`, or other features than those
    it was fitted on; TypeError for text where the strategy computes, or a value of the other kind.

    >>> f = Impute("median", indicator=True).fit([[1.0], [3.0], [None]])
    >>> f.transform([[None], [5.0]]).tolist(), f.inverse([[2.0, 1.0]]).tolist()
    ([[2.0, 1.0], [5.0, 0.0]], [[nan]])
    """

    strategy: str = field(default="mean", metadata=STATIC)
    _: KW_ONLY
    value: float | str | None = field(default=None, metadata=STATIC)
    indicator: bool = field(default=False, metadata=STATIC)
    fill: Any = None
    fill_text: tuple[str, ...] | None = field(default=None, metadata=STATIC)
    missing: tuple[int, ...] = field(default=(), metadata=STATIC)

    def __post_init__(self) -> None:
        check_choice("Impute", "strategy", self.strategy, STRATEGIES)
        if self.strategy == "constant" and self.value is None:
            raise ValueError('Impute: value must be given with strategy="constant"')

    def fit(self, x: Any, *, where: Any = None) -> "Impute":
        """One with the fill of each feature of `x`, or of its entries where the mask `where` is True."""
        if is_text(x):
            return self._fit_text(np.asarray(x, object), where)
        if isinstance(self.value, str):
            raise TypeError(f"Impute: value must be a number for numbers, got {self.value!r}")
        values = sample("Impute", x, 0, where)
        instead = 0.0 if self.value is None else float(self.value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of features without a value
            if self.strategy == "constant":
                fill = np.full(values.shape[1:], instead)
            elif self.strategy == "most_frequent":
                fill = np.apply_along_axis(_most_frequent, 0, values)
            else:
                fill = {"mean": np.nanmean, "median": np.nanmedian}[self.strategy](values, axis=0)
        fill = np.where(np.isnan(fill), instead, fill)
        return replace(self, fill=fill, fill_text=None, missing=self._missing(np.isnan(values)))

    def transform(self, x: Any) -> Any:
        """`x` with the gaps filled, and the indicator's columns after it."""
        if self.fill_text is not None:
            return self._fill_text(np.asarray(x, object))
        fitted("Impute", self.fill)
        given = checked("Impute", x, self.fill, 0)
        _, fill = compute(given, self.fill)
        gaps = jnp.isnan(given)
        filled = jnp.where(gaps, fill.astype(given.dtype), given)
        if not self.missing:
            return filled
        return jnp.concatenate([filled, gaps[..., self.missing].astype(given.dtype)], axis=-1)

    def inverse(self, z: Any) -> jax.Array:
        """`z` without the indicator's columns, NaN where they say so."""
        if not self.indicator:
            raise ValueError("Impute: inverse needs indicator=True: without it nothing says what was missing")
        fitted("Impute", self.fill)
        z = as_float("Impute", z)
        n, m = self.fill.shape[0], len(self.missing)
        if z.ndim == 0 or z.shape[-1] != n + m:
            raise ValueError(f"Impute: z must have {n} features and {m} indicators, got {z.shape}")
        gaps = jnp.zeros((*z.shape[:-1], n), bool).at[..., self.missing].set(z[..., n:] > 0.5)
        return jnp.where(gaps, jnp.nan, z[..., :n])

    def _missing(self, gaps: np.ndarray) -> tuple[int, ...]:
        if not self.indicator:
            return ()
        if gaps.ndim != 2:
            raise ValueError(f"Impute: x must be (N, F) for indicator=True, got {gaps.shape}")
        return tuple(int(i) for i in np.flatnonzero(gaps.any(axis=0)))

    def _fit_text(self, x: np.ndarray, where: Any) -> "Impute":
        if self.strategy in ("mean", "median"):
            raise TypeError(f'Impute: strategy must be "most_frequent" or "constant" for text, got {self.strategy!r}')
        if self.indicator or where is not None:
            raise ValueError("Impute: indicator and where are for numbers; OneHot makes a category of what is missing")
        if self.value is not None and not isinstance(self.value, str):
            raise TypeError(f"Impute: value must be text for text, got {self.value!r}")
        instead = "missing" if self.value is None else self.value
        columns = x.reshape(-1, math.prod(x.shape[1:])).T
        if self.strategy == "constant":
            return replace(self, fill=None, fill_text=(instead,) * len(columns))
        return replace(self, fill=None, fill_text=tuple(_most_frequent_text(c, instead) for c in columns))

    def _fill_text(self, x: np.ndarray) -> np.ndarray:
        columns = x.reshape(-1, math.prod(x.shape[1:])).copy()
        if columns.shape[1] != len(self.fill_text or ()):
            raise ValueError(f"Impute: x must have {len(self.fill_text or ())} columns, as in fit, got {x.shape}")
        for column, fill in zip(columns.T, self.fill_text or (), strict=True):
            column[[is_missing(v) for v in column]] = fill
        return columns.reshape(x.shape)


def _most_frequent(values: np.ndarray) -> float:
    found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return float(found[counts.argmax()]) if len(found) else np.nan


def _most_frequent_text(column: np.ndarray, instead: str) -> str:
    counts = Counter(v for v in column if not is_missing(v))
    return min(counts, key=lambda v: (-counts[v], v)) if counts else instead
