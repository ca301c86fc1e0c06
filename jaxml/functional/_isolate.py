"""Keep XLA from fusing across a boundary."""

from collections.abc import Callable

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from jaxml.functional._channels import as_rows


def isolated(f: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """`f` compiled as a computation of its own: its operands and its result exist in memory.

    XLA:CPU drops `lax.optimization_barrier` before it fuses, so a computation that reads its operand once for every tap
    of a window recomputes whatever produced that operand as often: a gradient step of one 3x3 depthwise layer takes 4
    to 5 times as long.

    Arrays cross the boundary as matrices `(rows, channels)`, the shape that XLA's matrix products have: an elementwise
    operation between the two then works in place, which it does only where the shapes are equal.
    """

    def call(*arrays: jax.Array) -> jax.Array:
        out = jax.eval_shape(f, *arrays)

        def on_rows(*rows: jax.Array) -> jax.Array:
            return as_rows(f(*(r.reshape(a.shape) for r, a in zip(rows, arrays, strict=True))))

        return kept_call(on_rows)(*map(as_rows, arrays)).reshape(out.shape)

    return call


def kept_call(f: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """`f` as a call that XLA does not inline: nothing is fused into it, nor is it merged with an equal expression."""

    def call(*arrays: jax.Array) -> jax.Array:
        with set_xla_metadata(inlineable="false"):
            return jax.jit(f)(*arrays)

    return call
