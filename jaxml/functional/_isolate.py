"""Keep XLA from fusing across a boundary."""

from collections.abc import Callable

import jax
from jax.experimental.xla_metadata import set_xla_metadata


def isolated(f: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """`f` compiled as a computation of its own: its operands and its result exist in memory.

    XLA:CPU drops `lax.optimization_barrier` before it fuses, so a computation that reads its operand once for every tap
    of a window recomputes whatever produced that operand as often: a gradient step of one 3x3 depthwise layer takes 4
    to 5 times as long. A call marked not inlineable stays a call.
    """
    jitted = jax.jit(f)

    def call(*arrays: jax.Array) -> jax.Array:
        with set_xla_metadata(inlineable="false"):
            return jitted(*arrays)

    return call
