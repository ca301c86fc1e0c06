"""The argument checks every public function shares. They read static facts (shapes, dtypes, options), so they run once
while tracing and cost nothing in compiled code; only `check_probabilities` reads values, where there are any."""

import math
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def _describe(arrays: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {tuple(a.shape)}" for name, a in arrays.items() if a is not None)


def check_float(function: str, optional: Mapping[str, Any] | None = None, /, **arrays: Any) -> None:
    """All arrays are floating point and share one dtype; those that are optional may be `None`.

    Python numbers have no shape or dtype of their own and are refused, as are integer arrays: an integer image fed to
    a convolution is nearly always one that was not normalised.
    """
    given = arrays | {name: a for name, a in (optional or {}).items() if a is not None}
    for name, a in given.items():
        if not hasattr(a, "dtype") or not hasattr(a, "shape"):
            raise TypeError(f"{function}: {name} must be an array, got {type(a).__name__}")
        if not jnp.issubdtype(a.dtype, jnp.floating):
            raise TypeError(f"{function}: {name} must be floating point, got {a.dtype}")
    kinds = {name: jnp.dtype(a.dtype).name for name, a in given.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise TypeError(f"{function}: all arrays must share one dtype, got {listed}")


def check_rank(function: str, name: str, array: jax.Array, rank: int | Collection[int], form: str) -> None:
    """`array` has `rank` axes (or one of several ranks); `form` spells them, for example `(N, H, W, C)`."""
    if not hasattr(array, "ndim"):
        raise TypeError(f"{function}: {name} must be an array, got {type(array).__name__}")
    ranks = (rank,) if isinstance(rank, int) else tuple(rank)
    if array.ndim not in ranks:
        wanted = " or ".join(str(r) for r in ranks)
        raise ValueError(
            f"{function}: {name} must have {wanted} axes {form}, got {array.ndim} ({name}: {tuple(array.shape)})"
        )


def check_some_axis(function: str, x: Any, form: str) -> None:
    """`x` is an array with one axis or more; `form` spells them, for example `(N, ...)`."""
    if getattr(x, "ndim", None) is None:
        raise TypeError(f"{function}: x must be an array, got {type(x).__name__}")
    if x.ndim == 0:
        raise ValueError(f"{function}: x must have at least 1 axis {form}, got 0 (x: ())")


def check_equal(function: str, what: str, got: Any, want: Any, **arrays: Any) -> None:
    """`got == want` for a static fact called `what`; the shapes of `arrays` are shown when it is not."""
    if got != want:
        shapes = _describe(arrays)
        raise ValueError(f"{function}: {what} must be {want}, got {got}" + (f" ({shapes})" if shapes else ""))


def check_positive(function: str, name: str, values: Sequence[int]) -> None:
    """Every entry of a static integer option is at least 1."""
    if any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in values):
        raise ValueError(f"{function}: {name} must be positive integers, got {tuple(values)}")


def is_number(value: Any) -> bool:
    """Whether it can be compared while tracing; so can an array without axes that is not traced."""
    return isinstance(value, Real) or (
        isinstance(value, jax.Array | np.ndarray) and value.ndim == 0 and not isinstance(value, Tracer)
    )


def number(function: str, name: str, value: Any) -> Any:
    """A static number as Python's, and NaN for what is none, so that no comparison holds; a flag is an error.

    `True` would count as 1, but whoever writes `rate=True` means something else.
    """
    if isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) == np.bool_:
        raise TypeError(f"{function}: {name} must be a number, got {value}")
    return static(value) if is_number(value) else math.nan


def static(value: Any) -> Any:
    """A number that is checked, in the form that JAX can hash: Python's for an array without axes."""
    return value.item() if isinstance(value, jax.Array | np.ndarray) else value


def known_below(size: Any, limit: int) -> bool:
    """Whether a size is below `limit`; not known of a symbol, which an export for any size has."""
    return isinstance(size, int) and size < limit


def check_number(function: str, name: str, value: Any) -> None:
    """A static number, whatever it is, NaN and infinities too."""
    number(function, name, value)
    if not is_number(value):
        raise ValueError(f"{function}: {name} must be a number known while tracing, got {value}")


def check_finite(function: str, name: str, value: Any) -> None:
    """A static number, neither NaN nor infinite."""
    check_number(function, name, value)
    if not -math.inf < number(function, name, value) < math.inf:
        raise ValueError(f"{function}: {name} must be finite, got {value}")


def check_flags(function: str, **flags: Any) -> None:
    """Each option is True or False: a word, say "false", would count as True."""
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{function}: {name} must be True or False, got {value!r}")


def check_within(function: str, name: str, value: float, low: float, high: float | None = None) -> None:
    """A static number lies between `low` and `high`, both included, or is finite and at least `low`; NaN does neither.

    With `high=inf` infinity is legal, as for the order of a norm.
    """
    given = number(function, name, value)
    if given == math.inf and high is None:
        raise ValueError(f"{function}: {name} must be finite, got {value}")
    if not low <= given <= (math.inf if high is None else high):
        wanted = f"be at least {low}" if high in (None, math.inf) else f"lie between {low} and {high}"
        raise ValueError(f"{function}: {name} must {wanted}, got {value}")


def check_above(function: str, name: str, value: float, low: float, high: float = math.inf) -> None:
    """A static number, and no array, lies between `low` and `high`, neither included; NaN does not."""
    given = number(function, name, value)
    if not isinstance(value, Real) or not low < given < high:
        wanted = f"be finite and above {low}" if high == math.inf else f"lie strictly between {low} and {high}"
        raise ValueError(f"{function}: {name} must {wanted}, got {value}")


def check_choice(function: str, name: str, value: Any, choices: Collection[Any]) -> None:
    """`value` is one of `choices`, and no array or flag that equals one; otherwise the near ones are named first."""
    if isinstance(value, bool | jax.Array | np.ndarray) or not any(value == c for c in choices):
        listed = ", ".join(repr(c) for c in choices)
        near = get_close_matches(str(value), [str(c) for c in choices], n=3)
        hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        raise ValueError(f"{function}: {name} must be one of {listed}, got {value!r}{hint}")


def check_probabilities(function: str, where: Any, **arrays: Any) -> None:
    """Entries lie in [0, 1], but for rounding; what `where` leaves out, and NaN, may be anything.

    Values can be told only where they are known: under `jit`, `grad` and `vmap` nothing is checked.
    """
    for name, a in arrays.items():
        if isinstance(a, Tracer) or isinstance(where, Tracer):
            continue
        rounding = 8 * float(jnp.finfo(a.dtype).eps)
        values = np.asarray(a, np.float64)
        wrong = (values < -rounding) | (values > 1 + rounding)
        if where is not None:
            wrong &= np.asarray(where)
        if wrong.any():
            raise ValueError(f"{function}: {name} must be probabilities, in [0, 1], got {values[wrong][0]:g}")
