"""A long sequence in pieces of time, of which the backward pass computes all but the states between them anew."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._recurrence import State

Shares = tuple[Array | None, ...]
# (x (B, T, I), zoneout's shares, state, lengths, reverse) -> outputs (B, T, H), state
Piece = Callable[[Array, Shares, State, Array | None, bool], tuple[Array, State]]


def in_chunks(
    run: Piece, every: int, x: Array, shares: Shares, state: State, lengths: Array | None, reverse: bool
) -> tuple[Array, State]:
    """`run(x, shares, state, lengths, reverse)`, keeping only the states of every `every`th step for the backward pass.

    Within a piece everything is kept while that piece is differentiated: memory for `T / every + every` steps. A number
    of steps that is a symbol, of a program exported for any, is one piece.
    """
    batch, steps, _ = x.shape
    count = -(-steps // every) if isinstance(steps, int) else 1
    if count <= 1:
        return jax.checkpoint(run, static_argnums=4)(x, shares, state, lengths, reverse)
    filled = count * every - steps
    if filled:  # the last piece is filled up with steps that nobody has
        lengths = jnp.full(batch, steps, jnp.int32) if lengths is None else lengths

    def cut(a: Array) -> Array:
        a = jnp.pad(a, ((0, 0), (0, filled), (0, 0)))
        return jnp.moveaxis(a.reshape(a.shape[0], count, every, a.shape[2]), 1, 0)

    of_all = tuple(z if z is not None and z.shape[1] == 1 else None for z in shares)
    of_each = tuple(None if z is None or z.shape[1] == 1 else cut(z) for z in shares)
    starts = jnp.arange(count, dtype=jnp.int32) * every

    @jax.checkpoint
    def piece(state: State, inputs: Any) -> tuple[State, Array]:
        x, own, start = inputs
        own = tuple(z if a is None else a for z, a in zip(own, of_all, strict=True))
        left = None if lengths is None else jnp.clip(lengths - start.astype(lengths.dtype), 0, every)
        y, state = run(x, own, state, left, reverse)
        return state, y

    state, y = lax.scan(piece, state, (cut(x), of_each, starts), reverse=reverse)
    return jnp.moveaxis(y, 0, 1).reshape(batch, count * every, -1)[:, :steps], state
