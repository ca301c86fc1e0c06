"""Shift and scale every feature: by its mean, its range, or its quantiles."""

import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import jax
import numpy as np

from jaxml.data._statistics import checked, compute, fitted, or_else, sample, without_zeros
from jaxml.functional._checks import check_equal

STATIC = {"static": True}


def _quietly(statistic: Callable[..., Any], *args: Any) -> Any:
    """NumPy's statistic of each feature, NaN (and no warning) for one that has no value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return statistic(*args, axis=0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Standardize:
    """Mean 0 and variance 1 for every feature of `(N, ...)`: `z = (x - mean) / scale`.

    mean, scale: of the examples that `fit` saw, over `axis` (`(0, 1, 2)` of images `(N, H, W, C)`: each channel), the
    scale with N in the denominator, as in scikit-learn's `StandardScaler`. Computed in float64 on the host. NaN counts
    for nothing and stays NaN. A feature that is constant has scale 1, and becomes 0; one without a value, mean 0 too.

    `transform` takes a batch or one example `(...)`, and runs under jit, vmap and grad; float16 and bfloat16 are
    computed in float32. `inverse` takes it back.

    Errors: TypeError for text; ValueError for infinite values or no examples in `fit`, for other features than those
    it was fitted on, and before it was.

    >>> s = Standardize().fit([[0.0, 5.0], [2.0, 5.0]])
    >>> s.transform([[4.0, 5.0]]).tolist(), s.inverse([[3.0, 0.0]]).tolist()
    ([[3.0, 0.0]], [[4.0, 5.0]])
    """

    _: KW_ONLY
    axis: int | tuple[int, ...] = field(default=0, metadata=STATIC)
    mean: Any = None
    scale: Any = None

    def fit(self, x: Any, *, where: Any = None) -> "Standardize":
        """One with the statistics of `x`, or of its entries where the mask `where` (it broadcasts) is True."""
        values = sample("Standardize", x, self.axis, where)
        mean = or_else(_quietly(np.nanmean, values), 0)
        centred = values - mean
        variance = or_else(_quietly(np.nanmean, centred**2), 0)
        # What is left of a constant feature is the rounding of its mean: scikit-learn's bound for it.
        count, eps = (~np.isnan(values)).sum(axis=0), np.finfo(np.float64).eps
        constant = variance <= count * eps * variance + (count * mean * eps) ** 2
        return replace(self, mean=mean, scale=np.where(constant, 1.0, np.sqrt(variance)))

    def transform(self, x: Any) -> jax.Array:
        """`(x - mean) / scale`."""
        return _forward("Standardize", x, self.axis, self.mean, self.scale)

    def inverse(self, z: Any) -> jax.Array:
        """`z * scale + mean`."""
        return _backward("Standardize", z, self.axis, self.mean, self.scale)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class MinMax:
    """Every feature of `(N, ...)` from its least value to its largest mapped to `[low, high]`.

        z = low + (x - minimum) / scale,   scale = (maximum - minimum) / (high - low)

    New values beyond what `fit` saw come out beyond `low` and `high`; `Clip` them where that matters. A constant
    feature becomes `low`. NaN, `axis`, precision and errors as in `Standardize`; scikit-learn's `MinMaxScaler`.

    >>> s = MinMax().fit([[0.0], [4.0]])
    >>> s.transform([[1.0], [6.0]]).tolist(), s.inverse([[0.25]]).tolist()
    ([[0.25], [1.5]], [[1.0]])
    """

    low: float = field(default=0.0, metadata=STATIC)
    high: float = field(default=1.0, metadata=STATIC)
    _: KW_ONLY
    axis: int | tuple[int, ...] = field(default=0, metadata=STATIC)
    minimum: Any = None
    scale: Any = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"MinMax: low must be below high, got {self.low} and {self.high}")

    def fit(self, x: Any, *, where: Any = None) -> "MinMax":
        """One with the extremes of `x`, or of its entries where the mask `where` (it broadcasts) is True."""
        values = sample("MinMax", x, self.axis, where)
        minimum, maximum = _quietly(np.nanmin, values), _quietly(np.nanmax, values)
        scale = without_zeros(maximum - minimum) / (self.high - self.low)
        return replace(self, minimum=or_else(minimum, 0), scale=scale)

    def transform(self, x: Any) -> jax.Array:
        """`low + (x - minimum) / scale`."""
        return _forward("MinMax", x, self.axis, self.minimum, self.scale, self.low)

    def inverse(self, z: Any) -> jax.Array:
        """`minimum + (z - low) * scale`."""
        return _backward("MinMax", z, self.axis, self.minimum, self.scale, self.low)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Robust:
    """Median 0 and interquartile range 1 for every feature of `(N, ...)`, whatever its outliers.

        z = (x - median) / scale,   scale = quantile(x, quantiles[1]) - quantile(x, quantiles[0])

    with quantiles interpolated linearly. A feature whose quantiles are equal has scale 1. NaN, `axis`, precision and
    errors as in `Standardize`; scikit-learn's `RobustScaler`.

    >>> s = Robust().fit([[0.0], [1.0], [2.0], [3.0], [100.0]])
    >>> s.transform([[4.0]]).tolist(), s.inverse([[1.0]]).tolist()
    ([[1.0]], [[4.0]])
    """

    quantiles: tuple[float, float] = field(default=(0.25, 0.75), metadata=STATIC)
    _: KW_ONLY
    axis: int | tuple[int, ...] = field(default=0, metadata=STATIC)
    median: Any = None
    scale: Any = None

    def __post_init__(self) -> None:
        check_equal("Robust", "the number of quantiles", len(self.quantiles), 2)
        if not 0 <= self.quantiles[0] < self.quantiles[1] <= 1:
            raise ValueError(f"Robust: quantiles must rise and lie between 0 and 1, got {self.quantiles}")

    def fit(self, x: Any, *, where: Any = None) -> "Robust":
        """One with the quantiles of `x`, or of its entries where the mask `where` (it broadcasts) is True."""
        values = sample("Robust", x, self.axis, where)
        low, high = (_quietly(np.nanquantile, values, q) for q in self.quantiles)
        return replace(self, median=or_else(_quietly(np.nanmedian, values), 0), scale=without_zeros(high - low))

    def transform(self, x: Any) -> jax.Array:
        """`(x - median) / scale`."""
        return _forward("Robust", x, self.axis, self.median, self.scale)

    def inverse(self, z: Any) -> jax.Array:
        """`z * scale + median`."""
        return _backward("Robust", z, self.axis, self.median, self.scale)


def _forward(function: str, x: Any, axis: Any, center: Any, scale: Any, start: float = 0.0) -> jax.Array:
    fitted(function, center, scale)
    given = checked(function, x, center, axis)
    x, center, scale = compute(given, center, scale)
    return ((x - center) / scale + start).astype(given.dtype)


def _backward(function: str, z: Any, axis: Any, center: Any, scale: Any, start: float = 0.0) -> jax.Array:
    fitted(function, center, scale)
    given = checked(function, z, center, axis)
    z, center, scale = compute(given, center, scale)
    return ((z - start) * scale + center).astype(given.dtype)
