"""How often a `while` runs, where that can be proved from the program alone."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import Literal

from jaxml.flops._facts import Fact, constant

COMPARE = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "ne": operator.ne}
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "ne": "ne"}


def trips(params: Any, facts: Sequence[Fact]) -> int | None:
    """Steps of a loop that counts a carried integer up or down by a constant until it meets a constant; else None.

    That is `lax.fori_loop` with bounds known while tracing, and a `lax.while_loop` written so by hand.
    """
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    cond, body = params["cond_jaxpr"].jaxpr, params["body_jaxpr"].jaxpr
    consts, init = facts[:n_cond], facts[n_cond + n_body :]
    made = _made(cond, cond.outvars[0])
    if made is None or made.primitive.name not in COMPARE:
        return None
    name, (left, right) = made.primitive.name, (_unconverted(cond, v) for v in made.invars)
    for compare, counter, limit in ((name, left, right), (MIRRORED[name], right, left)):
        carried = _position(counter, cond.invars[n_cond:])
        end = _constant(limit, cond, body, n_cond, n_body, consts, init)
        if carried is None or end is None or not isinstance(begin := init[carried].value, int):
            continue
        step = _step(body, body.invars[n_body + carried], body.outvars[carried])
        if step is not None and isinstance(end, int):
            steps = _steps(compare, begin, end, step)
            return steps if steps is not None and _fits(begin, end, begin + steps * step, carry=counter.aval) else None
    return None


def _steps(compare: str, begin: int, end: int, step: int) -> int | None:
    if not COMPARE[compare](begin, end):
        return 0
    distance, up = abs(end - begin), end > begin if compare == "ne" else compare in ("lt", "le")
    if step == 0 or (step > 0) != up or (compare == "ne" and distance % step):
        return None  # it would never end, or by overflow
    return distance // abs(step) + 1 if compare in ("le", "ge") else -(-distance // abs(step))


def _fits(*values: int, carry: Any) -> bool:
    """Whether the counter can hold all of these, so that it does not wrap around."""
    if not np.issubdtype(carry.dtype, np.integer):
        return False
    limits = np.iinfo(carry.dtype)
    return all(limits.min <= value <= limits.max for value in values)


def _made(jaxpr: Any, var: Any) -> Any:
    """The equation that makes a variable, if there is one."""
    return next((eqn for eqn in jaxpr.eqns if any(v is var for v in eqn.outvars)), None)


def _unconverted(jaxpr: Any, var: Any) -> Any:
    """What a variable was before it was made wider or narrower: the same number, where both types can hold it."""
    made = _made(jaxpr, var)
    if made is not None and made.primitive.name == "convert_element_type":
        before, after = (v.aval.dtype for v in (made.invars[0], var))
        if np.issubdtype(before, np.integer) and np.can_cast(before, after, "safe"):
            return _unconverted(jaxpr, made.invars[0])
    return var


def _position(var: Any, variables: Sequence[Any]) -> int | None:
    return next((i for i, v in enumerate(variables) if v is var), None)


def _constant(limit: Any, cond: Any, body: Any, n_cond: int, n_body: int, consts: Any, init: Any) -> Any:
    """The value of the bound: written down, passed in, or carried without change."""
    if isinstance(limit, Literal):
        return constant(limit.val).value
    if (at := _position(limit, cond.invars[:n_cond])) is not None:
        return consts[at].value
    at = _position(limit, cond.invars[n_cond:])
    if at is not None and body.outvars[at] is body.invars[n_body + at]:
        return init[at].value
    return None


def _step(body: Any, before: Any, after: Any) -> int | None:
    """What the body adds to the counter, if that is a constant."""
    made = _made(body, after)
    if made is None or made.primitive.name not in ("add", "sub"):
        return None
    left, right = made.invars
    if left is not before and made.primitive.name == "add":
        left, right = right, left
    if left is not before or not isinstance(right, Literal):
        return None
    value = constant(right.val).value
    if not isinstance(value, int):
        return None
    return value if made.primitive.name == "add" else -value
