"""A cell carried over time: sequences of different lengths, forwards and backwards."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array

from jaxml.functional._checks import check_equal
from jaxml.functional._explicit import along

State = tuple[Array, ...]
Step = Callable[[State, Any], tuple[State, Array]]


def recurrence(step: Step, state: State, xs: Any, lengths: Array | None, reverse: bool) -> tuple[Array, State]:
    """`step` over the first axis of `xs`: the outputs `(T, B, ...)`, zero past the end of a row, and the last state.

    Past its length a row's state stands still. Backwards that is before its first step, so that each row is read from
    its own end, and nothing has to be turned round.
    """
    if lengths is None:
        state, outputs = lax.scan(step, state, xs, reverse=reverse)
        return outputs, state

    def masked(state: State, inputs: Any) -> tuple[State, Array]:
        x, inside = inputs
        new, y = step(state, x)
        new = tuple(jnp.where(_beside(inside, n), n, o) for n, o in zip(new, state, strict=True))
        return new, jnp.where(_beside(inside, y), y, 0)

    steps = jax.tree.leaves(xs)[0].shape[0]
    state, outputs = lax.scan(masked, state, (xs, within(lengths, steps)), reverse=reverse)
    return outputs, state


def by_rows(f: Callable[..., Any], x: Array, *more: Any) -> Any:
    """`f(x, *more)`, which may not close over arrays, of a batch that may be sharded; all results have it first."""
    arrays, tree = jax.tree.flatten((x, *more))
    return along(x, lambda *arrays: f(*jax.tree.unflatten(tree, arrays)), *varying_alike(arrays))


def varying_alike(tree: Any) -> Any:
    """Arrays each of which varies, in a `shard_map`, over all axes that one of them does: what a loop carries has to.

    The derivative of one that did not vary is then summed over the axes.
    """
    axes = [jax.typeof(a).manual_axis_type.varying for a in jax.tree.leaves(tree)]
    every = frozenset().union(*axes)

    def cast(a: Any) -> Any:
        missing = tuple(every - jax.typeof(a).manual_axis_type.varying)
        return lax.pcast(a, missing, to="varying") if missing else a

    return jax.tree.map(cast, tree) if every else tree


def within(lengths: Array, steps: Any) -> Array:
    """`(T, B)`: whether step t of row b is one."""
    return jnp.arange(steps, dtype=lengths.dtype)[:, None] < lengths[None, :]


def zero_padding(lengths: Array, x: Array) -> Array:
    """`x`, `(B, T, ...)`, with 0 past the end of each row: whatever stands there, a NaN say, reaches no gradient."""
    return jnp.where(within(lengths, x.shape[1]).T[:, :, None], x, 0)


def _beside(inside: Array, a: Array) -> Array:
    return inside.reshape(inside.shape + (1,) * (a.ndim - 1))


def check_lengths(name: str, x: Array, lengths: Any) -> None:
    """`lengths` is `(B,)`, of integers in [0, T] where they are known; traced ones count as the nearest of these."""
    if not hasattr(lengths, "dtype") or not hasattr(lengths, "shape"):
        raise TypeError(f"{name}: lengths must be an array, got {type(lengths).__name__}")
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise TypeError(f"{name}: lengths must be integers, got {lengths.dtype}")
    check_equal(name, "the shape of lengths", tuple(lengths.shape), (x.shape[0],), x=x)
    if isinstance(lengths, Tracer):
        return
    values, steps = np.asarray(lengths), x.shape[1]
    wrong = (values < 0) | (values > steps)
    if wrong.any():
        raise ValueError(f"{name}: lengths must lie between 0 and the {steps} steps of x, got {values[wrong][0]}")
