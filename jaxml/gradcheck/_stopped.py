"""What a trace of `f` tells: where `stop_gradient` holds values fixed, and where numbers are rounded to a narrow dtype.

`stop_gradient` makes a value a constant for derivatives. Differences have to see the same function, so the traced
program is evaluated with each such value replaced by what it was at the base point.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.extend.core as jex_core
import jax.numpy as jnp
from jax.extend.core import primitives

from jaxml.gradcheck._leaves import epsilon

STOP, SOLVE = "stop_gradient", "custom_linear_solve"
# Calls that can be written out where they stand. Loops and branches cannot, and the rule of a custom derivative is
# what defines it: those are left whole.
INLINED = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr"} | dict.fromkeys(
    ["checkpoint", "remat", "remat2"], "jaxpr"
)
CUSTOM = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_lin")


def freeze(closed: jex_core.ClosedJaxpr) -> Callable[[Sequence[Any]], Callable[[Sequence[Any]], list[Any]]]:
    """`freeze(program)(base)(xs)`: the program at `xs`, its stopped values those at `base`."""

    def at(base: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
        held: list[Any] = []
        _evaluate(closed.jaxpr, closed.consts, _same(base), lambda value: held.append(value) or value)

        def run(xs: Sequence[Any]) -> list[Any]:
            remaining = iter(held)
            return [v for v, _ in _evaluate(closed.jaxpr, closed.consts, _same(xs), lambda _: next(remaining))]

        return run

    return at


def _same(values: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(v, v) for v in values]


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], stop: Callable[[Any], Any]) -> list[Any]:
    """Values come in pairs, with what is stopped held and without. The second is what `_linear_solve` needs."""
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*_same(consts), *args], strict=True))

    def read(atom: Any) -> tuple[Any, Any]:
        return (atom.val, atom.val) if isinstance(atom, jex_core.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        pairs = [read(v) for v in eqn.invars]
        differ = any(held is not free for held, free in pairs)
        name = eqn.primitive.name
        inner = eqn.params[INLINED[name]] if name in INLINED else None
        if name == STOP:
            outs = [(stop(pairs[0][0]), pairs[0][1])]
        elif inner is not None and (stops(inner) or (differ and has_primitive(inner, SOLVE))):
            outs = _evaluate(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), pairs, stop)
        else:
            held, free = ([pair[side] for pair in pairs] for side in (0, 1))
            held_outs = bind(eqn, _linear_solve(eqn, held, free) if name == SOLVE else held)
            outs = list(zip(held_outs, bind(eqn, free), strict=True)) if differ else _same(held_outs)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def bind(eqn: Any, values: Sequence[Any]) -> list[Any]:
    out = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(out) if eqn.primitive.multiple_results else [out]


def _linear_solve(eqn: Any, held: list[Any], free: list[Any]) -> list[Any]:
    """`custom_linear_solve` is differentiated by its matrix and its right-hand side. Its solver, usually a
    factorization stopped on purpose, has to remain that of the matrix."""
    lengths = eqn.params["const_lengths"]
    start = lengths.matvec + lengths.vecmat
    end = start + lengths.solve + lengths.transpose_solve
    return held[:start] + free[start:end] + held[end:]


def stops(jaxpr: Any) -> bool:
    """A stopped value is reached by writing calls out."""
    return any(
        e.primitive.name == STOP or (e.primitive.name in INLINED and stops(e.params[INLINED[e.primitive.name]]))
        for e in _equations(jaxpr)
    )


def stops_inside(jaxpr: Any) -> bool:
    """A stopped value sits inside a loop or a branch, where it cannot be held."""
    for e in _equations(jaxpr):
        if e.primitive.name in INLINED:
            found = stops_inside(e.params[INLINED[e.primitive.name]])
        elif e.primitive.name in CUSTOM:
            found = False
        else:
            found = any(stops(inner) or stops_inside(inner) for inner in _inner(e))
        if found:
            return True
    return False


def has_primitive(jaxpr: Any, *names: str) -> bool:
    return any(e.primitive.name in names or any(has_primitive(i, *names) for i in _inner(e)) for e in _equations(jaxpr))


def only_jax(jaxpr: Any) -> bool:
    """No custom rule anywhere, no kernel and no primitive but JAX's own: `jit` and `vmap` can do no harm then."""
    ours = {value for name, value in vars(primitives).items() if name.endswith("_p")}
    custom = (*CUSTOM, "custom_vmap_call", "pallas_call", "ffi_call", "pure_callback", "io_callback")
    return all(
        e.primitive in ours and e.primitive.name not in custom and all(only_jax(inner) for inner in _inner(e))
        for e in _equations(jaxpr)
    )


def narrowest(jaxpr: Any, precision: float) -> str | None:
    """The least precise dtype to which the program rounds numbers of a better one, where coarser than `precision`."""
    found: list[Any] = []
    for e in _equations(jaxpr):
        if e.primitive.name == "convert_element_type":
            source, target = e.invars[0].aval.dtype, e.outvars[0].aval.dtype
            if all(jnp.issubdtype(d, jnp.floating) for d in (source, target)) and epsilon(target) > epsilon(source):
                found.append(target)
        found += [d for inner in _inner(e) if (d := narrowest(inner, precision))]
    found = [d for d in found if epsilon(d) > precision]
    return str(max(found, key=epsilon)) if found else None


def _equations(jaxpr: Any) -> Sequence[Any]:
    return getattr(jaxpr, "jaxpr", jaxpr).eqns


def _inner(eqn: Any) -> Iterator[Any]:
    """The programs among the parameters of an equation, whatever their names."""
    for value in eqn.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, jex_core.ClosedJaxpr | jex_core.Jaxpr):
                yield item


def trace(f: Callable[..., Any], xs: Sequence[Any]) -> jex_core.ClosedJaxpr:
    return jax.make_jaxpr(f)(xs)
