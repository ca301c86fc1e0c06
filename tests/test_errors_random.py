"""Bad input to random functions, attention, embeddings and positions: which error, saying what."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

KEY, NAN = jax.random.key(0), float("nan")
V, M, S3, X4, X5 = jnp.ones(3), jnp.ones((2, 3)), jnp.ones((2, 3, 4)), jnp.ones((2, 3, 4, 5)), jnp.ones((2, 3, 4, 5, 2))
I1, I2, W, SQ = jnp.zeros(3, jnp.int32), jnp.zeros((2, 3), jnp.int32), jnp.ones((5, 2)), jnp.eye(4)
RATED = {
    "dropout1d": (F.dropout1d, S3), "dropout2d": (F.dropout2d, X4), "dropout3d": (F.dropout3d, X5),
    "drop_path": (F.drop_path, M), "alpha_dropout": (F.alpha_dropout, M),
    "feature_alpha_dropout": (F.feature_alpha_dropout, M), "dropblock2d": (partial(F.dropblock2d, window=2), X4),
    "gaussian_dropout": (F.gaussian_dropout, M),
}  # fmt: skip


@pytest.mark.parametrize("name", RATED)
def test_rate_key_dtype(name):
    f, x = RATED[name]
    for rate in (-0.1, 1.1, NAN):
        with pytest.raises(ValueError, match=f"{name}: rate must lie between 0 and 1"):
            f(KEY, x, rate=rate)
    with pytest.raises(TypeError, match=f"{name}: key must be a jax.random.key, got None"):
        f(None, x, rate=0.5)
    with pytest.raises(TypeError, match=f"{name}: x must be floating point, got int32"):
        f(KEY, x.astype(jnp.int32), rate=0.5)


attention, luong = F.dot_product_attention, F.luong_attention
mha = partial(F.multi_head_attention, None, heads=2)
ERRORS = [
    (lambda: F.dropout1d(KEY, X4, rate=0.5), ValueError, "dropout1d: x must have 3 axes (N, L, C), got 4"),
    (lambda: F.dropout2d(KEY, S3, rate=0.5), ValueError, "dropout2d: x must have 4 axes (N, H, W, C), got 3"),
    (lambda: F.dropout3d(KEY, X4, rate=0.5), ValueError, "dropout3d: x must have 5 axes (N, D, H, W, C), got 4"),
    (lambda: F.drop_path(KEY, jnp.ones(()), rate=0.5), ValueError, "drop_path: x must have at least 1 axis"),
    (lambda: F.feature_alpha_dropout(KEY, V, rate=0.5), ValueError, "x must have at least 2 axes"),
    (lambda: F.dropblock2d(KEY, S3, rate=0.5, window=2), ValueError, "dropblock2d: x must have 4 axes"),
    (lambda: F.dropblock2d(KEY, X4, rate=0.5, window=4), ValueError, "window must not exceed the image, got 4"),
    (lambda: F.dropblock2d(KEY, X4, rate=0.5, window=0), ValueError, "window must be positive integers"),
    (lambda: F.gaussian_dropout(KEY, V, rate=1.0), ValueError, "rate must lie between 0 and 1, 1 excluded, got 1.0"),
    (lambda: F.gaussian_noise(KEY, V, stddev=-1.0), ValueError, "gaussian_noise: stddev must be at least 0, got -1.0"),
    (lambda: F.gaussian_noise(None, V, stddev=1.0), TypeError, "gaussian_noise: key must be a jax.random.key"),
    (lambda: F.gumbel_softmax(KEY, V, temperature=0.0), ValueError, "temperature must be finite and above 0, got 0.0"),
    (lambda: F.gumbel_softmax(KEY, V, axis=1), ValueError, "gumbel_softmax: axis 1 does not exist (logits: (3,))"),
    (lambda: F.gumbel_softmax(KEY, V[:0]), ValueError, "gumbel_softmax: axis -1 must not be empty (logits: (0,))"),
    (lambda: F.rrelu(KEY, V, minval=0.5, maxval=0.1), ValueError, "rrelu: maxval must be at least 0.5, got 0.1"),
    (lambda: F.rrelu(None, V), TypeError, "rrelu: key must be a jax.random.key, got None"),
    (lambda: F.mixup(KEY, M, V), ValueError, "mixup: the number of targets must be 2, got 3"),
    (lambda: F.mixup(KEY, M, M, alpha=0.0), ValueError, "mixup: alpha must be finite and above 0, got 0.0"),
    (lambda: F.mixup(KEY, jnp.ones(()), M), ValueError, "mixup: x must have at least 1 axis (N, ...), got 0"),
    (lambda: F.cutmix(KEY, S3, M), ValueError, "cutmix: x must have 4 axes (N, H, W, C), got 3"),
    (lambda: F.cutout(KEY, S3, window=2), ValueError, "cutout: x must have 4 axes (N, H, W, C), got 3"),
    (lambda: F.cutout(KEY, X4, window=0), ValueError, "cutout: window must be positive integers, got (0, 0)"),
    (lambda: F.cutout(KEY, X4, window=(1, 2, 3)), ValueError, "cutout: the length of window must be 2, got 3"),
    (lambda: F.cutout(KEY, X4, window=1.5), ValueError, "cutout: window must be positive integers, got (1.5, 1.5)"),
    (lambda: F.embedding(V, W), TypeError, "embedding: indices must be an integer array, got float32"),
    (lambda: F.embedding([0], W), TypeError, "embedding: indices must be an integer array, got list"),
    (lambda: F.embedding(I1, V), ValueError, "embedding: w must have 2 axes (V, D), got 1"),
    (lambda: F.embedding(I1, W[:0]), ValueError, "embedding: w must have at least 1 row (w: (0, "),
    (lambda: F.embedding(I1, W, padding_index=5), ValueError, "padding_index must be one of the 5 rows of w, got 5"),
    (lambda: F.embedding(I1, W, max_norm=-1.0), ValueError, "embedding: max_norm must be at least 0, got -1.0"),
    (lambda: F.embedding(I1, W, order=0.5), ValueError, "embedding: order must be at least 1, got 0.5"),
    (lambda: F.embedding_bag(I1, W), ValueError, "offsets must be given with indices (T,), and only then"),
    (lambda: F.embedding_bag(I2, W, offsets=I1), ValueError, "offsets must be given with indices (T,), and only then"),
    (lambda: F.embedding_bag(I2, W, mode="min"), ValueError, "embedding_bag: mode must be one of 'sum', 'mean', 'max'"),
    (lambda: F.embedding_bag(I2, W, M), ValueError, 'embedding_bag: weights are those of a sum, got mode "mean"'),
    (lambda: F.embedding_bag(I2, W, V, mode="sum"), ValueError, "the shape of weights must be (2, 3), got (3,)"),
    (lambda: F.bilinear(M, M, W), ValueError, "bilinear: w must have 3 axes (I, J, O), got 2"),
    (lambda: F.bilinear(M, M, S3), ValueError, "bilinear: the last axis of x1 must be 2, got 3"),
    (lambda: F.bilinear(M[:, :2], V, S3), ValueError, "bilinear: the batch of x2 must be (2,), got ()"),
    (lambda: F.bilinear(M[:, :2], M, S3, V), ValueError, "bilinear: the shape of b must be (4,), got (3,)"),
    (lambda: F.sinusoidal_positions([0], features=2), TypeError, "positions must be an array of numbers, got list"),
    (lambda: F.sinusoidal_positions(I1, features=3), ValueError, "features must be even, got 3"),
    (lambda: F.sinusoidal_positions(I1, features=2, base=0.0), ValueError, "base must be finite and above 0, got 0.0"),
    (lambda: F.rotary_embedding(X4), ValueError, "rotary_embedding: the last axis of x must be even, got 5"),
    (lambda: F.rotary_embedding(X4[..., :4], V[:2]), ValueError, "positions must be of shape (3,) or (2, 3), got (2,)"),
    (lambda: F.alibi(I1, I2, heads=2), ValueError, "alibi: source_positions must have 1 axes (S,), got 2"),
    (lambda: F.alibi(I1, I1, heads=0), ValueError, "alibi: heads must be positive integers, got (0,)"),
    (lambda: attention(S3, X4, X4), ValueError, "queries must have 4 axes (B, T, N, H), got 3"),
    (lambda: attention(X4, X4, X4[:1]), ValueError, "the shape of values must be (2, 3, 4, 5)"),
    (lambda: attention(X4, X4[:1], X4[:1]), ValueError, "the batch of keys must be 2, got 1"),
    (lambda: attention(X4, X4[:, :, :3], X4[:, :, :3]), ValueError, "their heads must divide those of que"),
    (lambda: attention(X4, X4, X4, where=M), TypeError, "where must be boolean, got float32"),
    (lambda: attention(X4, X4, X4, where=S3 > 0), ValueError, "where must have 2 or 4 axes"),
    (lambda: attention(X4, X4, X4, bias=X4), ValueError, "bias must broadcast to (B, N, T, S) = (2, 4, 3, 3)"),
    (lambda: attention(X4, X4, X4, implementation="flash"), ValueError, "implementation must be one of"),
    (lambda: mha(S3, S3, S3, SQ, SQ, SQ, W), ValueError, "the last axis of w_q must be 5, got 4"),
    (lambda: mha(S3, S3, S3, W, SQ, SQ, SQ), ValueError, "the last axis of queries must be 5, got 4"),
    (lambda: mha(S3, S3, S3, SQ, SQ, SQ, SQ, V), ValueError, "the shape of b_q must be (4,), got (3,)"),
    (lambda: mha(S3, S3, S3, SQ, SQ, SQ, SQ, heads=3), ValueError, "heads must divide the 4 features"),
    (lambda: mha(S3, S3, S3, SQ, SQ, SQ, SQ, rate=2.0), ValueError, "rate must lie between 0 and 1, got 2.0"),
    (lambda: mha(S3, S3, S3, SQ, SQ, SQ, SQ, rate=0.1), TypeError, "key must be a jax.random.key, got None"),
    (lambda: mha(S3, S3[:, :0], S3[:, :0], SQ, SQ, SQ, SQ), ValueError, "multi_head_attention: keys must not be empty"),
    (lambda: mha(S3[:0], S3, S3, SQ, SQ, SQ, SQ), ValueError, "multi_head_attention: the batch of keys must be 0, got"),
    (lambda: attention(X4, X4, X4, scale="x"), ValueError, "scale must be a number known while tracing, got x"),
    (lambda: F.additive_attention(M, S3, S3, SQ, SQ, SQ[0]), ValueError, "queries must have 3 axes (B, T, F), got 2"),
    (lambda: F.additive_attention(S3, S3, S3, W, SQ, SQ[0]), ValueError, "the first axis of w_q must be 4, got 5"),
    (lambda: F.additive_attention(S3, S3, S3, SQ, SQ, V), ValueError, "the shape of v must be (4,), got (3,)"),
    (lambda: luong(S3, S3, S3, W), ValueError, "the shape of w must be (4, 4), got (5, 2)"),
    (lambda: luong(S3, S3[..., :2], S3), ValueError, "the last axis of keys must be 4, got 2"),
    (lambda: luong(S3, S3, S3[:, :2]), ValueError, "the first two axes of values must be (2, 3), got (2, 2)"),
    (lambda: luong(S3, S3, S3, where=V > 0), ValueError, "where must be of shape (2, 3) or (2, 3, 3), got (3,)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[e[2][:50] for e in ERRORS])
def test_error(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
