"""What is known of a value beyond its type, where the cost of a later operation depends on it."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax.core import Tracer
from jax.extend.core import Literal


@dataclass(frozen=True)
class Fact:
    """reversed: an odd number of `lax.rev` of a transposition made it. value: the number it is, if a constant scalar.

    platform: it says on which platform the program runs, as the index of a `lax.platform_dependent` does.
    """

    reversed: bool = False
    value: int | float | None = None
    platform: bool = False


UNKNOWN = Fact()
# These leave an array what it is, but for its layout; among them is what vmap puts before a convolution.
LAYOUT = {"reshape", "transpose", "squeeze", "expand_dims", "convert_element_type", "broadcast_in_dim", "copy", "pcast"}


def _quotient(a: int, b: int) -> int:
    """Rounded towards zero, as XLA divides."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


# What makes a number of integers that are known: the bound of a loop is often one (`n - 1`; `n // 2` is many of these).
FOLDED: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "max": max, "min": min,
    "div": _quotient, "rem": lambda a, b: a - b * _quotient(a, b), "sign": lambda a: (a > 0) - (a < 0),
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "and": operator.and_, "or": operator.or_, "select_n": lambda which, *cases: cases[which],
}  # fmt: skip

Facts = dict[Any, Fact]


def fact_of(atom: Any, facts: Mapping[Any, Fact]) -> Fact:
    """Of a variable or a literal."""
    if isinstance(atom, Literal):
        return constant(atom.val)
    return facts.get(atom, UNKNOWN)


def constant(value: Any) -> Fact:
    """Of a number known while tracing."""
    if isinstance(value, Tracer) or getattr(value, "ndim", 0) or isinstance(value, bool):
        return UNKNOWN
    try:
        return Fact(value=value.item() if hasattr(value, "item") else value + 0)
    except (TypeError, ValueError):  # a random key, say
        return UNKNOWN


def outcome(name: str, inputs: Sequence[Fact], transposed: int) -> Fact:
    """The fact of the result of a primitive, from those of its operands. A `lax.rev` of the user's is no mark."""
    if name == "rev":
        return Fact(reversed=inputs[0].reversed != bool(transposed))
    if name == "platform_index" or (name in ("convert_element_type", "clamp") and any(f.platform for f in inputs)):
        return Fact(platform=True)
    if name in LAYOUT and inputs:
        return Fact(inputs[0].reversed, inputs[0].value if name == "convert_element_type" else None)
    return Fact(value=_folded(name, [fact.value for fact in inputs])) if name in FOLDED else UNKNOWN


def _folded(name: str, values: list[Any]) -> int | None:
    """Of integers, as long as the result is one that cannot have wrapped around in 32 bits."""
    if not all(isinstance(value, int) for value in values) or (name in ("div", "rem") and values[1] == 0):
        return None
    result = int(FOLDED[name](*values))
    return result if abs(result) < 2**31 else None


def reversed_later(jaxpr: Any) -> set[Any]:
    """The variables that end up reversed by an odd number of `lax.rev`."""
    found: set[Any] = set()
    for eqn in reversed(jaxpr.eqns):
        name = eqn.primitive.name
        if (name == "rev") != (eqn.outvars[0] in found if name in LAYOUT | {"rev"} else False):
            found.add(eqn.invars[0])
    return found
