"""Seconds for `flops.count` of a training step of which the shapes alone are known, beside those of tracing it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from benchmarks import _flax_peers
from benchmarks._results import Measured, Row
from benchmarks._settings import Settings
from benchmarks._types import Task
from jaxml import flops, models, nn, timing

PART = "count"
OURS, STOCK = "jaxml", "stock"
COUNT, TRACE = "count", "trace"
TARGET = 2.0  # seconds for ResNet-50 of stock layers
SIZE = {"cnn": (8, 8, 1), "resnet50": (224, 224, 3)}


def tasks(settings: Settings) -> list[Task]:
    names = settings.pick(tiny=("cnn",), quick=("resnet50",), full=("resnet50",))
    return [(f"count {name}", partial(_row, name)) for name in names]


def _row(name: str, settings: Settings) -> Row:
    x = jax.ShapeDtypeStruct((1, *SIZE[name]), jnp.dtype(settings.dtype))
    builders: dict[str, Callable[[], Any]] = {
        OURS: lambda: models.create(name, rngs=nnx.Rngs(0)),
        STOCK: _flax_peers.twin(name, {}, settings.dtype),
    }
    calls: dict[str, Callable[[], Any]] = {}
    for who, build in builders.items():
        apply, params, state = nn.abstract(build)
        step = partial(_gradient, apply)
        calls[f"{COUNT}.{who}"] = partial(_afresh, partial(flops.count, step, params, state, x))
        calls[f"{TRACE}.{who}"] = partial(_afresh, partial(jax.make_jaxpr(step), params, state, x))
    found = timing.compare(calls, warmup=1, repeats=settings.pick(tiny=1, quick=3, full=5), inner=1)
    row = Row(f"count {name}", {"part": PART, "network": name})
    for key, t in found.items():
        row.times[key] = Measured(t.median, t.q25, t.q75, t.minimum, len(t.samples), raw=list(t.samples))
    return row


def _gradient(apply: Callable[..., Any], params: Any, state: Any, x: Array) -> Any:
    return jax.value_and_grad(lambda params: apply(params, state, x)[0].sum())(params)


def _afresh(call: Callable[[], Any]) -> None:
    """With JAX's caches emptied: the call would find the traces of the one before."""
    jax.clear_caches()
    call()
