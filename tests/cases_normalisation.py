"""Cases and float64 NumPy references: normalisation of layers, responses and kernels."""

from functools import partial

import numpy as np
from _case import Case, normal

import jaxml.functional as F

IMAGE, C, KERNEL = (2, 3, 5, 6), (6,), (3, 2, 1, 6)
HALF = {"bfloat16": 0.1, "float16": 0.02}


def np_standard(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def np_layer(x, scale, bias):
    return np_standard(x, -1, 1e-5) * scale + bias


def np_layer_axes(x, scale, bias):
    return np_standard(x, (1, 3), 1e-3) * scale[:, None] + bias[:, None]


def np_rms(x, scale):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale


def np_group(x, scale, bias, groups=3, eps=1e-5):
    y = np_standard(x.reshape(*x.shape[:-1], groups, -1), (1, 2, 4), eps)
    return y.reshape(x.shape) * scale + bias


def np_local(x, window=3, alpha=0.5, beta=0.75, k=2.0):
    c = x.shape[-1]
    near = np.array([[-(window // 2) <= i - j <= (window - 1) // 2 for j in range(c)] for i in range(c)], float)
    return x / (k + alpha / window * (x**2 @ near)) ** beta


def np_filter(x, scale, bias, threshold=-np.inf):
    return np.maximum(x / np.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-6) * scale + bias, threshold)


def np_global(x, scale, bias):
    norm = np.sqrt((x**2).sum((1, 2), keepdims=True))
    return x + x * norm / (norm.mean(-1, keepdims=True) + 1e-6) * scale + bias


def np_weight_norm(v, g):
    return g * v / np.sqrt((v**2).sum((0, 1, 2)))


def np_spectral(w, u, steps=1):
    rows = w.reshape(-1, w.shape[-1])
    v = rows @ u / np.linalg.norm(rows @ u)
    for _ in range(steps):
        v = rows @ u / np.linalg.norm(rows @ u)
        u = v @ rows / np.linalg.norm(v @ rows)
    return w / (v @ rows @ u), u


def np_fold(w, b, mean, var, scale, bias):
    factor = scale / np.sqrt(var + 1e-5)
    return w * factor, (b - mean) * factor + bias


def fold_args(rng, dtype):
    w, b, mean, var, scale, bias = (rng.standard_normal(s).astype(dtype) for s in (KERNEL, C, C, C, C, C))
    return w, b, mean, abs(var) + np.asarray(0.5, dtype), scale, bias


CASES = [
    Case("layer_norm", F.layer_norm, normal(IMAGE, C, C), np_layer, None, (0, 1, 2), tolerance=HALF),
    Case(
        "layer_norm/axes", partial(F.layer_norm, axis=(-1, 1), eps=1e-3), normal(IMAGE, (3, 6), (3, 6)), np_layer_axes,
        None, (0, 1, 2), tolerance=HALF,
    ),
    Case("rms_norm", F.rms_norm, normal(IMAGE, C), np_rms, None, (0, 1), tolerance=HALF),
    Case("group_norm", partial(F.group_norm, groups=3), normal(IMAGE, C, C), np_group, None, (0, 1, 2), tolerance=HALF),
    Case(
        "instance_norm", partial(F.instance_norm, eps=1e-3), normal(IMAGE, C, C), partial(np_group, groups=6, eps=1e-3),
        None, (0, 1, 2), tolerance=HALF,
    ),
    Case(
        "local_response_norm", partial(F.local_response_norm, window=3, alpha=0.5, k=2.0), normal(IMAGE), np_local,
        tolerance=HALF,
    ),
    Case(
        "local_response_norm/even", partial(F.local_response_norm, window=4, beta=0.5), normal(IMAGE),
        partial(np_local, window=4, alpha=1e-4, beta=0.5, k=1.0), tolerance=HALF,
    ),
    Case(
        "filter_response_norm", F.filter_response_norm, normal(IMAGE, C, C), np_filter, None, (0, 1, 2), tolerance=HALF,
    ),
    Case(
        "filter_response_norm/threshold", F.filter_response_norm, normal(IMAGE, C, C, C), np_filter, None,
        (0, 1, 2, 3), tolerance=HALF,
    ),
    Case(
        "global_response_norm", F.global_response_norm, normal(IMAGE, C, C), np_global, None, (0, 1, 2), tolerance=HALF,
    ),
    Case("weight_norm", F.weight_norm, normal(KERNEL, C), np_weight_norm, None, (0, 1), tolerance=HALF),
    # The power iteration is held constant in the gradient, which differences do not see: the claim of parity has it.
    Case("spectral_norm", F.spectral_norm, normal(KERNEL, C), np_spectral, None, ()),
    Case(
        "spectral_norm/eval", partial(F.spectral_norm, steps=0), normal(KERNEL, C), partial(np_spectral, steps=0),
        None, (),
    ),
    Case(
        "weight_standardization", F.weight_standardization, normal(KERNEL), lambda w: np_standard(w, (0, 1, 2), 1e-5),
        tolerance=HALF,
    ),
    Case("fold_batch_norm", F.fold_batch_norm, fold_args, np_fold, None, (0, 1, 2, 4, 5), tolerance=HALF),
]  # fmt: skip
