"""Compute an operand again in the backward pass instead of keeping it.

`jax.checkpoint` says the same to JAX, but XLA:CPU schedules all that is recomputed at the very beginning of the
backward pass, where every array is alive at once: a training step of MobileNetV1 then needs half as much memory again
and takes 12 % longer (benchmarks/README.md). Here what is recomputed depends on the cotangent that needs it, so it
happens as late as it can, into memory that the last layer has just left.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.custom_derivatives import SymbolicZero, zero_from_primal
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxml.functional._isolate import kept_call

Produce = Callable[..., jax.Array]
Consume = Callable[[jax.Array, jax.Array], jax.Array]


def recomputed(produce: Produce, consume: Consume) -> Callable[..., jax.Array]:
    """`lambda w, *a: consume(produce(*a), w)`, which keeps `a` and not `produce(*a)` for the backward pass.

    `consume` must be linear in each of its arguments, as a convolution is. Forward mode, `vmap` and derivatives of any
    order work; those beyond the first are the plain form's, and keep what that keeps.
    """

    @jax.custom_jvp
    def call(w: jax.Array, *a: jax.Array) -> jax.Array:
        return consume(produce(*a), w)

    def jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        (w, *a), (dw, *da) = primals, tangents
        by_a, by_w = not all(isinstance(t, SymbolicZero) for t in da), not isinstance(dw, SymbolicZero)
        terms = []
        if by_a:
            da = [jax.numpy.zeros_like(x) if isinstance(t, SymbolicZero) else t for x, t in zip(a, da, strict=True)]
            z, dz = jax.jvp(produce, a, da)
            terms.append(consume(dz, w))
        else:
            z = produce(*a)
        if by_w:
            terms.append(_late(dw, *a, produce=produce, consume=consume))
        y = consume(z, w)
        return y, sum(terms[1:], terms[0]) if terms else zero_from_primal(y)

    call.defjvp(jvp, symbolic_zeros=True)
    return call


def _plain(w: jax.Array, *a: jax.Array, produce: Produce, consume: Consume) -> jax.Array:
    return consume(produce(*a), w)


def _late(w: jax.Array, *a: jax.Array, produce: Produce, consume: Consume) -> jax.Array:
    """`consume(produce(*a), w)`, linear in w, whose transpose computes `produce(*a)` anew."""
    traced = jax.make_jaxpr(lambda *args: _plain(*args, produce=produce, consume=consume))(w, *a)
    return late_p.bind(w, *a, produce=produce, consume=consume, out=traced.out_avals[0])


def _evaluate(*args: jax.Array, produce: Produce, consume: Consume, out: Any) -> jax.Array:
    return _plain(*args, produce=produce, consume=consume)


def _transpose(ct: Any, w: Any, *a: Any, produce: Produce, consume: Consume, out: Any) -> list[Any]:
    if isinstance(ct, ad.Zero):
        return [None] * (1 + len(a))
    # The cotangent is read for nothing but its time. It must be an operand of a call that stays one, or XLA:CPU would
    # drop the barrier, find the forward pass's own `produce(*a)` and keep that.
    z = kept_call(lambda ct, *a: produce(*lax.optimization_barrier((ct, *a))[1:]))(jax.numpy.asarray(ct), *a)
    (dw,) = jax.linear_transpose(lambda w: consume(z, w), w.aval)(ct)
    return [dw, *(None for _ in a)]


def _jvp(primals: Any, tangents: Any, *, produce: Produce, consume: Consume, out: Any) -> tuple[Any, Any]:
    (w, *a), (dw, *da) = primals, tangents
    y = _late(w, *a, produce=produce, consume=consume)
    if all(isinstance(t, ad.Zero) for t in da):
        return y, _late(dw, *a, produce=produce, consume=consume)
    tangents = [ad.instantiate_zeros(t) for t in tangents]
    return y, jax.jvp(lambda *args: _plain(*args, produce=produce, consume=consume), primals, tangents)[1]


def _batch(args: Any, axes: Any, *, produce: Produce, consume: Consume, out: Any) -> tuple[jax.Array, int]:
    return jax.vmap(lambda *args: _plain(*args, produce=produce, consume=consume), axes)(*args), 0


late_p = Primitive("recomputed")
late_p.plain = _evaluate  # type: ignore[attr-defined]  # for `jaxml.flops`: what it computes, in JAX's own terms
late_p.def_impl(_evaluate)
late_p.def_abstract_eval(lambda *args, out, **_: out)
ad.primitive_transposes[late_p] = _transpose
ad.primitive_jvps[late_p] = _jvp
batching.primitive_batchers[late_p] = _batch
mlir.register_lowering(late_p, mlir.lower_fun(_evaluate, multiple_results=False))
