"""Value, first and second derivative together, in NumPy's extended precision: the exact form of an activation.

`np.longdouble` reaches to 1e4932, so that no product of a float64 overflows in it, and 1e1000 stands for infinity.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

WIDE = np.longdouble
EXACT = np.finfo(WIDE).maxexp > np.finfo(np.float64).maxexp


@dataclass(frozen=True, eq=False)
class Jet:
    """`f`, `f'` and `f''` at many points."""

    value: Any
    first: Any = 0
    second: Any = 0

    @staticmethod
    def at(points: np.ndarray) -> "Jet":
        x = points.astype(WIDE)
        x = np.where(np.isinf(x), np.copysign(WIDE(10) ** 1000, x), x)
        return Jet(x, np.ones_like(x), np.zeros_like(x))

    def of(self, f: Any, first: Any, second: Any) -> "Jet":
        """A function of this one, given it and its derivatives at `value`."""
        return Jet(f, first * self.first, second * self.first**2 + first * self.second)

    def __add__(self, other: Any) -> "Jet":
        other = other if isinstance(other, Jet) else Jet(other)
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    def __mul__(self, other: Any) -> "Jet":
        o = other if isinstance(other, Jet) else Jet(WIDE(other))
        second = self.second * o.value + 2 * self.first * o.first + self.value * o.second
        return Jet(self.value * o.value, self.first * o.value + self.value * o.first, second)

    def __neg__(self) -> "Jet":
        return self * -1

    def __sub__(self, other: Any) -> "Jet":
        return self + -other

    def __truediv__(self, other: Any) -> "Jet":
        return self * (reciprocal(other) if isinstance(other, Jet) else 1 / WIDE(other))

    __radd__, __rmul__ = __add__, __mul__


def where(condition: Any, a: Any, b: Any) -> Jet:
    a, b = (v if isinstance(v, Jet) else Jet(WIDE(v)) for v in (a, b))
    return Jet(*(np.where(condition, p, q) for p, q in ((a.value, b.value), (a.first, b.first), (a.second, b.second))))


def reciprocal(x: Jet) -> Jet:
    v = 1 / x.value
    return x.of(v, -(v**2), 2 * v**3)


def sqrt(x: Jet) -> Jet:
    v = np.sqrt(x.value)
    return x.of(v, 0.5 / v, -0.25 / v**3)


def expm1(x: Jet) -> Jet:
    return x.of(np.expm1(x.value), np.exp(x.value), np.exp(x.value))


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def sigmoid(x: Jet) -> Jet:
    p, q = _logistic(x.value), _logistic(-x.value)
    return x.of(p, p * q, p * q * (q - p))


def tanh(x: Jet) -> Jet:
    p, q = _logistic(2 * x.value), _logistic(-2 * x.value)
    return x.of(np.tanh(x.value), 4 * p * q, -8 * p * q * np.tanh(x.value))


def softplus(x: Jet) -> Jet:
    p, q = _logistic(x.value), _logistic(-x.value)
    return x.of(np.logaddexp(x.value, WIDE(0)), p, p * q)


def sin(x: Jet) -> Jet:
    return x.of(np.sin(x.value), np.cos(x.value), -np.sin(x.value))


def log1mexp(x: Jet) -> Jet:
    slope = 1 / np.expm1(x.value)
    return x.of(np.log(-np.expm1(-x.value)), slope, -slope * (1 + slope))


def normal_cdf(x: Jet) -> Jet:
    """Its values are those of `math.erfc`, in float64."""
    import math

    v = np.vectorize(lambda a: 0.5 * math.erfc(-a / math.sqrt(2)))(np.clip(x.value, -50, 50).astype(float))
    density = np.exp(-(x.value**2) / 2) / np.sqrt(2 * WIDE(np.pi))
    return x.of(v.astype(WIDE), density, -x.value * density)
