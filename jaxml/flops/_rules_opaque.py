"""What JAX itself brings and nothing can count: named in `uncounted`, with the reason, where it has no rule."""

from collections.abc import Sequence
from typing import Any

from jaxml.flops._calls import CALLS
from jaxml.flops._facts import Fact
from jaxml.flops._tally import Scope, Tally
from jaxml.flops._walk import Walker, label_of

REASONS = {
    "random_gamma": "it draws until it accepts, so that its steps depend on data",
    "call_exported": "an exported program is compiled code, not a jaxpr: count the function it was made of",
    "spsolve": "the work of a sparse factorisation depends on which entries are zero",
    "buffer_callback": "a Python function on the host",
    "core_map": "a kernel that declares no cost",
    "mpmd_map": "a kernel that declares no cost",
}


def opaque(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    name, label = eqn.primitive.name, label_of(eqn)
    full = f"{name}:{label}" if label else name
    tally.miss(full, f"{REASONS[name]}; or declare its cost with flops.rule({full!r})")
    return []


CALLS |= dict.fromkeys(REASONS, opaque)
