"""Transforms that learn nothing from the data: logarithm, bounds, and the numbers as they are."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data._numbers import as_float, observed

STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Log:
    """`z = log(x + shift)`, elementwise, for features that span orders of magnitude; `log1p` for the default shift.

    `fit` learns nothing but looks: ValueError where some `x + shift` is not above 0. In `transform` such values
    become NaN or -inf, as the logarithm has it. `inverse` takes it back: `exp(z) - shift`.

    >>> Log().fit([[0.0]]).transform([[0.0]]).tolist(), Log(0.0).inverse([[0.0]]).tolist()
    ([[0.0]], [[1.0]])
    """

    shift: float = field(default=1.0, metadata=STATIC)

    def fit(self, x: Any) -> "Log":
        """The same, if all of `x` lies where the logarithm is defined."""
        values = observed("Log", x)
        if np.any(values + self.shift <= 0):
            worst = np.nanmin(values)
            raise ValueError(f"Log: x + shift must be above 0, got {worst} + {self.shift}; choose a larger shift")
        return self

    def transform(self, x: Any) -> jax.Array:
        """`log(x + shift)`."""
        x = as_float("Log", x)
        return jnp.log1p(x) if self.shift == 1 else jnp.log(x + self.shift)

    def inverse(self, z: Any) -> jax.Array:
        """`exp(z) - shift`."""
        z = as_float("Log", z)
        return jnp.expm1(z) if self.shift == 1 else jnp.exp(z) - self.shift


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Clip:
    """Values below `low` become `low` and those above `high`, `high`, elementwise; NaN stays. It has no inverse.

    Errors: ValueError where neither bound is given, or `low` exceeds `high`.

    >>> Clip(0.0, 1.0).transform([-1.0, 0.5, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """

    low: float | None = field(default=None, metadata=STATIC)
    high: float | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("Clip: low or high must be given")
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise ValueError(f"Clip: low must not exceed high, got {self.low} and {self.high}")

    def fit(self, x: Any) -> "Clip":
        """The same: there is nothing to learn."""
        return self

    def transform(self, x: Any) -> jax.Array:
        """`min(max(x, low), high)`."""
        return jnp.clip(as_float("Clip", x), self.low, self.high)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Identity:
    """The numbers as they are, elementwise, as floats: for the columns of a table that need nothing.

    >>> Identity().fit([[1, 2]]).transform([[1, 2]]).tolist()
    [[1.0, 2.0]]
    """

    def fit(self, x: Any) -> "Identity":
        """The same: there is nothing to learn."""
        return self

    def transform(self, x: Any) -> jax.Array:
        """`x`, as floats."""
        return as_float("Identity", x)

    def inverse(self, z: Any) -> jax.Array:
        """`z`, as floats."""
        return as_float("Identity", z)
