"""Attention by dot products: the core, and the layer with its projections."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import (
    check_choice,
    check_equal,
    check_finite,
    check_flags,
    check_float,
    check_rank,
    check_within,
)
from jaxml.functional._dropout import checked_key, dropout
from jaxml.functional._dtypes import wide
from jaxml.functional._linear import linear
from jaxml.functional._softmax import check_where, softmax

Implementation = Literal["xla", "cudnn"]


def dot_product_attention(
    queries: Float[Array, "B T N H"],
    keys: Float[Array, "B S K H"],
    values: Float[Array, "B S K H"],
    *,
    where: Bool[Array, "..."] | None = None,
    bias: Float[Array, "..."] | None = None,
    causal: bool = False,
    scale: float | None = None,
    implementation: Implementation | None = None,
) -> Float[Array, "B T N H"]:
    """Scaled dot-product attention, `y = softmax(scale q kᵀ + bias) v` for each head; arXiv:1706.03762.

    `queries` is `(B, T, N, H)`, `keys` and `values` are `(B, S, K, H)`: time before heads, where PyTorch's
    `scaled_dot_product_attention` has `(B, N, T, H)`. `N` is a multiple of `K`, and `N / K` heads share one key and
    value (grouped queries). `where` says which keys take part: `(B, S)`, or 4 axes that broadcast to `(B, N, T, S)`; so
    does `bias`, which is added. `causal` lets query `t` see the keys `s <= t`. `scale` is `H^-1/2` unless given. A
    query that sees no key gets 0 with gradient 0.

    float32 is computed by `jax.nn.dot_product_attention`, and so is "cudnn" as `implementation`: flash attention, for
    the GPUs, dtypes and shapes it knows. Other dtypes are computed here, half precision with its scores in float32.

    Cost: `2 B N T S H` multiply-adds.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> q, k, v = jnp.zeros((1, 1, 1, 2)), jnp.ones((1, 3, 1, 2)), jnp.arange(6.0).reshape(1, 3, 1, 2)
    >>> dot_product_attention(q, k, v, where=jnp.array([[True, True, False]])).ravel().tolist()
    [1.0, 2.0]
    """
    name = "dot_product_attention"
    check_float(name, {"bias": bias}, queries=queries, keys=keys, values=values)
    check_choice(name, "implementation", implementation, (None, "xla", "cudnn"))
    check_flags(name, causal=causal)
    if scale is not None:
        check_finite(name, "scale", scale)
    _check_heads(name, queries, keys, values)
    where, bias = _masks(name, queries, keys, where, bias)
    return attend(None, queries, keys, values, where, bias, causal, scale, 0.0, implementation)


def multi_head_attention(
    key: Array | None,
    queries: Float[Array, "B T E"],
    keys: Float[Array, "B S F"],
    values: Float[Array, "B S G"],
    w_q: Float[Array, "E D"],
    w_k: Float[Array, "F D"],
    w_v: Float[Array, "G D"],
    w_o: Float[Array, "D O"],
    b_q: Float[Array, " D"] | None = None,
    b_k: Float[Array, " D"] | None = None,
    b_v: Float[Array, " D"] | None = None,
    b_o: Float[Array, " O"] | None = None,
    *,
    heads: int,
    where: Bool[Array, "..."] | None = None,
    bias: Float[Array, "..."] | None = None,
    causal: bool = False,
    rate: float = 0.0,
    train: bool = True,
) -> Float[Array, "B T O"]:
    """Project, attend in every head, join the heads, project: `linear(attention(q W_q, k W_k, v W_v), W_o)`.

    `queries` is `(B, T, E)`, `keys` and `values` are `(B, S, ...)`: give one array three times for self-attention.
    Weights are `(in, out)`, the transpose of PyTorch's, whose `in_proj_weight` stacks the first three. `where`, `bias`
    and `causal` are those of `dot_product_attention`: `where` of `(B, S)` is the key padding, True where PyTorch's
    `key_padding_mask` is False. `rate` is the dropout of the attention weights, for which `key` is needed; without
    `train` or rate it may be `None`. A query that sees no key gets `b_o`.

    Cost: the four projections, and `2 B T S D` multiply-adds.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, a `where` that is not boolean, or no `key`.
        ValueError: a wrong rank, sizes that do not fit, `heads` does not divide `D`, or `rate` is not in [0, 1].

    >>> x, w = jnp.ones((2, 3, 4)), jnp.eye(4)
    >>> multi_head_attention(None, x, x, x, w, w, w, w, heads=2).shape
    (2, 3, 4)
    """
    name = "multi_head_attention"
    arrays = {"queries": queries, "keys": keys, "values": values}
    weights = {"w_q": w_q, "w_k": w_k, "w_v": w_v, "w_o": w_o}
    biases = {"b_q": b_q, "b_k": b_k, "b_v": b_v, "b_o": b_o}
    check_float(name, {**biases, "bias": bias}, **arrays, **weights)
    for label, x in arrays.items():
        check_rank(name, label, x, 3, "(B, T, E)")
    for label, w in weights.items():
        check_rank(name, label, w, 2, "(in, out)")
    for (label, x), (w_label, w) in zip(arrays.items(), list(weights.items())[:3], strict=True):
        check_equal(name, f"the last axis of {label}", x.shape[-1], w.shape[0], **{label: x, w_label: w})
        check_equal(name, f"the last axis of {w_label}", w.shape[1], w_o.shape[0], **{w_label: w, "w_o": w_o})
    for (label, b), w in zip(biases.items(), weights.values(), strict=True):
        if b is not None:
            check_equal(name, f"the shape of {label}", tuple(b.shape), (w.shape[1],))
    if isinstance(heads, bool) or not isinstance(heads, int) or heads < 1 or w_o.shape[0] % heads:
        raise ValueError(f"{name}: heads must divide the {w_o.shape[0]} features of the projections, got {heads}")
    check_within(name, "rate", rate, 0, 1)
    check_flags(name, causal=causal, train=train)
    if train and rate > 0:
        key = checked_key(name, key)

    def split(x: Array) -> Array:
        return x.reshape(*x.shape[:2], heads, x.shape[2] // heads)

    q, k, v = split(linear(queries, w_q, b_q)), split(linear(keys, w_k, b_k)), split(linear(values, w_v, b_v))
    _check_heads(name, q, k, v)
    where, bias = _masks(name, q, k, where, bias)
    y = attend(key, q, k, v, where, bias, causal, None, rate if train else 0.0, None)
    return linear(y.reshape(*y.shape[:2], w_o.shape[0]), w_o, b_o)


def _check_heads(name: str, queries: Array, keys: Array, values: Array) -> None:
    check_rank(name, "queries", queries, 4, "(B, T, N, H)")
    check_rank(name, "keys", keys, 4, "(B, S, K, H)")
    check_equal(name, "the shape of values", tuple(values.shape), tuple(keys.shape), keys=keys, values=values)
    shapes = {"queries": queries, "keys": keys}
    check_equal(name, "the batch of keys", keys.shape[0], queries.shape[0], **shapes)
    check_equal(name, "the last axis of keys", keys.shape[-1], queries.shape[-1], **shapes)
    if 0 in (keys.shape[1], keys.shape[2], keys.shape[3]) or queries.shape[2] % keys.shape[2]:
        raise ValueError(
            f"{name}: keys must not be empty, and their heads must divide those of queries "
            f"(queries: {tuple(queries.shape)}, keys: {tuple(keys.shape)})"
        )


def _masks(name: str, q: Array, k: Array, where: Array | None, bias: Array | None) -> tuple[Array | None, Array | None]:
    """`where` and `bias` with 4 axes."""
    check_where(name, where)
    full = (q.shape[0], q.shape[2], q.shape[1], k.shape[1])
    out = []
    for label, a in (("where", where), ("bias", bias)):
        if a is not None:
            check_rank(name, label, a, (2, 4), "(B, S) or (B, N, T, S)")
            given = tuple(a.shape)
            a = a[:, None, None, :] if a.ndim == 2 else a
            if any(n not in (1, m) for n, m in zip(a.shape, full, strict=True)):
                raise ValueError(f"{name}: {label} must broadcast to (B, N, T, S) = {full}, got {given}")
        out.append(a)
    return out[0], out[1]


def attend(
    key: Array | None,
    q: Array,
    k: Array,
    v: Array,
    where: Array | None,
    bias: Array | None,
    causal: bool,
    scale: float | None,
    rate: float,
    implementation: Implementation | None,
) -> Array:
    """Attention of checked arrays; masks have 4 axes. A row without a key attends to all, and is then set to 0."""
    factor: float = float(q.shape[-1]) ** -0.5 if scale is None else scale
    alive = None
    if where is not None:
        seen = where
        if causal:
            seen = seen & jnp.tri(q.shape[1], k.shape[1], dtype=bool)[None, None]
        alive = jnp.any(seen, -1, keepdims=True)
        where = where | ~alive
    # jax.nn rounds the softmax of float64 to float32, and its half precision fails under strict promotion (in the
    # forward pass by `promote_types`, in the gradient of bfloat16 by mixed products).
    if rate > 0 or (q.dtype != jnp.float32 and implementation != "cudnn"):
        y = _plain(key, q, k, v, where, bias, causal, factor, rate)
    else:
        with jax.numpy_dtype_promotion("standard"):
            y = jax.nn.dot_product_attention(
                q, k, v, bias, where, scale=factor, is_causal=causal, implementation=implementation
            )
    return y if alive is None else jnp.where(jnp.swapaxes(alive, 1, 2), y, 0)


def _plain(
    key: Array | None,
    q: Array,
    k: Array,
    v: Array,
    where: Array | None,
    bias: Array | None,
    causal: bool,
    scale: float,
    rate: float,
) -> Array:
    """The same written out, with dropout of the weights, in full precision."""
    b, t, n, h = q.shape
    s, groups = k.shape[1], k.shape[2]
    logits = scale * jnp.einsum("btkgh,bskh->bkgts", wide(q).reshape(b, t, groups, -1, h), wide(k))
    logits = logits.reshape(b, n, t, s)
    if bias is not None:
        logits = logits + wide(bias)
    seen = jnp.tri(t, s, dtype=bool)[None, None] if causal else None
    if where is not None:
        seen = where if seen is None else where & seen
    weights = softmax(logits, where=None if seen is None else jnp.broadcast_to(seen, logits.shape))
    weights = dropout(key, weights.astype(q.dtype), rate=rate)
    weights = weights.reshape(b, groups, -1, t, s)
    return jnp.einsum("bkgts,bskh->btkgh", weights, v).reshape(b, t, n, h)
