"""Cases and float64 NumPy references: the activations that came with PyTorch's names, gated ones, kin of softmax."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
from _case import Case, normal
from cases_basic import masked, np_gelu, np_log_softmax, np_sigmoid

import jaxml.functional as F

SHAPE = (3, 5)
STAIRS = jnp.asarray(np.arange(5) < np.array([[1], [3], [5]]))
ONE: dict[str, tuple[Callable, Callable]] = {
    "relu_squared": (F.relu_squared, lambda x: np.maximum(x, 0) ** 2),
    "sparse_sigmoid": (F.sparse_sigmoid, lambda x: np.clip(x / 2 + 0.5, 0, 1)),
    "sparse_plus": (F.sparse_plus, lambda x: np.where(x > 1, x, (np.maximum(x, -1) + 1) ** 2 / 4)),
    "hard_shrink": (F.hard_shrink, lambda x: x * (abs(x) > 0.5)),
    "soft_shrink": (partial(F.soft_shrink, threshold=0.7), lambda x: np.sign(x) * np.maximum(abs(x) - 0.7, 0)),
    "tanh_shrink": (F.tanh_shrink, lambda x: x - np.tanh(x)),
    "threshold": (partial(F.threshold, threshold=0.5, value=-3.0), lambda x: np.where(x > 0.5, x, -3)),
    "step": (F.step, lambda x: (x > 0) * 1.0),
    "softplus_beta": (partial(F.softplus, beta=2.0), lambda x: np.logaddexp(2 * x, 0) / 2),
    "softsign": (F.softsign, lambda x: x / (1 + abs(x))),
    "squareplus": (partial(F.squareplus, beta=2.0), lambda x: (x + np.sqrt(x**2 + 2)) / 2),
    "maxout": (partial(F.maxout, pieces=5), lambda x: x.max(-1, keepdims=True)),
    "crelu": (partial(F.crelu, axis=0), lambda x: np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)])),
}


def gated(gate: Callable) -> Callable:
    return lambda x: x[:, :3] * gate(x[:, 3:])


def positive(rng, dtype):
    return (rng.uniform(0.1, 3, SHAPE).astype(dtype),)


def np_softmin(x, where=True, axis=-1):
    return where * np.exp(np_log_softmax(-x, axis, where | ~np.any(where, axis, keepdims=True)))


def np_logmeanexp(x, axis=-1):
    return np.log(np.exp(x).mean(axis))


CASES: list[Case] = [
    *(
        Case(f"activation/{name}", fn, normal(SHAPE, scale=2), reference, tolerance={"float16": 8e-3})
        for name, (fn, reference) in ONE.items()
    ),
    Case(
        "activation/maxout_axis", partial(F.maxout, pieces=2, axis=0), normal((4, 3)),
        lambda x: np.maximum(x[::2], x[1::2]),
    ),
    Case("activation/log1mexp", F.log1mexp, positive, lambda x: np.log(-np.expm1(-x))),
    Case("activation/prelu", F.prelu, normal(SHAPE, (5,)), lambda x, a: np.where(x > 0, x, a * x), None, (0, 1)),
    Case("activation/prelu_one", F.prelu, normal(SHAPE, ()), lambda x, a: np.where(x > 0, x, a * x), None, (0, 1)),
    Case("activation/snake", F.snake, normal(SHAPE, (5,)), lambda x, a: x + np.sin(a * x) ** 2 / a, None, (0, 1)),
    Case("activation/geglu", F.geglu, normal((2, 6)), gated(partial(np_gelu, approximate=True))),
    Case(
        "activation/geglu_exact", partial(F.geglu, approximate=False), normal((2, 6)),
        gated(partial(np_gelu, approximate=False)),
    ),
    Case("activation/reglu", F.reglu, normal((2, 6)), gated(lambda x: np.maximum(x, 0))),
    Case(
        "activation/swiglu", partial(F.swiglu, axis=0), normal((4, 3)),
        lambda x: x[:2] * x[2:] * np_sigmoid(x[2:]),
    ),
    Case("softmin/axis", partial(F.softmin, axis=0), normal(SHAPE), partial(np_softmin, axis=0)),
    Case("softmin/where", lambda x, where: F.softmin(x, where=where), masked(SHAPE, mask=SHAPE), np_softmin),
    Case(
        "spatial_softmax", partial(F.spatial_softmax, temperature=0.5), normal((2, 3, 2, 3)),
        lambda x: np.exp(np_log_softmax(2 * x.reshape(2, 6, 3), 1)).reshape(x.shape), tolerance={"float16": 8e-3},
    ),
    Case("logmeanexp/axis", partial(F.logmeanexp, axis=0), normal(SHAPE), partial(np_logmeanexp, axis=0)),
    Case(
        "logmeanexp/where", lambda x: F.logmeanexp(x, where=STAIRS), normal(SHAPE),
        lambda x: np.array([np_logmeanexp(x[0, :1]), np_logmeanexp(x[1, :3]), np_logmeanexp(x[2])]),
    ),
]  # fmt: skip
