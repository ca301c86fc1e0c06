"""A long sequence in pieces of time, of which the backward pass computes all but the states between them anew."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._recurrence import State

# (x (B, T, I), state, lengths, reverse) -> outputs (B, T, H), state
Piece = Callable[[Array, State, Array | None, bool], tuple[Array, State]]


def in_chunks(
    run: Piece, every: int, x: Array, state: State, lengths: Array | None, reverse: bool
) -> tuple[Array, State]:
    """`run(x, state, lengths, reverse)`, which keeps the states of every `every`th step alone for the backward pass.

    Within a piece everything is kept while that piece is differentiated: memory for `T / every + every` steps.
    """
    batch, steps, features = x.shape
    count = -(-steps // every)
    if count <= 1:
        return jax.checkpoint(run, static_argnums=3)(x, state, lengths, reverse)
    if count * every != steps:  # the last piece is filled up with steps that nobody has
        x = jnp.pad(x, ((0, 0), (0, count * every - steps), (0, 0)))
        lengths = jnp.full(batch, steps, jnp.int32) if lengths is None else lengths
    pieces = jnp.moveaxis(x.reshape(batch, count, every, features), 1, 0)
    starts = jnp.arange(count, dtype=jnp.int32) * every

    @jax.checkpoint
    def piece(state: State, inputs: Any) -> tuple[State, Array]:
        x, start = inputs
        own = None if lengths is None else jnp.clip(lengths - start.astype(lengths.dtype), 0, every)
        y, state = run(x, state, own, reverse)
        return state, y

    state, y = lax.scan(piece, state, (pieces, starts), reverse=reverse)
    return jnp.moveaxis(y, 0, 1).reshape(batch, count * every, -1)[:, :steps], state
