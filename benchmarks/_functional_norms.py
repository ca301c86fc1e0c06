"""Normalisation and dropout beside their formulas."""

import jax
import jax.numpy as jnp
from jax import lax

import jaxml.functional as F
from benchmarks._functional_case import Case, key, normal, weights

TOKENS = (normal(64, 256), weights(256), weights(256))
IMAGE = (normal(32, 32, 32), weights(32), weights(32))


def _standard(x, axes, eps=1e-5):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + eps)


def _rms(x, w):
    return x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * w


def _group(x, w, b):
    n, h, wide, c = x.shape
    return _standard(x.reshape(n, h, wide, 8, c // 8), (1, 2, 4)).reshape(x.shape) * w + b


def _local(x):
    total = lax.reduce_window(x**2, 0.0, lax.add, (1, 1, 1, 5), (1, 1, 1, 1), ((0, 0), (0, 0), (0, 0), (2, 2)))
    return x / (1 + 1e-4 / 5 * total) ** 0.75


def _grn(x, w, b):
    size = jnp.sqrt((x**2).sum((1, 2), keepdims=True))
    return w * x * (size / (size.mean(-1, keepdims=True) + 1e-6)) + b + x


def _batch(x, w, b):
    return F.batch_norm(x, jnp.zeros_like(w), jnp.ones_like(w), w, b, train=True)[0]


def _alpha(k, x):
    kept, floor = jax.random.bernoulli(k, 0.5, x.shape), -1.7580993408473766
    a = (0.5 * (1 + 0.5 * floor**2)) ** -0.5
    return a * jnp.where(kept, x, floor) - a * 0.5 * floor


def _channels(k, x):
    kept = jax.random.bernoulli(k, 0.5, (x.shape[0], 1, 1, x.shape[-1]))
    return jnp.where(kept, x / 0.5, 0)


CASES = [
    Case("layer_norm", F.layer_norm, lambda x, w, b: _standard(x, -1) * w + b, TOKENS),
    Case("rms_norm", F.rms_norm, _rms, TOKENS[:2]),
    Case("group_norm", lambda x, w, b: F.group_norm(x, w, b, groups=8), _group, IMAGE),
    Case("instance_norm", F.instance_norm, lambda x, w, b: _standard(x, (1, 2)) * w + b, IMAGE),
    Case("batch_norm", _batch, lambda x, w, b: _standard(x, (0, 1, 2)) * w + b, IMAGE),
    Case("local_response_norm", lambda x: F.local_response_norm(x, window=5), _local, IMAGE[:1]),
    Case("global_response_norm", F.global_response_norm, _grn, IMAGE),
    Case(
        "dropout",
        lambda k, x: F.dropout(k, x, rate=0.1),
        lambda k, x: jnp.where(jax.random.bernoulli(k, 0.9, x.shape), x / 0.9, 0),
        (key(), normal(1024)),
    ),
    Case("dropout2d", lambda k, x: F.dropout2d(k, x, rate=0.5), _channels, (key(), IMAGE[0])),
    Case("alpha_dropout", lambda k, x: F.alpha_dropout(k, x, rate=0.5), _alpha, (key(), normal(1024))),
    Case(
        "gaussian_dropout",
        lambda k, x: F.gaussian_dropout(k, x, rate=0.5),
        lambda k, x: x * (1 + jax.random.normal(k, x.shape)),
        (key(), normal(1024)),
    ),
]
