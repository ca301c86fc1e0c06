"""What is known of a value beyond its type, where the cost of a later operation depends on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax.core import Tracer
from jax.extend.core import Literal


@dataclass(frozen=True)
class Fact:
    """reversed: an odd number of `lax.rev` made it. value: the number it is, if it is a constant scalar.

    platform: it says on which platform the program runs, as the index of a `lax.platform_dependent` does.
    """

    reversed: bool = False
    value: int | float | None = None
    platform: bool = False


UNKNOWN = Fact()
# These leave an array what it is, but for its layout; among them is what vmap puts before a convolution.
LAYOUT = {"reshape", "transpose", "squeeze", "expand_dims", "convert_element_type", "broadcast_in_dim", "copy", "pcast"}

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


def outcome(name: str, inputs: Sequence[Fact]) -> Fact:
    """The fact of the result of a primitive, from those of its operands."""
    if name == "rev":
        return Fact(reversed=not inputs[0].reversed)
    if name == "platform_index" or (name in ("convert_element_type", "clamp") and any(f.platform for f in inputs)):
        return Fact(platform=True)
    if name in LAYOUT and inputs:
        return Fact(inputs[0].reversed, inputs[0].value if name == "convert_element_type" else None)
    return UNKNOWN


def reversed_later(jaxpr: Any) -> set[Any]:
    """The variables that end up reversed by an odd number of `lax.rev`."""
    found: set[Any] = set()
    for eqn in reversed(jaxpr.eqns):
        name = eqn.primitive.name
        if (name == "rev") != (eqn.outvars[0] in found if name in LAYOUT | {"rev"} else False):
            found.add(eqn.invars[0])
    return found
