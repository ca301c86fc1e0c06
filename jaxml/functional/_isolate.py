"""Keep XLA from fusing across a boundary."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from jaxml.functional._channels import as_rows

Options = tuple[tuple[str, Any], ...]


def isolated(f: Callable[..., jax.Array], *arrays: jax.Array, **options: Any) -> jax.Array:
    """`f(*arrays, **options)` compiled as a computation of its own: its operands and its result exist in memory.

    XLA:CPU drops `lax.optimization_barrier` before it fuses, so a computation that reads its operand once for every tap
    of a window recomputes whatever produced that operand as often: a gradient step of one 3x3 depthwise layer takes 4
    to 5 times as long.

    Arrays cross the boundary as matrices `(rows, channels)`, the shape that XLA's matrix products have: an elementwise
    operation between the two then works in place, which it does only where the shapes are equal.

    `f` is a function of a module, and its options hashable, so that it is traced once for its shape and its call.
    """
    static = tuple(options.items())
    with set_xla_metadata(inlineable="false"):
        shape = _whole.eval_shape(f, static, *arrays).shape
        return _on_rows(f, static, tuple(a.shape for a in arrays), *map(as_rows, arrays)).reshape(shape)


@partial(jax.jit, static_argnums=(0, 1), inline=True)
def _whole(f: Callable[..., jax.Array], options: Options, *arrays: jax.Array) -> jax.Array:
    return f(*arrays, **dict(options))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _on_rows(
    f: Callable[..., jax.Array], options: Options, shapes: tuple[tuple[Any, ...], ...], *rows: jax.Array
) -> jax.Array:
    return as_rows(_whole(f, options, *(r.reshape(shape) for r, shape in zip(rows, shapes, strict=True))))


def kept_call(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` as a call that XLA does not inline: nothing is fused into it, nor is it merged with an equal expression."""

    def call(*arrays: Any) -> Any:
        with set_xla_metadata(inlineable="false"):
            return jax.jit(f)(*arrays)

    return call
