"""Seconds to trace and to compile whole networks, ours and those of stock Flax layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

import jaxml.functional as F
from benchmarks import _flax_peers
from benchmarks._random import network, normal
from benchmarks._results import Measured, Row
from benchmarks._settings import Settings
from benchmarks._types import Task
from jaxml import models, optim, timing
from jaxml.train import make_train_step

PART = "compile"
OURS, STOCK = "jaxml", "stock"
# name in the suite -> (model, options, shape of the images)
NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "cnn": ("cnn", {}, (2, 8, 8, 1)),
    "cnn_separable": ("cnn_separable", {}, (2, 8, 8, 1)),
    "mobilenet_v1": ("mobilenet_v1", {}, (2, 96, 96, 3)),
    "mobilenet_v2": ("mobilenet_v2", {}, (8, 224, 224, 3)),  # its training step has a target: 1.5 times stock's
}


def tasks(settings: Settings) -> list[Task]:
    names = settings.pick(tiny=("cnn",), quick=("cnn",), full=tuple(NETWORKS))
    return [(f"compile {name}", partial(_row, name)) for name in names]


def _row(name: str, settings: Settings) -> Row:
    model, options, shape = NETWORKS[name]
    (x,) = normal(settings.seed, [shape], settings.dtype)
    row = Row(f"compile {name}", {"part": PART, "network": name, "shape": list(shape)})
    if jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        row.notes.append("JAX's persistent compilation cache is on: a compilation may have been read from it")
    builders: dict[str, Callable[[], Any]] = {
        OURS: lambda: models.create(model, rngs=nnx.Rngs(0), **options),
        STOCK: _flax_peers.twin(model, options, settings.dtype),
    }
    found: dict[str, list[float]] = {}
    for _ in range(settings.pick(tiny=1, quick=1, full=3)):  # the first one loads what later ones find
        for who, build in builders.items():
            for what, program in (("forward", _forward), ("step", _step)):
                jax.clear_caches()  # whoever comes second would find the pieces of the first
                done = program(build, x, settings)
                found.setdefault(f"trace {what}.{who}", []).append(done.trace_seconds)
                found.setdefault(f"compile {what}.{who}", []).append(done.compile_seconds)
    row.times = {key: _measured(seconds) for key, seconds in found.items()}
    return row


def _forward(build: Callable[[], Any], x: Array, settings: Settings) -> timing.Compiled:
    apply, params, state = network(build, settings.seed)
    return timing.compile(lambda params, state, x: apply(params, state, x)[0], params, state, x)


def _step(build: Callable[[], Any], x: Array, settings: Settings) -> timing.Compiled:
    apply, params, state = network(build, settings.seed)
    tx = optim.momentum(1e-3)
    step = make_train_step(apply, F.softmax_cross_entropy_with_integer_labels, tx)
    return timing.compile(step, params, state, tx.init(params), (x, jnp.arange(len(x))), donate_argnums=(0, 1, 2))


def _measured(seconds: list[float]) -> Measured:
    q25, median, q75 = np.quantile(seconds, [0.25, 0.5, 0.75]).tolist()
    return Measured(median, q25, q75, min(seconds), len(seconds), raw=seconds)
