"""Attention of sequence-to-sequence models: scores that are learned functions of query and key."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_equal, check_float, check_rank
from jaxml.functional._dtypes import wide
from jaxml.functional._linear import linear
from jaxml.functional._softmax import check_where, softmax


def additive_attention(
    queries: Float[Array, "B T Q"],
    keys: Float[Array, "B S K"],
    values: Float[Array, "B S V"],
    w_q: Float[Array, "Q D"],
    w_k: Float[Array, "K D"],
    v: Float[Array, " D"],
    *,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "B T V"]:
    """Bahdanau's attention, `softmax_s(vᵀ tanh(q_t W_q + k_s W_k))` as weights of the values; arXiv:1409.0473.

    `queries` is `(B, T, Q)`, `keys` and `values` are `(B, S, ...)`; `where` says which keys take part, `(B, S)` or
    `(B, T, S)`. A query that sees no key gets 0 with gradient 0. Keras's AdditiveAttention has no projections.

    Cost: the two projections, and `B T S (D + V)` multiply-adds; `B T S D` numbers are held.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> q, k, w = jnp.zeros((1, 1, 2)), jnp.ones((1, 3, 2)), jnp.eye(2)
    >>> additive_attention(q, k, jnp.arange(3.0)[None, :, None], w, w, jnp.ones(2)).ravel().tolist()
    [1.0]
    """
    name = "additive_attention"
    check_float(name, queries=queries, keys=keys, values=values, w_q=w_q, w_k=w_k, v=v)
    _check_sequences(name, queries, keys, values)
    for label, w, x in (("w_q", w_q, queries), ("w_k", w_k, keys)):
        check_rank(name, label, w, 2, "(in, D)")
        check_equal(name, f"the first axis of {label}", w.shape[0], x.shape[-1])
        check_equal(name, "the shape of v", tuple(v.shape), (w.shape[1],), **{label: w})
    hidden = jnp.tanh(linear(queries, w_q)[:, :, None] + linear(keys, w_k)[:, None])
    return _weighted(name, jnp.matmul(hidden, v), values, where)


def luong_attention(
    queries: Float[Array, "B T Q"],
    keys: Float[Array, "B S K"],
    values: Float[Array, "B S V"],
    w: Float[Array, "Q K"] | None = None,
    *,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "B T V"]:
    """Luong's attention, `softmax_s(q_tᵀ W k_s)` as weights of the values; arXiv:1508.04025.

    The score is the paper's "general" one with `w` of `(Q, K)` and its "dot" without; neither is scaled. `queries` is
    `(B, T, Q)`, `keys` and `values` are `(B, S, ...)`; `where` says which keys take part, `(B, S)` or `(B, T, S)`. A
    query that sees no key gets 0 with gradient 0.

    Cost: `B T S (K + V)` multiply-adds, and the projection.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> q, k = jnp.zeros((1, 1, 2)), jnp.ones((1, 3, 2))
    >>> luong_attention(q, k, jnp.arange(3.0)[None, :, None]).ravel().tolist()
    [1.0]
    """
    name = "luong_attention"
    check_float(name, {"w": w}, queries=queries, keys=keys, values=values)
    _check_sequences(name, queries, keys, values)
    if w is not None:
        check_equal(name, "the shape of w", tuple(w.shape), (queries.shape[-1], keys.shape[-1]))
        queries = linear(queries, w)
    check_equal(name, "the last axis of keys", keys.shape[-1], queries.shape[-1], queries=queries, keys=keys)
    return _weighted(name, jnp.einsum("btk,bsk->bts", queries, keys), values, where)


def _check_sequences(name: str, queries: Array, keys: Array, values: Array) -> None:
    for label, x in (("queries", queries), ("keys", keys), ("values", values)):
        check_rank(name, label, x, 3, "(B, T, F)")
    check_equal(name, "the batch of keys", keys.shape[0], queries.shape[0], queries=queries, keys=keys)
    check_equal(name, "the first two axes of values", tuple(values.shape[:2]), tuple(keys.shape[:2]))


def _weighted(name: str, scores: Array, values: Array, where: Array | None) -> Array:
    """The mean of `values`, weighted by the softmax of `scores`, `(B, T, S)`."""
    check_where(name, where)
    if where is not None:
        b, t, s = scores.shape
        if tuple(where.shape) not in ((b, s), (b, t, s)):
            raise ValueError(f"{name}: where must be of shape {(b, s)} or {(b, t, s)}, got {tuple(where.shape)}")
        where = where[:, None] if where.ndim == 2 else where
        where = jnp.broadcast_to(where, scores.shape)
    weights = softmax(wide(scores), where=where).astype(values.dtype)
    return jnp.einsum("bts,bsv->btv", weights, values)
