"""What the modules share: the number of entries of an option, frozen padding, parameters, and the dtype of a call."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike

from jaxml.functional._checks import check_choice, check_positive
from jaxml.functional._padding import Padding, to_tuple
from jaxml.nn._low_rank import LowRank

IntOrTuple = int | Sequence[int]


def spatial(module: str, name: str, value: IntOrTuple, n: int | None = None) -> tuple[int, ...]:
    """`value` as positive integers, one a spatial axis; without `n`, a sequence says the rank and an int means 2d."""
    if n is None:
        n = len(value) if isinstance(value, Sequence) else 2
        check_choice(module, f"the number of entries of {name}", n, (1, 2, 3))
    return to_tuple(module, name, value, n)


def freeze_padding(module: str, padding: Padding) -> str | int | tuple:
    """`padding` with lists turned into tuples (static configuration must be hashable); unknown words are errors."""
    if isinstance(padding, str):
        check_choice(module, "padding", padding, ("SAME", "VALID"))
        return padding
    if isinstance(padding, Sequence):
        return tuple(tuple(p) if isinstance(p, Sequence) else p for p in padding)
    if isinstance(padding, bool) or not isinstance(padding, int):
        raise ValueError(f"{module}: padding must be 'SAME', 'VALID', an int or pairs, got {padding!r}")
    return padding


def check_groups(module: str, groups: int, in_features: int, out_features: int) -> None:
    """`groups` divides both numbers of features."""
    check_positive(module, "groups", (groups,))
    if in_features % groups or out_features % groups:
        raise ValueError(
            f"{module}: groups must divide in_features and out_features, got groups={groups}, "
            f"in_features={in_features}, out_features={out_features}"
        )


def cast(x: Array, *params: Array | None, dtype: DTypeLike | None = None) -> tuple:
    """`(x, *params)` in the dtype the call computes in: `dtype`, or x's own.

    Parameters stay as they are stored; only this call's copies change, so that a bfloat16 input runs in bfloat16
    while float32 parameters are trained. An integer `x`, or a list, passes through, for the functional to refuse by
    name.
    """
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.floating):
        return (x, *params)
    dtype = x.dtype if dtype is None else dtype
    return tuple(None if a is None else a.astype(dtype) for a in (x, *params))


def in_dtype(*xs: Any, dtype: DTypeLike | None) -> Any:
    """Inputs in `dtype`, or as they are where that is None; what is not floating is for the functional to refuse."""

    def one(x: Any) -> Any:
        floating = hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)
        return x.astype(dtype) if floating and dtype is not None else x

    return one(xs[0]) if len(xs) == 1 else tuple(map(one, xs))


def filled(use: bool, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> nnx.Param | None:
    """A parameter that starts as a constant, or None where it is not used."""
    return nnx.Param(jnp.full(shape, value, dtype)) if use else None


def read(param: nnx.Variable | LowRank | None) -> Array | None:
    """The array of a parameter, if there is one."""
    return None if param is None else param[...]
