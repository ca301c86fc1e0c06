"""Claims and coverage: attention, embeddings, positions, linear maps."""

import numpy as np

import jaxml.functional as F

from ._claim import Claim
from ._row import Row

ROWS_OF_TABLE, LENGTH = 6, 7


def drawn(*shapes):
    return lambda rng, options: [rng.standard_normal(shape) for shape in shapes]


def heads_first(x):
    return x.movedim(2, 1)


def attended(rng, options):
    q, k = (2, 3, 4, 2), (2, 5, options["groups"], 2)
    return [rng.standard_normal(q), rng.standard_normal(k), rng.standard_normal(k), rng.standard_normal((1, 4, 3, 5)),
            rng.random((2, 4, 3, 5)) < 0.6]  # fmt: skip


def our_attention(q, k, v, bias, where, *, given, groups, **options):
    extra = {"bias": {"bias": bias}, "where": {"where": where}, "nothing": {}}[given]
    return F.dot_product_attention(q, k, v, **extra, **options)


def their_attention(torch, q, k, v, bias, where, *, given, groups, causal, scale):
    mask = {"bias": bias, "where": where, "nothing": None}[given]
    return heads_first(torch.nn.functional.scaled_dot_product_attention(
        *map(heads_first, (q, k, v)), mask, is_causal=causal, scale=scale, enable_gqa=groups < 4
    ))  # fmt: skip


def layer(rng, options):
    """Every query sees the first key: PyTorch gives NaN where there is none."""
    seen = rng.random((2, 5)) < 0.6
    seen[:, 0] = True
    shapes = ((2, 5, 6), (6, 6), (6, 6), (6, 6), (6, 6), (6,), (6,), (6,), (6,))
    return [*(rng.standard_normal(s) for s in shapes), seen]


def our_layer(x, wq, wk, wv, wo, bq, bk, bv, bo, seen, *, heads, biased, padded, causal):
    biases = (bq, bk, bv, bo) if biased else ()
    return F.multi_head_attention(
        None, x, x, x, wq, wk, wv, wo, *biases, heads=heads, where=seen if padded else None, causal=causal
    )


def their_layer(torch, x, wq, wk, wv, wo, bq, bk, bv, bo, seen, *, heads, biased, padded, causal):
    x = x.movedim(0, 1)
    mask = ~torch.ones(5, 5, dtype=bool).tril() if causal else None
    y, _ = torch.nn.functional.multi_head_attention_forward(
        x, x, x, 6, heads, torch.cat([wq.T, wk.T, wv.T]), torch.cat([bq, bk, bv]) if biased else None, None, None,
        False, 0.0, wo.T, bo if biased else None, key_padding_mask=~seen if padded else None, attn_mask=mask,
        need_weights=False,
    )  # fmt: skip
    return y.movedim(0, 1)


def table(rng, options):
    return [rng.standard_normal((ROWS_OF_TABLE, 3)), rng.integers(0, ROWS_OF_TABLE, (2, 4))]


def their_embedding(torch, w, indices, *, padding_index=None, max_norm=None, order=2.0):
    return torch.nn.functional.embedding(indices, w, padding_index, max_norm, order)


def bags(rng, options):
    indices = rng.integers(0, ROWS_OF_TABLE, LENGTH if options["ragged"] else (2, 4))
    # An empty bag in the middle.
    offsets = np.array([0, 3, 3, 5])
    return [rng.standard_normal((ROWS_OF_TABLE, 3)), rng.standard_normal(indices.shape), indices, offsets]


def our_bags(w, weights, indices, offsets, *, ragged, weighted, **options):
    return F.embedding_bag(indices, w, weights if weighted else None, offsets=offsets if ragged else None, **options)


def their_bags(torch, w, weights, indices, offsets, *, ragged, weighted, mode, padding_index):
    return torch.nn.functional.embedding_bag(
        indices, w, offsets if ragged else None, mode=mode, per_sample_weights=weights if weighted else None,
        padding_idx=padding_index,
    )  # fmt: skip


def our_bilinear(x1, x2, w, b, *, biased):
    return F.bilinear(x1, x2, w, b if biased else None)


def their_bilinear(torch, x1, x2, w, b, *, biased):
    return torch.nn.functional.bilinear(x1, x2, w.movedim(2, 0), b if biased else None)


