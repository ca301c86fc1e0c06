"""Cases and float64 NumPy references: attention, embeddings, positions, the bilinear layer."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from _case import Case, normal

import jaxml.functional as F

B, T, S, N, H = 2, 3, 5, 4, 2
INDICES = np.array([[2, 0, 2], [3, 1, 1]])
FLAT, OFFSETS = np.array([2, 0, 2, 3, 1, 0]), np.array([0, 2, 2, 5])
# The second example sees no key at all.
SEEN = np.array([[True, False, True, True, False], [False] * 5])


# The library takes JAX's arrays only.
J_INDICES, J_FLAT, J_OFFSETS, J_SEEN = (
    jnp.asarray(a, a.dtype if a.dtype == bool else np.int32) for a in (INDICES, FLAT, OFFSETS, SEEN)
)


def np_weights(logits, where):
    where = np.broadcast_to(where, logits.shape)
    e = np.exp(logits - logits.max(-1, keepdims=True)) * where
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def np_attention(q, k, v, bias=0.0, *, where=True, causal=False, scale=None):
    k, v = (np.repeat(a, q.shape[2] // a.shape[2], 2) for a in (k, v))
    logits = np.einsum("btnh,bsnh->bnts", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale) + bias
    where = where & np.tri(q.shape[1], k.shape[1], dtype=bool) if causal else where
    return np.einsum("bnts,bsnh->btnh", np_weights(logits, where), v)


def biased(q, k, v, bias):
    return F.dot_product_attention(q, k, v, bias=bias, where=J_SEEN, causal=True, scale=0.7)


def biased_reference(q, k, v, bias):
    return np_attention(q, k, v, bias, where=SEEN[:, None, None], causal=True, scale=0.7)


def np_multi_head(q, k, v, wq, wk, wv, wo, bq, bk, bv, bo):
    def split(x):
        return x.reshape(*x.shape[:2], 2, -1)

    y = np_attention(split(q @ wq + bq), split(k @ wk + bk), split(v @ wv + bv), where=SEEN[:, None, None])
    return y.reshape(*y.shape[:2], -1) @ wo + bo


def np_additive(q, k, v, wq, wk, u):
    scores = np.tanh((q @ wq)[:, :, None] + (k @ wk)[:, None]) @ u
    return np_weights(scores, SEEN[:, None]) @ v


def np_luong(q, k, v, w):
    return np_weights(q @ w @ k.swapaxes(1, 2), SEEN[:, None]) @ v


def clipped(w, order):
    norm = np.linalg.norm(w, order, -1, keepdims=True)
    return np.where(norm > 1, w / (norm + 1e-7), w)[INDICES]


def np_bags(w, weights=None, *, mode):
    rows = w[FLAT] if weights is None else w[FLAT] * weights[:, None]
    bags = np.split(rows, OFFSETS[1:])
    return np.stack([getattr(np, mode)(bag, 0) if len(bag) else np.zeros(w.shape[1]) for bag in bags])


def np_rotary(x, interleaved):
    h = x.shape[-1]
    angle = np.arange(x.shape[1])[:, None, None] * 10000.0 ** (-np.arange(0, h, 2) / h)
    a, b = (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., : h // 2], x[..., h // 2 :])
    turned = (a + 1j * b) * np.exp(1j * angle)
    pair = [turned.real, turned.imag]
    return np.stack(pair, -1).reshape(x.shape) if interleaved else np.concatenate(pair, -1)


def np_sinusoidal(p):
    rates = 10000.0 ** (-np.arange(0, 6, 2) / 6)
    return np.stack([np.sin(p[:, None] * rates), np.cos(p[:, None] * rates)], -1).reshape(len(p), 6)


def places(rng, dtype):
    """Exact in every dtype."""
    return (np.array([0.0, 1.0, 2.5, 7.0]).astype(dtype),)


QKV = ((B, T, N, H), (B, S, 2, H), (B, S, 2, H))
HEADS = ((B, T, 3), (B, S, 5), (B, S, 2), (3, 6), (5, 6), (2, 6), (6, 4), (6,), (6,), (6,), (4,))
# jax.nn rounds the weights, which bound the error.
HALF = {"float32": 2e-5, "bfloat16": 0.08, "float16": 0.01}
CASES: list[Case] = [
    Case("attention/grouped", F.dot_product_attention, normal(*QKV), np_attention, None, (0, 1, 2), True, HALF),
    Case(
        "attention/where_bias_causal", biased, normal(*QKV, (1, N, 1, S)), biased_reference, None, (0, 1, 2, 3), True,
        HALF,
    ),
    Case(
        "multi_head_attention", lambda *a: F.multi_head_attention(None, *a, heads=2, where=J_SEEN),
        normal(*HEADS, scale=0.5), np_multi_head, None, tuple(range(11)), True, HALF,
    ),
    Case(
        "additive_attention", lambda *a: F.additive_attention(*a, where=J_SEEN),
        normal((B, T, 3), (B, S, 2), (B, S, 4), (3, 5), (2, 5), (5,)), np_additive, None, tuple(range(6)), True, HALF,
    ),
    Case(
        "luong_attention/general", lambda *a: F.luong_attention(*a, where=J_SEEN),
        normal((B, T, 3), (B, S, 2), (B, S, 4), (3, 2), scale=0.7), np_luong, None, tuple(range(4)), True, HALF,
    ),
    Case(
        "luong_attention/dot", F.luong_attention, normal((B, T, 3), (B, S, 3), (B, S, 4), scale=0.7),
        lambda q, k, v: np_weights(q @ k.swapaxes(1, 2), True) @ v, None, (0, 1, 2), True, HALF,
    ),
    Case("embedding", lambda w: F.embedding(J_INDICES, w), normal((4, 3)), lambda w: w[INDICES]),
    Case(
        "embedding/max_norm", lambda w: F.embedding(J_INDICES, w, max_norm=1.0), normal((4, 3)), partial(clipped,
        order=2)
    ),
    Case(
        "embedding/order", lambda w: F.embedding(J_INDICES, w, max_norm=1.0, order=3.0), normal((4, 3)),
        partial(clipped, order=3),
    ),
    Case("embedding_bag/rows", lambda w: F.embedding_bag(J_INDICES, w), normal((4, 3)), lambda w: w[INDICES].mean(1)),
    Case(
        "embedding_bag/rows_max", lambda w: F.embedding_bag(J_INDICES, w, mode="max"), normal((4, 3)),
        lambda w: w[INDICES].max(1),
    ),
    Case(
        "embedding_bag/weights", lambda w, c: F.embedding_bag(J_FLAT, w, c, offsets=J_OFFSETS, mode="sum"),
        normal((4, 3), (6,)), partial(np_bags, mode="sum"), None, (0, 1),
    ),
    Case(
        "embedding_bag/offsets_max", lambda w: F.embedding_bag(J_FLAT, w, offsets=J_OFFSETS, mode="max"), normal((4,
        3)),
        partial(np_bags, mode="max"),
    ),
    Case(
        "bilinear", F.bilinear, normal((2, 3), (2, 5), (3, 5, 4), (4,)),
        lambda a, b, w, c: np.einsum("ni,nj,ijo->no", a, b, w) + c, None, (0, 1, 2, 3), True,
        {"bfloat16": 0.15, "float16": 0.02},
    ),
    Case("sinusoidal_positions", partial(F.sinusoidal_positions, features=6), places, np_sinusoidal),
    Case("rotary_embedding", F.rotary_embedding, normal((2, 3, 1, 6)), partial(np_rotary, interleaved=False)),
    Case(
        "rotary_embedding/interleaved", partial(F.rotary_embedding, interleaved=True), normal((2, 3, 1, 6)),
        partial(np_rotary, interleaved=True),
    ),
    Case(
        "alibi", lambda p: F.alibi(p, p + 1, heads=2), places,
        lambda p: -np.array([2.0**-4, 2.0**-8])[:, None, None] * np.abs(p[:, None] - p - 1)[None, None], None, (),
    ),
]  # fmt: skip
