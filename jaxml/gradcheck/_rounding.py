"""What rounding may do to a result, measured: the traced program is run with every operation's result off by a little.

Moving the arguments alone shows how well the mathematics is conditioned, but not what the chosen operations lose:
`1 - tanh(x)**2` at 16 is 5e-14 whichever neighbour of 16 is taken, and 0 in float32. Here each result that is rounded
at all is multiplied by `1 ± eps`, with signs that differ from element to element, as rounding to `eps` would.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.extend.core as jex_core
import jax.numpy as jnp
from jax import lax

from jaxml.gradcheck._stopped import INLINED, bind

# Operations whose result is exact, whatever the dtype: they move, choose, compare or change signs.
# fmt: off
EXACT = {
    "abs", "broadcast_in_dim", "clamp", "complex", "concatenate", "conj", "convert_element_type", "copy", "copy_p",
    "cummax", "cummin", "dynamic_slice", "dynamic_update_slice", "expand_dims", "gather", "imag", "iota", "max", "min",
    "neg", "optimization_barrier", "pad", "real", "reduce_max", "reduce_min", "reduce_precision", "reshape", "rev",
    "select_and_gather_add", "select_n", "sign", "slice", "sort", "split", "squeeze", "stop_gradient", "transpose",
}
# fmt: on


def rounded(closed: Any, eps: float) -> Callable[..., list[Any]]:
    """`rounded(program, eps)(seed, *args)`: the program with each rounded result off by up to `eps` of itself."""
    return lambda seed, *args: _run(closed.jaxpr, closed.consts, args, eps, _Signs(seed))


class _Signs:
    """A stream of arrays of random signs: a hash of the seed, of how many were drawn before, and of the place."""

    def __init__(self, seed: Any):
        self.state = jnp.asarray(seed, jnp.uint32)

    def next(self, shape: Sequence[int]) -> Any:
        self.state = self.state * jnp.uint32(1664525) + jnp.uint32(1013904223)
        bits = lax.iota(jnp.uint32, math.prod(shape)) + self.state
        for factor in (0x7FEB352D, 0x846CA68B):
            bits = (bits ^ (bits >> 16)) * jnp.uint32(factor)
        return 1 - 2 * (bits >> 31).astype(jnp.int32).reshape(shape)


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], eps: float, signs: _Signs) -> list[Any]:
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, jex_core.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        values, name = [read(v) for v in eqn.invars], eqn.primitive.name
        if name in INLINED:
            inner = eqn.params[INLINED[name]]
            outs = _run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), values, eps, signs)
        elif name == "scan":
            outs = _scan(eqn, values, eps, signs)
        else:
            outs = bind(eqn, values)
            if name not in EXACT:
                outs = [_off(out, eps, signs) for out in outs]
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _scan(eqn: Any, values: Sequence[Any], eps: float, signs: _Signs) -> list[Any]:
    """The same loop over a body whose operations are off; every step draws signs of its own."""
    p = eqn.params
    consts, carry, xs = (
        values[: p["num_consts"]],
        values[p["num_consts"] : p["num_consts"] + p["num_carry"]],
        values[p["num_consts"] + p["num_carry"] :],
    )

    def body(state: Any, x: Any) -> Any:
        seed, carry = state
        inner = _Signs(seed)
        outs = _run(p["jaxpr"].jaxpr, p["jaxpr"].consts, [*consts, *carry, *x], eps, inner)
        return (inner.state, outs[: p["num_carry"]]), outs[p["num_carry"] :]

    start = (signs.state, list(carry))
    (signs.state, carry), ys = lax.scan(body, start, list(xs), length=p["length"], reverse=p["reverse"])
    return [*carry, *ys]


def _off(out: Any, eps: float, signs: _Signs) -> Any:
    if not jnp.issubdtype(out.dtype, jnp.inexact):
        return out
    return out * (1 + eps * signs.next(out.shape).astype(out.dtype))
