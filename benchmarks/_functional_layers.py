"""Attention, and what moves, resizes and reads pixels, beside their formulas."""

import jax
import jax.numpy as jnp

import jaxml.functional as F
from benchmarks._functional_case import Case, normal, uniform, weights

HEADS = (normal(256, 4, 32),) * 3
IMAGE = (normal(32, 32, 32),)
SIZES = {"cached": 8, "large": 320}


def _attention(causal):
    def attend(q, k, v):
        logits = jnp.einsum("btnh,bsnh->bnts", q, k) / q.shape[-1] ** 0.5
        if causal:
            logits = jnp.where(jnp.tri(q.shape[1], dtype=bool), logits, -jnp.inf)
        return jnp.einsum("bnts,bsnh->btnh", jax.nn.softmax(logits), v)

    return attend


def _multi_head(x, q, k, v, o):
    b, t, e = x.shape
    y = _attention(False)(*((x @ w).reshape(b, t, 4, -1) for w in (q, k, v)))
    return y.reshape(b, t, e) @ o


def _additive(q, k, v, w_q, w_k, u):
    scores = jnp.tanh((q @ w_q)[:, :, None] + (k @ w_k)[:, None]) @ u
    return jax.nn.softmax(scores) @ v


def _resized(method, size):
    def resize(x):
        return jax.image.resize(x, (len(x), size, size, x.shape[-1]), method, antialias=False)

    return resize


def _sampled(x, grid):
    """The four pixels around each place, 0 outside."""
    h, w = x.shape[1:3]
    px, py = ((grid[..., 0] + 1) * w - 1) / 2, ((grid[..., 1] + 1) * h - 1) / 2
    x0, y0 = jnp.floor(px), jnp.floor(py)
    total = 0.0
    for dx in (0, 1):
        for dy in (0, 1):
            cx, cy = x0 + dx, y0 + dy
            inside = (cx >= 0) & (cx < w) & (cy >= 0) & (cy < h)
            share = (1 - jnp.abs(px - cx)) * (1 - jnp.abs(py - cy)) * inside
            i, j = jnp.clip(cy, 0, h - 1).astype(int), jnp.clip(cx, 0, w - 1).astype(int)
            total = total + share[..., None] * x[jnp.arange(len(x))[:, None, None], i, j]
    return total


def _patches(x):
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, i : i + 32, j : j + 32] for i in range(3) for j in range(3)], -1)


def _shuffled(x):
    n, h, w, c = x.shape
    return x.reshape(n, h, w, c // 4, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * h, 2 * w, c // 4)


def _unshuffled(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 5, 2, 4).reshape(n, h // 2, w // 2, 4 * c)


CASES = [
    Case(
        "dot_product_attention",
        F.dot_product_attention,
        _attention(False),
        HEADS,
        {"cached": 1, "large": 32},
    ),
    Case(
        "dot_product_attention, causal",
        lambda q, k, v: F.dot_product_attention(q, k, v, causal=True),
        _attention(True),
        HEADS,
        {"cached": 1, "large": 32},
    ),
    Case(
        "multi_head_attention",
        lambda x, *w: F.multi_head_attention(None, x, x, x, *w, heads=4, train=False),
        _multi_head,
        (normal(256, 128), *(weights(128, 128),) * 4),
        {"cached": 1, "large": 32},
    ),
    Case(
        "additive_attention",
        F.additive_attention,
        _additive,
        (*(normal(64, 64),) * 3, *(weights(64, 64),) * 2, weights(64)),
        {"cached": 1, "large": 32},
    ),
    Case(
        "interpolate, nearest",
        lambda x: F.interpolate(x, output_size=64, mode="nearest"),
        lambda x: jnp.repeat(jnp.repeat(x, 2, 1), 2, 2),
        IMAGE,
        SIZES,
    ),
    Case(
        "interpolate, bilinear",
        lambda x: F.interpolate(x, output_size=48, mode="bilinear"),
        _resized("linear", 48),
        IMAGE,
        SIZES,
    ),
    Case("grid_sample", F.grid_sample, _sampled, (*IMAGE, lambda rng, n: 2 * uniform(32, 32, 2)(rng, n) - 1), SIZES),
    Case("pad", lambda x: F.pad(x, padding=1), lambda x: jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), IMAGE, SIZES),
    Case(
        "pad, reflect",
        lambda x: F.pad(x, padding=1, mode="reflect"),
        lambda x: jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect"),
        IMAGE,
        SIZES,
    ),
    Case("pixel_shuffle", lambda x: F.pixel_shuffle(x, upscale_factor=2), _shuffled, IMAGE, SIZES),
    Case("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, downscale_factor=2), _unshuffled, IMAGE, SIZES),
    Case(
        "channel_shuffle",
        lambda x: F.channel_shuffle(x, groups=4),
        lambda x: x.reshape(*x.shape[:-1], 4, 8).swapaxes(-1, -2).reshape(x.shape),
        IMAGE,
        SIZES,
    ),
    Case("unfold", lambda x: F.unfold(x, window=3, padding="SAME"), _patches, IMAGE, {"cached": 2, "large": 40}),
]
