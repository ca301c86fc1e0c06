"""Calls, loops and branches: equations whose cost is that of a jaxpr inside them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from jaxml.flops._cost import Cost
from jaxml.flops._facts import Fact
from jaxml.flops._rules import size
from jaxml.flops._rules_reduce import window_steps
from jaxml.flops._tally import Scope, Tally, by_flops
from jaxml.flops._trips import trips
from jaxml.flops._walk import Walker, call_of, dtype_of, label_of

Handler = Callable[[Walker, Any, Scope, Sequence[Fact], Tally], list[Fact]]

CALLS: dict[str, Handler] = {}
# Where the primitives that merely call keep what they call.
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr", "call", "callee", "fwd_jaxpr")


def _handles(*names: str) -> Callable[[Handler], Handler]:
    def register(f: Handler) -> Handler:
        CALLS.update(dict.fromkeys(names, f))
        return f

    return register


@_handles(
    "jit", "pjit", "closed_call", "core_call", "call", "named_call", "checkpoint", "remat", "remat2", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_vmap_call", "custom_partitioning", "linear_call", "composite",
    "run_state", "remat_opt",
)  # fmt: skip
def call(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    body = next(eqn.params[name] for name in BODIES if hasattr(eqn.params.get(name), "eqns"))
    inner, results = walker.walk(body, scope, known)
    tally.merge(inner)
    return results


@_handles("shard_map")
def shard_map(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """The body has the shapes of one device; every device along the manual axes runs it."""
    mesh, names = eqn.params["mesh"], ("newly_manual_axes", "manual_axes")  # as JAX has called them
    axes = next((eqn.params[name] for name in names if name in eqn.params), mesh.shape)
    devices = math.prod(mesh.shape[axis] for axis in axes)
    inner, results = walker.walk(eqn.params["jaxpr"], scope, known)
    tally.merge(inner, devices)
    return results


@_handles("scan")
def scan(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """Body times length, whatever `unroll` is: that changes the program, not what it computes."""
    constants = [fact if i < eqn.params["num_consts"] else Fact(fact.reversed) for i, fact in enumerate(known)]
    inner, _ = walker.walk(eqn.params["jaxpr"], scope, constants)
    tally.merge(inner, min(eqn.params["length"], 1) if walker.body_once else eqn.params["length"])
    return []


@_handles("while")
def while_loop(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """Body times steps, and the condition once more than that."""
    steps = trips(eqn.params, known)
    if steps is None and walker.trip_count is not None:
        steps, walker.used_trip_count = walker.trip_count, True
    if steps is None and not walker.body_once:
        tally.miss("while", "the number of steps depends on data, so it counts as 0: give trip_count=")
        return []
    if walker.body_once:
        steps = 1
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    carried = [Fact()] * (len(known) - n_cond - n_body)
    body, _ = walker.walk(eqn.params["body_jaxpr"], scope, [*known[n_cond : n_cond + n_body], *carried])
    condition, _ = walker.walk(eqn.params["cond_jaxpr"], scope, [*known[:n_cond], *carried])
    tally.merge(body, steps or 0)
    tally.merge(condition, (steps or 0) + (not walker.body_once))
    return []


@_handles("cond")
def cond(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """One branch: the costliest, the cheapest, or that of a given index (the last where there are fewer).

    The branches of a `lax.platform_dependent` compute the same in several ways, so the cheapest says what it costs.
    """
    shown, walker.on_equation = walker.on_equation, None  # it is shown one branch
    branches = [walker.walk(branch, scope, known[1:])[0] for branch in eqn.params["branches"]]
    walker.on_equation = shown
    if known[0].platform:
        chosen = min(branches, key=by_flops)
    elif isinstance(walker.branch, int):
        chosen = branches[min(walker.branch, len(branches) - 1)]
    else:
        chosen = (max if walker.branch == "max" else min)(branches, key=by_flops)
        for name, reason in (item for branch in branches for item in branch.uncounted.items()):
            tally.miss(name, reason)  # for which another branch may be the costliest
    if shown is not None:
        walker.walk(eqn.params["branches"][branches.index(chosen)], scope, known[1:])
    tally.merge(chosen)
    return []


@_handles("custom_linear_solve")
def custom_linear_solve(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """Of the four functions that it holds, the solver runs."""
    tally.merge(walker.walk(eqn.params["jaxprs"].solve, scope)[0])
    return []


@_handles("reduce", "reduce_window")
def reduce(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """A reduction by any function: n numbers call it n - 1 times."""
    seen = call_of(eqn, known, walker.padding)
    whole = eqn.primitive.name == "reduce"
    steps = max(size(seen.inputs[0]) - seen.size, 0) if whole else window_steps(seen)
    one = walker.walk(eqn.params["jaxpr"], scope)[0].total()
    tally.add(scope, eqn.primitive.name, Cost(0, one.other * steps, one.transcendentals * steps, seen.moved))
    return []


@_handles("pallas_call")
def pallas_call(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """By the cost that it declares."""
    declared = eqn.params.get("cost_estimate")
    if declared is None:
        tally.miss(
            f"pallas_call:{label_of(eqn)}",
            "the kernel declares no cost_estimate; give it one, or a flops.rule of this name",
        )
    else:
        cost = Cost(0, int(declared.flops), int(declared.transcendentals), int(declared.bytes_accessed))
        tally.add(scope, "pallas_call", cost)
        tally.product(dtype_of(eqn), cost.flops, cost.bytes)
    return []


@_handles("ffi_call")
def ffi_call(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    target = label_of(eqn)
    tally.miss(f"ffi_call:{target}", f"foreign code: declare its cost with flops.rule('ffi_call:{target}')")
    return []


@_handles("pure_callback", "io_callback")
def callback(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    tally.miss(eqn.primitive.name, "a Python function on the host")
    return []
