"""Checks of hyper-parameters, on Python numbers only: arrays are values of a traced program and pass."""

import difflib
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from jax import Array

Number = float | int | Array
# A schedule maps the number of updates made so far (0 at the first) to a learning rate.
LearningRate = Number | Callable[..., Any]
# Which parameters decay: a tree of booleans like the parameters (or its beginning), or a function that makes one.
DecayMask = Any

STYLES = ("torch", "keras", "optax")
LIBRARIES = {"torch": "PyTorch", "keras": "Keras", "optax": "Optax"}


def check_style(function: str, style: str, styles: tuple[str, ...] = STYLES) -> None:
    """One of `styles`: those of the libraries that have this optimizer."""
    if style in styles:
        return
    missing = f"{LIBRARIES[style]} has no {function}; " if style in LIBRARIES else ""
    near = difflib.get_close_matches(str(style).lower(), styles, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, styles))
    raise ValueError(f"{function}: {missing}style must be one of {listed}, got {style!r}{hint}")


def check_number(function: str, name: str, value: Any) -> None:
    """A Python number or an array: a string or `None` would otherwise fail far from here, in the first update.

    A flag is none: `adam(True)` would learn at a rate of 1.
    """
    if isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_:
        raise TypeError(f"{function}: {name} must be a number, got {value}")
    if not isinstance(value, Real) and not hasattr(value, "dtype"):
        raise TypeError(f"{function}: {name} must be a number, got {type(value).__name__}")


def check_not_negative(function: str, **values: Any) -> None:
    for name, value in values.items():
        check_number(function, name, value)
        if isinstance(value, Real) and not 0 <= float(value) < math.inf:
            raise ValueError(f"{function}: {name} must be finite and not negative, got {value}")


def check_learning_rate(function: str, value: Any) -> None:
    if not callable(value):
        check_not_negative(function, learning_rate=value)


def check_decay(function: str, **values: Any) -> None:
    """Shares of an old value that is kept: 0 <= value < 1, since at 1 nothing new would ever enter."""
    for name, value in values.items():
        check_number(function, name, value)
        if isinstance(value, Real) and not 0 <= float(value) < 1:
            raise ValueError(f"{function}: {name} must be at least 0 and less than 1, got {value}")


def check_positive(function: str, **values: Any) -> None:
    for name, value in values.items():
        check_number(function, name, value)
        if isinstance(value, Real) and not 0 < float(value) < math.inf:
            raise ValueError(f"{function}: {name} must be positive, got {value}")


def check_eps(function: str, eps: Any) -> None:
    """Above zero: with eps = 0 a parameter whose gradient has been zero so far becomes NaN."""
    check_positive(function, eps=eps)


def check_only_for(function: str, option: str, given: bool, style: str, styles: tuple[str, ...]) -> None:
    """An option that the libraries behind the other styles do not have."""
    if given and style not in styles:
        listed = " or ".join(f"style={s!r}" for s in styles)
        raise ValueError(f"{function}: {option} exists only with {listed}, got style={style!r}")


def is_zero(value: Any) -> bool:
    """A number that is known to be zero before anything runs, so that what it multiplies is left out."""
    return isinstance(value, Real) and float(value) == 0
