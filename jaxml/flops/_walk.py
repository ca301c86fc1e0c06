"""The walk over a jaxpr: each equation by its rule, each call and loop by what is inside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal

from jaxml.flops._cost import Cost
from jaxml.flops._facts import UNKNOWN, Fact, Facts, constant, fact_of, outcome, reversed_later
from jaxml.flops._rules import RULES, Call, nbytes, size
from jaxml.flops._tally import Scope, Tally


@dataclass
class Walker:
    """The options of a count, and whether a loop has asked for `trip_count`."""

    padding: str = "include"
    branch: str | int = "max"
    trip_count: int | None = None
    body_once: bool = False  # count the body of every loop once, as XLA does: for `explain`
    used_trip_count: bool = False
    later: bool = False  # the equation at hand is one whose result is reversed later
    transposed: int = 0  # how many transpositions, as `jax.grad` makes one, the equation at hand comes from
    on_equation: Callable[[Any, Cost], None] | None = None  # is shown each equation and its cost: for `explain`

    def walk(self, jaxpr: Any, scope: Scope, inputs: Sequence[Fact] = ()) -> tuple[Tally, list[Fact]]:
        """The cost of a jaxpr, closed or open, and what is known of its results, given what is of its inputs."""
        facts: Facts = {}
        if isinstance(jaxpr, ClosedJaxpr):
            facts = {var: constant(value) for var, value in zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True)}
            jaxpr = jaxpr.jaxpr
        if len(inputs) == len(jaxpr.invars):
            facts |= dict(zip(jaxpr.invars, inputs, strict=True))
        tally, later, outside = Tally(), reversed_later(jaxpr), self.transposed
        for eqn in jaxpr.eqns:
            self.transposed = outside + transpositions_of(eqn)
            known = [fact_of(atom, facts) for atom in eqn.invars]
            self.later = any(var in later for var in eqn.outvars)
            results = self.equation(eqn, scope + scope_of(eqn), known, tally)
            facts |= {var: fact for var, fact in zip(eqn.outvars, results, strict=False) if fact != UNKNOWN}
        self.transposed = outside
        return tally, [fact_of(atom, facts) for atom in jaxpr.outvars]

    def equation(self, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
        """Add one equation to the tally."""
        from jaxml.flops._calls import CALLS  # which needs this class

        name = eqn.primitive.name
        label = label_of(eqn)
        entry = RULES.get(f"{name}:{label}") or RULES.get(name)
        if entry is not None:
            call = call_of(eqn, known, self.padding, self.later, self.transposed)
            cost = entry.cost(call)
            self.seen(eqn, cost)
            written = sum(map(size, call.outputs)) if cost.macs and not cost.activations else cost.activations
            cost = replace(cost, bytes=entry.bytes(call), activations=written)
            tally.add(scope, name, cost)
            if cost.macs:
                tally.product(dtype_of(eqn), cost.flops, cost.bytes)
            return [outcome(name, known, self.transposed)]
        if name in CALLS:
            return CALLS[name](self, eqn, scope, known, tally)
        if (plain := getattr(eqn.primitive, "plain", None)) is not None:
            cost = self._plain(partial(plain, **eqn.params), eqn, scope, tally)
            self.seen(eqn, cost)
            tally.add(scope, name, cost)
            if cost.macs:  # in bytes it is one operation, whatever the function it counts as moves in between
                tally.product(dtype_of(eqn), cost.flops, call_of(eqn, known, self.padding).moved)
            return []
        tally.miss(f"{name}:{label}" if label else name, "no rule: add one with flops.rule")
        return []

    def seen(self, eqn: Any, cost: Cost) -> None:
        if self.on_equation is not None:
            self.on_equation(eqn, cost)

    def _plain(self, f: Callable[..., Any], eqn: Any, scope: Scope, tally: Tally) -> Cost:
        """A primitive that carries, as `plain`, a function that computes the same costs what that does."""
        operands = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]
        inside = replace(self, on_equation=None)  # of these equations none is in the program
        inner, _ = inside.walk(jax.make_jaxpr(f)(*operands), scope)
        for name, reason in inner.uncounted.items():
            tally.miss(name, reason)
        return inner.total()


def scope_of(eqn: Any) -> Scope:
    """The `jax.named_scope`s around an equation; what transformed it (jvp, transpose, vmap, remat) leaves them."""
    stack = getattr(eqn.source_info.name_stack, "stack", ())
    # JAX puts a name of its own around what a remat computes again.
    scopes = [e.name for e in stack if type(e).__name__ == "Scope" and e.name != "rematted_computation"]
    half = len(scopes) // 2
    if scopes[:half] == scopes[half:]:  # the transpose of a remat is named twice over
        scopes = scopes[half:]
    return tuple(part for name in scopes for part in name.split("/"))


def transpositions_of(eqn: Any) -> int:
    """How many transpositions made an equation; those of a call are those of what it calls, too."""
    stack = getattr(eqn.source_info.name_stack, "stack", ())
    return sum(type(entry).__name__ == "Transform" and entry.name == "transpose" for entry in stack)


def call_of(eqn: Any, known: Sequence[Fact], padding: str, later: bool = False, transposed: int = 0) -> Call:
    """An equation as a rule sees it."""
    variables = {v: v.aval for v in (*eqn.invars, *eqn.outvars) if not isinstance(v, Literal)}
    return Call(
        eqn.primitive.name,
        tuple(v.aval for v in eqn.invars),
        tuple(v.aval for v in eqn.outvars),
        eqn.params,
        padding,
        tuple(fact.reversed for fact in known),
        later,
        transposed,
        sum(map(nbytes, variables.values())),
    )


def dtype_of(eqn: Any) -> str:
    """The dtype that a product is computed in: that of its first operand of numbers, or of its result."""
    dtypes = (getattr(v.aval, "dtype", None) for v in (*eqn.invars, *eqn.outvars))
    return next((str(d) for d in dtypes if d is not None and jax.numpy.issubdtype(d, jax.numpy.number)), "float32")


def label_of(eqn: Any) -> str:
    """Which foreign function or kernel."""
    if eqn.primitive.name == "call_exported":
        return str(eqn.params["exported"].fun_name)
    if eqn.primitive.name == "ffi_call":
        return str(eqn.params.get("target_name", ""))
    if eqn.primitive.name == "pallas_call":
        kernel = getattr(eqn.params.get("jaxpr"), "debug_info", None)
        return str(eqn.params.get("name") or getattr(kernel, "func_name", "")).split(" ")[0]
    return ""
