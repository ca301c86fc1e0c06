"""Checks of hyper-parameters, on Python numbers only: arrays are values of a traced program and pass."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from jax import Array

Number = float | int | Array
# A schedule maps the number of updates made so far (0 at the first) to a learning rate.
LearningRate = Number | Callable[..., Any]

STYLES = ("torch", "keras", "optax")


def check_style(function: str, style: str) -> None:
    if style not in STYLES:
        raise ValueError(f"{function}: style must be one of {', '.join(map(repr, STYLES))}, got {style!r}")


def check_number(function: str, name: str, value: Any) -> None:
    """A Python number or an array: a string or `None` would otherwise fail far from here, in the first update."""
    if not isinstance(value, Real) and not hasattr(value, "dtype"):
        raise TypeError(f"{function}: {name} must be a number, got {type(value).__name__}")


def check_learning_rate(function: str, value: Any) -> None:
    if not callable(value):
        check_number(function, "learning_rate", value)
    if isinstance(value, Real) and not 0 <= float(value) < math.inf:
        raise ValueError(f"{function}: learning_rate must be finite and not negative, got {value}")


def check_decay(function: str, **values: Any) -> None:
    """Shares of an old value that is kept: 0 <= value < 1, since at 1 nothing new would ever enter."""
    for name, value in values.items():
        check_number(function, name, value)
        if isinstance(value, Real) and not 0 <= float(value) < 1:
            raise ValueError(f"{function}: {name} must be at least 0 and less than 1, got {value}")


def check_eps(function: str, eps: Any) -> None:
    """Above zero: with eps = 0 a parameter whose gradient has been zero so far becomes NaN."""
    check_number(function, "eps", eps)
    if isinstance(eps, Real) and not 0 < float(eps) < math.inf:
        raise ValueError(f"{function}: eps must be positive, got {eps}")


def check_only_for(function: str, option: str, given: bool, style: str, styles: tuple[str, ...]) -> None:
    """An option that the libraries behind the other styles do not have."""
    if given and style not in styles:
        listed = " or ".join(f"style={s!r}" for s in styles)
        raise ValueError(f"{function}: {option} exists only with {listed}, got style={style!r}")
