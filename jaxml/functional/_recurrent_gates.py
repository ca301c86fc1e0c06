"""What the fast recurrences share: gates in arrays of their own, and the products after the loop.

Measured on XLA:CPU (benchmarks/README.md): a fusion that takes one step out of a `(T, B, 4H)` array and splits it
computes its sigmoids and tanhs one scalar at a time, eight times as slow, so each gate has its own array; one product
with all gates' columns uses two cores where four small ones use one; and a product over the rows of both operands is
faster on a transpose that exists in memory.
"""

from collections.abc import Callable, Sequence
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
    """The last axis first, in memory: XLA folds any other transpose into the product that reads it."""
    return kept_call(lambda a: jnp.moveaxis(a, -1, 0))(a)


def transposed_before(y: Array, start: Array, reverse: bool) -> Array:
    """`transposed(before(y, start, reverse))`, without the inner array."""
    return kept_call(lambda y, start: jnp.moveaxis(before(y, start, reverse), -1, 0))(y, start)


def over_rows(a: Array, d: Array) -> Array:
    """The product `(F, G)` of a transpose `(F, T, B)` and `(T, B, G)` over all rows of all steps.

    T and B stay two axes: one of both could not be sharded along B, and every device would compute the whole batch.
    """
    return lax.dot_general(a, d, (((1, 2), (0, 1)), ((), ())))


def seen(mask: Array | None, h: Array) -> Array:
    """h, of one step or all, as `w_hh` sees it."""
    return h if mask is None else h * jnp.broadcast_to(mask.astype(h.dtype), h.shape)


def state_is_saved(inside: Array | None, mask: Array | None, shares: Sequence[Array | None]) -> bool:
    """Whether the outputs alone do not say what the backward pass needs."""
    return any(a is not None for a in (inside, mask, *shares))


def kept(inside: Array | None, share: Array | None, new: Array, old: Array) -> Array:
    """`new` but for the `share` of `old` that stays, and `old` for rows that have ended."""
    new = new if share is None else share * old + (1 - share) * new
    return new if inside is None else jnp.where(inside, new, old)


def parted(inside: Array | None, share: Array | None, d: Array) -> tuple[Array, Array]:
    """From the cotangent of what is kept, those of `new` and `old`."""
    new, old = (d, jnp.zeros_like(d)) if share is None else ((1 - wide(share)) * d, wide(share) * d)
    return (new, old) if inside is None else (jnp.where(inside, new, 0), jnp.where(inside, old, d))


def of_share(inside: Array | None, share: Array | None, d: Array, new: Array, old: Array | None) -> Array | None:
    """From the cotangent of what is kept, that of `share`."""
    if share is None or old is None:
        return None
    return (d * (old - new) if inside is None else jnp.where(inside, d * (old - new), 0)).astype(share.dtype)


def of_mask(mask: Array | None, d: Array, w_hh: Array, h_before: Array | None) -> Array | None:
    """From the cotangent of `seen(mask, h_before) w_hh`, `(T, B, G)`, that of `mask`, `(B, H)`."""
    if mask is None or h_before is None:
        return None
    return wide(jnp.matmul(d, w_hh.T) * h_before).sum(0).astype(mask.dtype)
