"""What the fast recurrences share: gates in arrays of their own, and the products after the loop.

Measured on XLA:CPU (benchmarks/README.md): a fusion that takes one step out of a `(T, B, 4H)` array and splits it
computes its sigmoids and tanhs one scalar at a time, eight times as slow, so each gate has its own array; one product
with all gates' columns uses two cores where four small ones use one; and a product over the rows of both operands is
faster on a transpose that exists in memory.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._dtypes import wide
from jaxml.functional._isolate import kept_call

_LARGE = 2**16


def sigmoid(x: Array) -> Array:
    """By tanh, which is the cheaper of the two; within one rounding of 1."""
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


def projections(x: Array, w: Array, gates: int) -> tuple[Array, ...]:
    """`x w` of all steps, an array `(T, B, H)` for each gate."""
    rows = x.reshape(-1, x.shape[-1])
    shape = (*x.shape[:2], w.shape[1] // gates)
    return tuple(jnp.matmul(rows, v).reshape(shape) for v in jnp.split(w, gates, 1))


def biases(b: Array, gates: int) -> list[Array]:
    """One `(1, H)` for each gate, in the wide dtype."""
    return [wide(v).reshape(1, -1) for v in jnp.split(b, gates)]


def back_in_time(step: Callable[..., Any], state: Any, xs: Any, reverse: bool) -> tuple[Any, Any]:
    """The scan of a backward pass, of whose `xs` the first is `(T, B, H)`.

    A large one is a call of its own: what it stacks is then allocated after the forward pass, in the memory of that
    one's projections. For a small one the call would be a tenth of the time.
    """

    def loop(state: Any, xs: Any) -> tuple[Any, Any]:
        return lax.scan(step, state, xs, reverse=not reverse)

    size = xs[0].size
    return loop(state, xs) if isinstance(size, int) and size < _LARGE else kept_call(loop)(state, xs)


def before(y: Array, start: Array, reverse: bool) -> Array:
    """What stood before each step of `y`, `(T, B, H)`."""
    first = start[None]
    return jnp.concatenate([y[1:], first] if reverse else [first, y[:-1]])


def transposed(a: Array) -> Array:
    """The transpose of the rows of `a`, `(..., F)`, in memory: XLA folds any other into the product that reads it."""
    return kept_call(lambda a: a.reshape(-1, a.shape[-1]).T)(a)


def transposed_before(y: Array, start: Array, reverse: bool) -> Array:
    """The transpose of `before(y, start, reverse)`, without that array."""
    return kept_call(lambda y, start: all_rows(before(y, start, reverse)).T)(y, start)


def all_rows(a: Array) -> Array:
    """`(T, B, F)` as `(T * B, F)`."""
    return a.reshape(-1, a.shape[-1])


def parted(inside: Array | None, a: Array) -> tuple[Array, Array]:
    """`a` at the rows that have this step, and at those that do not; 0 elsewhere."""
    if inside is None:
        return a, jnp.zeros_like(a)
    return jnp.where(inside, a, 0), jnp.where(inside, 0, a)


def kept(inside: Array | None, new: Array, old: Array) -> Array:
    """`new`, and `old` for rows that have ended."""
    return new if inside is None else jnp.where(inside, new, old)
