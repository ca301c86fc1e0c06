"""Bytes that a program reads and writes at its ends, which no fusion saves."""

from typing import Any

from jax.extend.core import ClosedJaxpr, Literal, Var

from jaxml.flops._calls import BODIES
from jaxml.flops._rules import nbytes

TAKES = {"slice", "dynamic_slice", "gather"}  # of their first operand they read what they take and no more


def ends(closed: ClosedJaxpr) -> tuple[int, int]:
    """Bytes of the inputs as far as they are read, and of the outputs that are not inputs handed through."""
    jaxpr = closed.jaxpr
    written = {v for v in jaxpr.outvars if isinstance(v, Var)} - {*jaxpr.invars}
    return sum(_read(jaxpr, v) for v in jaxpr.invars), sum(nbytes(v.aval) for v in written)


def _read(jaxpr: Any, var: Any) -> int:
    """Bytes that are read of a variable: all, or the sum of what is taken out of it."""
    total, everything = 0, nbytes(var.aval)
    for eqn in jaxpr.eqns:
        for at, operand in enumerate(eqn.invars):
            if isinstance(operand, Literal) or operand is not var:
                continue
            body = next((eqn.params[name] for name in BODIES if hasattr(eqn.params.get(name), "eqns")), None)
            if at == 0 and eqn.primitive.name in TAKES:
                total += sum(nbytes(v.aval) for v in eqn.outvars)
            elif eqn.primitive.name in ("jit", "pjit", "closed_call") and body is not None:
                inner = getattr(body, "jaxpr", body)
                total += _read(inner, inner.invars[at])
            else:
                return everything
    return min(total, everything)
