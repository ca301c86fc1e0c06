"""`-log p` of a label and summed over all classes, for logits `x w + b` that are computed a chunk of classes at a time.

The backward pass computes them again, but where one chunk holds them all: those are kept. Autodiff would always keep
them; with `jax.checkpoint` around a chunk it would still add a gradient of the size of `w` for every chunk, where here
each chunk's is written once, in its place.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._softmax import finite


def _class_costs(
    x: Array, w: Array, b: Array | None, shares: Array | None, labels: Array, width: int
) -> tuple[Array, Array]:
    """`-log p_label` and `Σ_c shares_c (-log p_c)` (0 without `shares`) of each row, `p = softmax(x w + b)`.

    x: `(N, I)`; w: `(I, C)`; b, shares: `(C,)` or None; labels: `(N,)`; `width` classes are a chunk. Both results are
    in the wide dtype. The first means nothing for a label that is no class.
    """
    return _forward(x, w, b, shares, labels, width)[0]


def reference(
    x: Array, w: Array, b: Array | None, shares: Array | None, labels: Array, width: int
) -> tuple[Array, Array]:
    """The same at once."""
    logits = wide(x) @ wide(w) + (0 if b is None else wide(b)[None])
    cost = -jax.nn.log_softmax(logits)
    total = jnp.zeros_like(cost[:, 0]) if shares is None else jnp.sum(shares[None] * cost, 1)
    return jnp.take_along_axis(cost, labels[:, None], 1)[:, 0], total


def _chunked(body: Callable[[Any, Array | int, int], Any], carry: Any, classes: int, width: int) -> Any:
    """`carry = body(carry, start, size)` for one chunk after the other; the last one is what remains."""
    count = classes // width
    if count > 1:
        starts = width * jnp.arange(count, dtype=jnp.int32)
        carry, _ = lax.scan(lambda carry, start: (body(carry, start, width), None), carry, starts)
    elif count:
        carry = body(carry, 0, width)
    return body(carry, count * width, classes % width) if classes % width else carry


def _part(a: Array, start: Array | int, size: int) -> Array:
    return lax.dynamic_slice_in_dim(a, start, size, a.ndim - 1)


def _logits(x: Array, w: Array, b: Array | None, start: Array | int, size: int) -> Array:
    z = jnp.matmul(x, _part(w, start, size), preferred_element_type=wide_dtype(x.dtype))
    return finite(z if b is None else z + wide(_part(b, start, size))[None])


def _is_label(labels: Array, start: Array | int, size: int) -> Array:
    return (labels - start)[:, None] == jnp.arange(size, dtype=jnp.int32)[None]


@partial(jax.jit, static_argnums=5)  # outside of `jax.jit` each call would else compile its loop anew
def _forward(
    x: Array, w: Array, b: Array | None, shares: Array | None, labels: Array, width: int
) -> tuple[tuple[Array, Array], Any]:
    dtype, n, classes = wide_dtype(x.dtype), x.shape[0], w.shape[1]
    lowest = jnp.finfo(dtype).min

    kept = _logits(x, w, b, 0, classes) if width >= classes else None

    def add(carry, start, size):
        """Largest logit so far, the sum of exponentials relative to it, the label's logit and the weighted sum."""
        largest, total, own, weighted = carry
        z = _logits(x, w, b, start, size) if kept is None else kept
        # Any number will do that keeps the exponentials finite, so the derivative does not pass through it.
        new = lax.stop_gradient(jnp.maximum(largest, jnp.max(z, 1)))
        total = total * jnp.exp(largest - new) + jnp.sum(jnp.exp(z - new[:, None]), 1)
        here = labels - start
        found = jnp.take_along_axis(z, here[:, None], 1, mode="clip")[:, 0]
        own = own + jnp.where((here >= 0) & (here < size), found, 0)
        if shares is not None:
            weighted = weighted + jnp.sum(z * wide(_part(shares, start, size))[None], 1)
        return new, total, own, weighted

    zero = jnp.zeros(n, dtype)
    largest, total, own, weighted = _chunked(add, (jnp.full(n, lowest), zero, zero, zero), classes, width)
    log_total = jnp.log(total)
    # In this order: the largest logit less the label's is exactly 0 for a right answer.
    cost = finite(largest - own) + log_total
    if shares is not None:
        weighted = (largest + log_total) * jnp.sum(wide(shares)) - weighted
    return (cost, weighted), (x, w, b, shares, labels, largest, log_total, kept)


@partial(jax.jit, static_argnums=0)
def _backward(width: int, kept: Any, cotangents: Any) -> tuple[Any, ...]:
    x, w, b, shares, labels, largest, log_total, all_logits = kept
    by_cost, by_weighted = cotangents
    classes = w.shape[1]
    by_p = by_cost if shares is None else by_cost + by_weighted * jnp.sum(wide(shares))

    def add(carry, start, size):
        """The chunk's part of every gradient; those of w, b and shares are written in their place."""
        dx, dw, db, dshares = carry
        z = _logits(x, w, b, start, size) if all_logits is None else all_logits
        log_p = finite(z - largest[:, None]) - log_total[:, None]
        dz = by_p[:, None] * jnp.exp(log_p) - jnp.where(_is_label(labels, start, size), by_cost[:, None], 0)
        if shares is not None:
            dz = dz - by_weighted[:, None] * wide(_part(shares, start, size))[None]
            dshares = _put(dshares, jnp.sum(-log_p * by_weighted[:, None], 0), start)
        if b is not None:
            db = _put(db, jnp.sum(dz, 0), start)
        dz = dz.astype(x.dtype)
        dx = dx + jnp.matmul(dz, _part(w, start, size).T, preferred_element_type=dx.dtype)
        return dx, _put(dw, jnp.matmul(x.T, dz, preferred_element_type=dx.dtype), start), db, dshares

    dx = jnp.zeros(x.shape, wide_dtype(x.dtype))
    others = (None if a is None else jnp.zeros_like(a) for a in (w, b, shares))
    dx, dw, db, dshares = _chunked(add, (dx, *others), classes, width)
    return dx.astype(x.dtype), dw, db, dshares, None


def _put(whole: Array, part: Array, start: Array | int) -> Array:
    return lax.dynamic_update_slice_in_dim(whole, part.astype(whole.dtype), start, whole.ndim - 1)


class_costs = jax.custom_vjp(_class_costs, nondiff_argnums=(5,))
class_costs.defvjp(_forward, _backward)
