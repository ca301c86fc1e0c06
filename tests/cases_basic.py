"""Cases and float64 NumPy references: linear, activations, softmax, losses, pooling, dropout."""

import math
from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from _case import Case, normal

import jaxml.functional as F


def np_sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def np_log_softmax(x, axis=-1, where=True):
    x = np.where(where, x, -1e300)
    top = x.max(axis, keepdims=True)
    return x - top - np.log((np.exp(x - top) * where).sum(axis, keepdims=True))


def np_mean(x, where=None):
    """Mean over every axis but the first of what `where` leaves in; 0 if that is nothing."""
    axes = tuple(range(1, x.ndim))
    if where is None:
        return x.mean(axes)
    return np.where(where, x, 0).sum(axes) / np.maximum(where.sum(axes), 1)


def np_gelu(x, approximate):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * np.vectorize(lambda v: math.erfc(-v / math.sqrt(2)))(x)


def np_windows(x, window, stride, pads, reduce):
    """`reduce(entries, how many padding entries)` over every window, entry by entry."""
    spatial = x.shape[1:-1]
    out = [(n + sum(p) - k) // s + 1 for n, k, s, p in zip(spatial, window, stride, pads, strict=True)]
    y = np.empty((x.shape[0], *out, x.shape[-1]))
    for place in np.ndindex(*out):
        low = [o * s - p[0] for o, s, p in zip(place, stride, pads, strict=True)]
        cut = [slice(max(a, 0), max(a + k, 0)) for a, k in zip(low, window, strict=True)]
        entries = x[(slice(None), *cut)].reshape(x.shape[0], -1, x.shape[-1])
        y[(slice(None), *place)] = reduce(entries, math.prod(window) - entries.shape[1])
    return y


def np_max(entries, padding):
    return entries.max(1)


def np_avg(entries, padding):
    return entries.mean(1)


def np_avg_with_padding(entries, padding):
    return entries.sum(1) / (entries.shape[1] + padding)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "identity": (F.identity, lambda x: x),
    "relu": (F.relu, lambda x: np.maximum(x, 0)),
    "relu6": (F.relu6, lambda x: np.clip(x, 0, 6)),
    "sigmoid": (F.sigmoid, np_sigmoid),
    "tanh": (F.tanh, np.tanh),
    "softplus": (F.softplus, lambda x: np.logaddexp(x, 0)),
    "log_sigmoid": (F.log_sigmoid, lambda x: -np.logaddexp(-x, 0)),
    "silu": (F.silu, lambda x: x * np_sigmoid(x)),
    "gelu": (F.gelu, partial(np_gelu, approximate=True)),
    "gelu_exact": (partial(F.gelu, approximate=False), partial(np_gelu, approximate=False)),
    "mish": (F.mish, lambda x: x * np.tanh(np.logaddexp(x, 0))),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "elu_alpha": (partial(F.elu, alpha=0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(np.minimum(x, 0)))),
    "selu": (
        F.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    ),
    "celu": (partial(F.celu, alpha=0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0) / 0.5))),
    "leaky_relu": (partial(F.leaky_relu, negative_slope=0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    "hard_tanh": (F.hard_tanh, lambda x: np.clip(x, -1, 1)),
    "hard_sigmoid": (F.hard_sigmoid, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hard_silu": (F.hard_silu, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
}


def masked(*shapes: tuple[int, ...], mask: tuple[int, ...], labels: str = "normal") -> Callable:
    """Normal draws of these shapes and a mask whose first row is full and whose last row is empty."""

    def make(rng, dtype):
        args = list(normal(*shapes)(rng, dtype))
        if labels == "probabilities":
            args[1] = np.abs(args[1]) / np.abs(args[1]).sum(-1, keepdims=True)
        where = rng.random(mask) < 0.6
        where[0], where[-1] = True, False
        return *args, where

    return make


def with_probabilities(shape: tuple[int, ...], axis: int | None = -1) -> Callable:
    """Logits of this shape and labels in [0, 1] that sum to 1 along `axis`."""

    def make(rng, dtype):
        y = rng.random(shape)
        return rng.standard_normal(shape).astype(dtype), (y if axis is None else y / y.sum(axis, keepdims=True)).astype(
            dtype
        )

    return make


def with_classes(shape: tuple[int, ...], axis: int = -1, mask: tuple[int, ...] | None = None) -> Callable:
    """Logits of this shape, class numbers without `axis`, and a mask if its shape is given."""

    def make(rng, dtype):
        labels = rng.integers(0, shape[axis], tuple(np.delete(shape, axis)), dtype=np.int32)
        where = () if mask is None else (rng.random(mask) < 0.5,)
        return rng.standard_normal(shape).astype(dtype), labels, *where

    return make


def np_bce(x, z, where=None):
    return np_mean(np.logaddexp(0, x) - x * z, where)


def np_cross_entropy(x, y, where=None, axis=-1):
    """Dense labels; a mask of the logits' shape leaves out classes, one without `axis` positions."""
    if where is None:
        return np_mean(-(y * np_log_softmax(x, axis)).sum(axis))
    classes = where if where.ndim == x.ndim else np.broadcast_to(np.expand_dims(where, axis), x.shape)
    valid = classes.any(axis)
    safe = classes | ~np.expand_dims(valid, axis)
    return np_mean(-np.where(classes, y * np_log_softmax(x, axis, safe), 0).sum(axis), valid)


def np_integer_cross_entropy(x, labels, where=None, axis=-1):
    hot = np.expand_dims(labels, axis) == np.arange(x.shape[axis]).reshape([-1] + [1] * (x.ndim - 1 - axis % x.ndim))
    return np_cross_entropy(x, hot.astype(np.float64), where, axis)


def with_where(fn: Callable, **options) -> Callable:
    """The loss with its mask as a third positional argument."""
    return lambda a, b, where: fn(a, b, where=where, **options)


INTEGER = F.softmax_cross_entropy_with_integer_labels
LOSSES = [
    Case("mse/vector", F.mse_loss, normal((4,), (4,)), lambda p, t: (p - t) ** 2, None, (0, 1)),
    Case("mse/rows", F.mse_loss, normal((3, 5), (3, 5)), lambda p, t: np_mean((p - t) ** 2), None, (0, 1)),
    Case(
        "mse/where", with_where(F.mse_loss), masked((3, 5), (3, 5), mask=(3, 5)),
        lambda p, t, w: np_mean((p - t) ** 2, w), None, (0, 1),
    ),
    Case("bce/vector", F.binary_cross_entropy, with_probabilities((4,), None), np_bce, None, (0, 1)),
    Case("bce/rows", F.binary_cross_entropy, with_probabilities((3, 5), None), np_bce, None, (0, 1)),
    Case("bce/where", with_where(F.binary_cross_entropy), masked((3, 5), (3, 5), mask=(3, 5)), np_bce, None, (0, 1)),
    Case("ce/dense", F.softmax_cross_entropy, with_probabilities((3, 5)), np_cross_entropy, None, (0, 1)),
    Case("ce/single", F.softmax_cross_entropy, with_probabilities((5,)), np_cross_entropy, None, (0, 1)),
    Case(
        "ce/axis", partial(F.softmax_cross_entropy, axis=1), with_probabilities((1, 5, 3), 1),
        partial(np_cross_entropy, axis=1), None, (0, 1),
    ),
    Case(
        "ce/where_classes", with_where(F.softmax_cross_entropy),
        masked((3, 5), (3, 5), mask=(3, 5), labels="probabilities"), np_cross_entropy, None, (0, 1),
    ),
    Case(
        "ce/where_positions", with_where(F.softmax_cross_entropy),
        masked((3, 4, 5), (3, 4, 5), mask=(3, 4), labels="probabilities"), np_cross_entropy, None, (0, 1),
    ),
    Case("ce_integer/plain", INTEGER, with_classes((3, 5)), np_integer_cross_entropy),
    Case(
        "ce_integer/axis", partial(INTEGER, axis=1), with_classes((1, 5, 3), 1),
        partial(np_integer_cross_entropy, axis=1),
    ),
    Case(
        "ce_integer/where_positions", with_where(INTEGER), with_classes((3, 4, 5), -1, (3, 4)), np_integer_cross_entropy
    ),
    Case("ce_integer/where_classes", with_where(INTEGER), with_classes((3, 5), -1, (3, 5)), np_integer_cross_entropy),
]  # fmt: skip

SAME_2 = ((0, 1), (1, 1))  # of a window (2, 3) with stride 1
POOLS = [
    ("max_pool1d", (2, 7, 3), {"window": 2}, (2,), (2,), ((0, 0),), np_max),
    ("max_pool2d", (1, 4, 6, 3), {"window": 2}, (2, 2), (2, 2), ((0, 0),) * 2, np_max),
    ("max_pool2d", (1, 5, 7, 2), {"window": (2, 3), "stride": 1, "padding": "SAME"}, (2, 3), (1, 1), SAME_2, np_max),
    ("max_pool2d", (1, 5, 7, 2), {"window": 3, "stride": 2, "padding": 1}, (3, 3), (2, 2), ((1, 1),) * 2, np_max),
    (
        "max_pool2d", (1, 5, 7, 2), {"window": (3, 2), "stride": (1, 3), "padding": ((1, 2), (0, 1))},
        (3, 2), (1, 3), ((1, 2), (0, 1)), np_max,
    ),
    ("max_pool3d", (2, 3, 4, 5, 1), {"window": 2, "stride": (1, 2, 3)}, (2, 2, 2), (1, 2, 3), ((0, 0),) * 3, np_max),
    ("avg_pool1d", (2, 7, 3), {"window": 3, "stride": 2, "padding": "SAME"}, (3,), (2,), ((1, 1),), np_avg),
    ("avg_pool2d", (1, 4, 6, 3), {"window": 2}, (2, 2), (2, 2), ((0, 0),) * 2, np_avg),
    ("avg_pool2d", (1, 5, 7, 2), {"window": (2, 3), "stride": 1, "padding": "SAME"}, (2, 3), (1, 1), SAME_2, np_avg),
    (
        "avg_pool2d", (1, 5, 7, 2), {"window": 3, "stride": 2, "padding": 1, "count_include_pad": True},
        (3, 3), (2, 2), ((1, 1),) * 2, np_avg_with_padding,
    ),
    (
        "avg_pool3d", (1, 3, 4, 5, 2), {"window": 2, "stride": (1, 2, 3), "padding": 1},
        (2, 2, 2), (1, 2, 3), ((1, 1),) * 3, np_avg,
    ),
]  # fmt: skip


def dropped(x):
    return F.dropout(jax.random.key(7), x, rate=0.4)


def dropped_reference(x):
    kept = jax.random.bernoulli(jax.random.key(7), 0.6, x.shape)
    return x * kept.astype(x.dtype) / 0.6


CASES: list[Case] = [
    Case("linear/bias", F.linear, normal((3, 5), (5, 4), (4,)), lambda x, w, b: x @ w + b, None, (0, 1, 2)),
    Case("linear/no_bias", F.linear, normal((1, 3, 5), (5, 1)), lambda x, w: x @ w, None, (0, 1)),
    Case("linear/vector", F.linear, normal((5,), (5, 3), (3,)), lambda x, w, b: x @ w + b, None, (0, 1, 2)),
    Case("flatten", F.flatten, normal((2, 3, 1, 5)), lambda x: x.reshape(2, 15)),
    *(
        Case(f"activation/{name}", fn, normal((3, 7), scale=3), reference, None, (0,), True, {"float16": 8e-3})
        for name, (fn, reference) in ACTIVATIONS.items()
    ),
    Case("activation/glu", F.glu, normal((2, 6)), lambda x: x[:, :3] * np_sigmoid(x[:, 3:])),
    Case("activation/glu_axis", partial(F.glu, axis=0), normal((4, 3)), lambda x: x[:2] * np_sigmoid(x[2:])),
    Case("softmax/last", F.softmax, normal((3, 5)), lambda x: np.exp(np_log_softmax(x))),
    Case("softmax/axis", partial(F.softmax, axis=1), normal((1, 5, 3)), lambda x: np.exp(np_log_softmax(x, 1))),
    Case(
        "softmax/where",
        lambda x, where: F.softmax(x, where=where),
        masked((3, 5), mask=(3, 5)),
        lambda x, where: where * np.exp(np_log_softmax(x, -1, where | ~where.any(-1, keepdims=True))),
    ),
    Case("log_softmax/last", F.log_softmax, normal((3, 5)), np_log_softmax),
    Case("log_softmax/axis", partial(F.log_softmax, axis=0), normal((5, 3)), lambda x: np_log_softmax(x, 0)),
    *LOSSES,
    *(
        Case(
            f"{name}/{i}",
            partial(getattr(F, name), **options),
            normal(shape),
            partial(np_windows, window=window, stride=stride, pads=pads, reduce=reduce),
        )
        for i, (name, shape, options, window, stride, pads, reduce) in enumerate(POOLS)
    ),
    Case("global_avg_pool/2d", F.global_avg_pool, normal((2, 3, 5, 4)), lambda x: x.mean((1, 2))),
    Case("global_avg_pool/1d", F.global_avg_pool, normal((1, 7, 3)), lambda x: x.mean(1)),
    Case("global_max_pool/2d", F.global_max_pool, normal((2, 3, 5, 4)), lambda x: x.max((1, 2))),
    Case("global_max_pool/3d", F.global_max_pool, normal((1, 2, 3, 2, 3)), lambda x: x.max((1, 2, 3))),
    Case("dropout", dropped, normal((3, 5)), None, dropped_reference),
]
