"""The argument checks of this part, beside those that all functions share."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxml.functional._checks import check_float


def check_steps(function: str, name: str, arrays: dict[str, Any], flags: dict[str, Any]) -> None:
    """`arrays` are floating, `flags` are boolean, and all have the shape of the first."""
    check_float(function, **arrays)
    shape = next(iter(arrays.values())).shape
    for other, array in {**arrays, **flags}.items():
        if not hasattr(array, "shape"):
            raise TypeError(f"{function}: {other} must be an array, got {type(array).__name__}")
        if array.shape != shape:
            raise ValueError(f"{function}: {other} must have the shape {shape} of {name}, got {array.shape}")
    for other, array in flags.items():
        check_bool(function, other, array)


def check_bool(function: str, name: str, array: jax.Array) -> None:
    if array.dtype != jnp.bool_:
        raise TypeError(f"{function}: {name} must be boolean, got {array.dtype}")


def check_divides(function: str, name: str, value: int, parts: int, what: str) -> None:
    """`value` is a multiple of `parts`, which `what` spells; the nearest that are get named."""
    if value % parts or value < parts:
        below, above = value // parts * parts, -(-value // parts) * parts
        near = f"{below} or {above}" if below else str(above)
        raise ValueError(f"{function}: {name} must be a multiple of {what} = {parts}, got {value}; take {near}")
