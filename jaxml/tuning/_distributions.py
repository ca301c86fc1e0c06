"""What random search draws from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxml.functional._checks import check_above, check_within


@runtime_checkable
class Distribution(Protocol):
    """Anything with `sample(key, n)`, an array of n numbers."""

    def sample(self, key: Array, n: int) -> Array:
        """n draws, (n,)."""
        ...


@dataclass(frozen=True)
class Uniform:
    """A number between `low` and `high`, every one as likely.

    Errors: `ValueError` unless both are finite and `low` is less than `high`.

    >>> Uniform(0.0, 0.9).sample(jax.random.key(0), 3).shape
    (3,)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check_above("Uniform", "low", self.low, -np.inf)
        check_above("Uniform", "high", self.high, self.low)

    def sample(self, key: Array, n: int) -> Array:
        """n draws, (n,)."""
        return jax.random.uniform(key, (n,), minval=self.low, maxval=self.high)


@dataclass(frozen=True)
class LogUniform:
    """A number between `low` and `high` whose logarithm is uniform: as often in [1e-4, 1e-3] as in [1e-3, 1e-2].

    Errors: `ValueError` unless `low` is above 0, `high` finite and above `low`.

    >>> LogUniform(1e-4, 1.0).sample(jax.random.key(0), 3).shape
    (3,)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check_above("LogUniform", "low", self.low, 0)
        check_above("LogUniform", "high", self.high, self.low)

    def sample(self, key: Array, n: int) -> Array:
        """n draws, (n,)."""
        return jnp.exp(jax.random.uniform(key, (n,), minval=np.log(self.low), maxval=np.log(self.high)))


@dataclass(frozen=True)
class Integers:
    """An integer from `low` to `high`, both included, every one as likely.

    Errors: `ValueError` unless `low` is less than `high`; `TypeError` for what is no integer.

    >>> Integers(1, 3).sample(jax.random.key(0), 4).dtype
    dtype('int32')
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int | np.integer):
                raise TypeError(f"Integers: {name} must be an integer, got {getattr(self, name)!r}")
        check_within("Integers", "high", self.high, self.low + 1)

    def sample(self, key: Array, n: int) -> Array:
        """n draws, (n,)."""
        return jax.random.randint(key, (n,), self.low, self.high + 1)


@dataclass(frozen=True)
class Choice:
    """One of `values`, which are numbers, every one as likely.

    Errors: `ValueError` for no values; `TypeError` for values that are no numbers.

    >>> Choice((16, 32, 64)).sample(jax.random.key(0), 4).dtype
    dtype('int32')
    """

    values: Sequence[Any] | np.ndarray

    def __post_init__(self) -> None:
        numbers("Choice", "values", self.values)

    def sample(self, key: Array, n: int) -> Array:
        """n draws, (n,)."""
        return jax.random.choice(key, jnp.asarray(numbers("Choice", "values", self.values)), (n,))


def numbers(function: str, name: str, values: Any) -> np.ndarray:
    """Values of a hyper-parameter as an array (n,).

    Errors: `ValueError` for none, `TypeError` for what is not a sequence of numbers.
    """
    array = np.asarray(values) if not isinstance(values, str) else np.array(values)
    if array.dtype.kind not in "bif" and array.size:
        raise TypeError(
            f"{function}: {name} must be numbers, got {values!r}; what is no number changes the program: search once "
            f"for each, with functools.partial"
        )
    if array.ndim != 1:
        raise TypeError(f"{function}: {name} must be a sequence of numbers, such as [0.1, 0.01], got {values!r}")
    if not array.size:
        raise ValueError(f"{function}: {name} must hold at least one value, got none")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{function}: {name} must be finite, got {values!r}")
    return array
