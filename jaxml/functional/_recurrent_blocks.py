"""The loop of a forward pass: over all steps or, where no gradient is taken, over blocks of them in less memory.

Measured on XLA:CPU (benchmarks/README.md): the projections of all steps are four times the memory of an LSTM's outputs.
A block's are computed as fast if their products are large enough for both cores, and each step then writes its output
where it is returned, so that no transpose of the outputs is made.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._recurrence import varying_alike

_BOTH_CORES = 2**23  # multiply-adds; XLA:CPU gives a smaller product inside of a loop one core


def over_time(
    step: Callable[..., Any], state: Any, x: Array, w: Array, gates: int, each: Any, *, reverse: bool, keep: bool
) -> Any:
    """The scan of `step` over the projections of `x`, `(T, B, I)`, by `w`, an array `(T, B, H)` for each gate, and over
    `each`, which has the time first: the last state, and the outputs `(T, B, H)` with what is saved.

    With `keep` the gates of all steps are saved; without it nothing is, and on a CPU it goes by blocks where that pays.
    """

    def whole(state: Any, x: Array, w: Array, each: Any) -> Any:
        return lax.scan(step, state, (_projections(x, w, gates), *each), reverse=reverse)

    size = None if keep else block_size(x.shape, gates, w.shape[1] // gates)
    if size is None:
        return whole(state, x, w, each)

    def blocks(state: Any, x: Array, w: Array, each: Any) -> Any:
        return _in_blocks(step, state, x, w, gates, each, reverse, size)

    return lax.platform_dependent(state, x, w, each, cpu=blocks, default=whole)


def block_size(shape: tuple[Any, ...], gates: int, units: int) -> int | None:
    """The steps of a block whose x and projections take no more memory than all outputs; None for all steps at once.

    Equal blocks and few steps over: these have memory of their own.
    """
    steps, batch, features = shape
    if not all(isinstance(n, int) for n in shape):
        return None
    most = steps * units // (gates * units + features)
    size = steps // -(-steps // most) if most else 0
    return size if size * batch * features * units >= _BOTH_CORES else None


def _in_blocks(step: Any, state: Any, x: Array, w: Array, gates: int, each: Any, reverse: bool, size: int) -> Any:
    steps, batch = x.shape[:2]
    x = jnp.swapaxes(x, 0, 1)  # as it came: XLA drops both transposes

    def block(carry: Any, start: Any, count: int) -> Any:
        x_of = jnp.swapaxes(lax.dynamic_slice_in_dim(x, start, count, 1), 0, 1)
        each_of = jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, count), each)

        def one(carry: Any, inputs: Any) -> Any:
            outputs, state = carry
            t, *rest = inputs
            state, (y, _) = step(state, rest)
            return (lax.dynamic_update_slice_in_dim(outputs, y[:, None], t, 1), state), None

        times = start + jnp.arange(count, dtype=jnp.int32)
        return lax.scan(one, carry, (times, _projections(x_of, w, gates), *each_of), reverse=reverse)[0]

    h = jax.tree.leaves(state)[0]
    carry = varying_alike((jnp.zeros((batch, steps, h.shape[1]), h.dtype), state))
    count, left = divmod(steps, size)
    rest = jnp.asarray(count * size, jnp.int32)
    if left and reverse:
        carry = block(carry, rest, left)
    starts = jnp.arange(count, dtype=jnp.int32) * size
    carry, _ = lax.scan(lambda carry, start: (block(carry, start, size), None), carry, starts, reverse=reverse)
    if left and not reverse:
        carry = block(carry, rest, left)
    outputs, state = carry
    return state, (jnp.swapaxes(outputs, 0, 1), ())


def _projections(x: Array, w: Array, gates: int) -> list[Array]:
    """`x w` of all steps, an array `(T, B, H)` for each gate."""
    return [jnp.matmul(x, v) for v in jnp.split(w, gates, 1)]