PADDING = (None, 0, 3, -1)
CLAIMS = [
    Claim(
        "dot_product_attention", "nn.functional.scaled_dot_product_attention", attended, our_attention,
        their_attention,
        {"given": ("nothing", "bias", "where"), "groups": (1, 2, 4), "causal": (False, True), "scale": (None, 0.3)},
        # PyTorch refuses a mask and `is_causal` together.
        lambda o: not (o["causal"] and o["given"] != "nothing"), differentiable=(0, 1, 2, 3),
    ),
    Claim(
        "multi_head_attention", "nn.functional.multi_head_attention_forward", layer, our_layer, their_layer,
        {"heads": (1, 2, 3), "biased": (False, True), "padded": (False, True), "causal": (False, True)},
        # Gradients pass a softmax of wide logits, which magnifies rounding. Of eight draws in float32 the worst of
        # PyTorch's is 3e-5 off float64, of ours 2e-5, of the difference 5e-5. Values agree to 2e-6, float64 to 4e-14.
        differentiable=tuple(range(9)), tolerance={"float32": 1e-4},
    ),
    Claim(
        "embedding", "nn.functional.embedding", table, lambda w, i, **options: F.embedding(i, w, **options),
        their_embedding, {"padding_index": PADDING},
    ),
    Claim(
        "embedding", "nn.functional.embedding", table, lambda w, i, **options: F.embedding(i, w, **options),
        their_embedding, {"padding_index": PADDING, "max_norm": (0.5, 1.0, 2.0), "order": (1.0, 2.0, 3.0)},
        differentiable=(), variant="max_norm",
    ),
    Claim(
        "embedding_bag", "nn.functional.embedding_bag", bags, our_bags, their_bags,
        {"ragged": (False, True), "weighted": (False, True), "mode": ("sum", "mean", "max"), "padding_index": PADDING},
        lambda o: o["mode"] == "sum" or not o["weighted"], differentiable=(0, 1),
    ),
    Claim(
        "bilinear", "nn.functional.bilinear", drawn((2, 3), (2, 5), (3, 5, 4), (4,)), our_bilinear, their_bilinear,
        {"biased": (False, True)}, differentiable=(0, 1, 2, 3),
    ),
    Claim(
        "linear", "nn.functional.linear", drawn((2, 3), (3, 4), (4,)), F.linear,
        lambda torch, x, w, b: torch.nn.functional.linear(x, w.T, b), differentiable=(0, 1, 2),
    ),
]  # fmt: skip
ROWS = [
    Row(("linear",), ("layers.Dense",), "linear", reason="weights `(in, out)`"),
    Row(("bilinear",), (), "bilinear", reason="weights `(I, J, O)`"),
    Row(
        ("scaled_dot_product_attention",), ("ops.dot_product_attention",), "dot_product_attention",
        reason="`(B, T, N, H)`; a query without a key gets 0; `dropout_p` is the `rate` of `multi_head_attention`",
    ),
    Row(
        ("multi_head_attention_forward",), ("layers.MultiHeadAttention",), "multi_head_attention",
        reason="projections apart; no `bias_k`, `add_zero_attn`, and no averaged weights, which cost the fused kernel",
    ),
    Row((), ("layers.AdditiveAttention",), "additive_attention", reason="with the projections of the paper"),
    Row((), ("layers.Attention",), "luong_attention"),
    Row(
        ("embedding",), ("layers.Embedding",), "embedding",
        reason="an index out of range gives NaN; `max_norm` scales what is returned, not the table; no "
        "`scale_grad_by_freq`, no `sparse`",
    ),
    Row(("embedding_bag",), (), "embedding_bag", reason="no `max_norm`, `scale_grad_by_freq`, `include_last_offset`"),
    Row(("one_hot",), ("ops.one_hot",), "one_hot", whose="jax.nn"),
    Row(("grouped_mm",), (), reason="`jax.lax.ragged_dot`"),
    Row(("scaled_mm", "scaled_grouped_mm"), (), reason="8-bit products with scales: `jax.nn.scaled_matmul`"),
    Row((), (), "sinusoidal_positions"),
    Row((), (), "rotary_embedding"),
    Row((), (), "alibi"),
]  # fmt: skip
