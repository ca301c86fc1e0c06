"""Ways to break a right gradient: linear maps put behind a pull-back or before a push-forward, and places to do it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .bases import BASES
from .case import Case, cast, generator, is_float, with_jvp, with_vjp

Bend = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Mutation:
    """`bend` is applied to the tuple of cotangents (reverse rule) or of tangents (forward rule)."""

    name: str
    bend: Bend
    wrong_by: float
    ulps: bool = False
    where: str = "everywhere"


def on_leaves(change: Callable[[Any], Any], leaf: int | None = None) -> Bend:
    """`change` on every floating point leaf, or on the one with this number."""

    def bend(tree: Any) -> Any:
        leaves, structure = jax.tree.flatten(tree)
        changed = [change(x) if is_float(x) and leaf in (None, i) else x for i, x in enumerate(leaves)]
        return jax.tree.unflatten(structure, changed)

    return bend


@cache
def factor(k: float, leaf: int | None = None) -> Mutation:
    of = "" if leaf is None else f" of leaf {leaf}"
    return Mutation(f"factor {k:g}{of}", on_leaves(lambda g: g * k, leaf), abs(k - 1))


@cache
def zero(leaf: int) -> Mutation:
    return Mutation(f"leaf {leaf} zeroed", on_leaves(jnp.zeros_like, leaf), 1.0)


@cache
def element(where: str, k: float, leaf: int | None = None) -> Mutation:
    """One element of a leaf times k; `where` is "first", "middle" or "last"."""

    def change(g: Any) -> Any:
        at = {"first": 0, "middle": g.size // 2, "last": g.size - 1}[where]
        return jnp.asarray(g).reshape(-1).at[at].multiply(k).reshape(g.shape)

    return Mutation(f"{where} element x {k:g}", on_leaves(change, leaf), min(abs(k - 1), 1.0) * 0.99)


@cache
def transposed(leaf: int) -> Mutation:
    return Mutation(f"leaf {leaf} transposed", on_leaves(lambda g: g.T.reshape(g.shape), leaf), 0.01)


@cache
def rounded(dtype: str, wrong_by: float) -> Mutation:
    """The cotangent takes a detour through a narrower dtype."""
    return Mutation(f"rounded to {dtype}", on_leaves(lambda g: g.astype(dtype).astype(g.dtype)), wrong_by)


@cache
def nan(where: str) -> Mutation:
    if where == "all":
        return Mutation("NaN everywhere", on_leaves(lambda g: g * jnp.nan), np.inf)
    return Mutation(f"NaN in the {where} element", element(where, jnp.nan).bend, np.inf)


@cache
def ulps(k: int) -> Mutation:
    """Too large by k to 2k ULPs in a low precision, right in any other."""

    def change(g: Any) -> Any:
        if jnp.finfo(g.dtype).bits != 16:
            return g
        return (g.astype(jnp.float32) * (1 + k * float(jnp.finfo(g.dtype).eps))).astype(g.dtype)

    return Mutation(f"{k} ULPs", on_leaves(change), k, ulps=True, where="low precision")


def staged(x: Any) -> bool:
    """Whether x is being traced by jit (and not, say, by vmap)."""
    return isinstance(x, jax.core.Tracer) and "Jaxpr" in type(x).__name__


@jax.custom_batching.custom_vmap
def _batch_bug(g: Any) -> Any:
    return g


@_batch_bug.def_vmap
def _(axis_size: int, batched: Any, g: Any) -> tuple[Any, bool]:
    return g * 1.01, True


@cache
def only_in(where: str, k: float) -> Mutation:
    """Right but in one use: "jit", "eager" or "vmap"."""
    if where == "vmap":
        return Mutation("only under vmap", on_leaves(lambda g: _batch_bug(g * 1)), 0.01, where=where)

    def bend(tree: Any) -> Any:
        # A leaf may be no tracer even under jit, where it depends on the cotangent alone and that is a constant.
        leaves = jax.tree.leaves(tree)
        wrong = any(map(staged, leaves)) if where == "jit" else not any(isinstance(g, jax.core.Tracer) for g in leaves)
        return on_leaves(lambda g: g * k)(tree) if wrong else tree

    return Mutation(f"only in {where}", bend, abs(k - 1), where=where)


@cache
def size_of(base: str, n: int) -> int:
    """The number of differentiable elements."""
    return sum(x.size for x in jax.tree.leaves(drawn(base, n, "float64")) if is_float(x))


def drawn(base: str, n: int, dtype: str) -> tuple[Any, ...]:
    """The arguments of a base function."""
    return cast(BASES[base].draw(generator(base, n), n), dtype)


@cache
def broken(base: str, mutation: Mutation, kind: str) -> Callable[..., Any]:
    """A base function with one mutation, the same object for every size and dtype."""
    f, pull = BASES[base].f, BASES[base].pull
    if kind == "vjp":
        return with_vjp(f, lambda args, c: mutation.bend(pull(args, c)))
    return with_jvp(f, lambda args, tangents: jax.jvp(f, args, mutation.bend(tangents))[1])


def mutant(group: str, base: str, mutation: Mutation, n: int, dtype: str, kind: str = "vjp", note: str = "") -> Case:
    """The case of a base function with one mutation."""
    return Case(
        name=f"{base}: {mutation.name} [{kind}, {dtype}, {size_of(base, n)}]",
        group=group,
        kind=kind,
        size=size_of(base, n),
        dtype=dtype,
        f=broken(base, mutation, kind),
        make_args=partial(drawn, base, n, dtype),
        mutant=True,
        truth=BASES[base].f,
        wrong_by=mutation.wrong_by,
        ulps=mutation.ulps,
        where=mutation.where,
        note=note,
    )
