"""Suite `mobilenet`: the whole of MobileNetV1, separable against standard, in inference and in training."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from benchmarks import _torch_peers
from benchmarks._measure import Candidate, compiled, measure
from benchmarks._random import network, normal
from benchmarks._results import Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._tables import MISSING, Table, count, milliseconds, percent, times
from benchmarks._training import step_candidate
from benchmarks._types import Suite, Task
from jaxml import flops, models

CLASSES = 1000
OPTIONS = {"num_classes": CLASSES, "dropout": 0.0}  # no dropout: PyTorch's twin has none
# The jaxml networks timed: name in the results -> (model, options). Stock: JAX's own operations, one after the other.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "standard": ("conv_mobilenet_v1", {}),
    "separable": ("mobilenet_v1", {}),
    "stock": ("mobilenet_v1", {"implementation": "xla", "recompute": False}),
}
SPEEDUPS = (
    ("separable", "standard"),
    ("stock", "standard"),
    ("separable", "stock"),
    ("separable", "torch-separable"),
    ("torch-standard", "standard"),
    ("torch-separable", "standard"),
)


def tasks(settings: Settings) -> list[Task]:
    size = settings.pick(tiny=32, quick=96, full=224)
    modes = {"inference": False, "training step": True}
    names = {mode: f"{mode}, batch {settings.examples(quick=8)}, {size}px" for mode in modes}
    return [(names[mode], partial(_compare, names[mode], size, training, settings)) for mode, training in modes.items()]


def _compare(name: str, size: int, training: bool, settings: Settings) -> Row:
    batch = settings.examples(quick=8)
    (x,) = normal(settings.seed, [(batch, size, size, 3)], settings.dtype)
    labels = jnp.arange(batch) % CLASSES
    row = Row(name, {"batch": batch, "size": size, **_counts(size)})
    candidates: dict[str, Callable[[], Candidate]] = {
        who: partial(_network, model, options, training, x, labels, settings.seed)
        for who, (model, options) in NETWORKS.items()
    }
    if settings.peers:
        candidates |= _torch_peers.networks(x, labels, CLASSES, training=training)
    measure(row, "network", candidates, settings, speedups=SPEEDUPS, patience=40)  # seconds a round, with stock JAX
    speedup = row.speedup("network", "separable", "standard")
    if speedup is not None:
        row.facts["network_share"] = speedup / row.facts["saving"]
    return row


def _network(model: str, options: dict[str, Any], training: bool, x: Array, labels: Array, seed: int) -> Candidate:
    # Parameters stay float32 whatever x is: the modules compute in x's dtype, as mixed-precision training does.
    apply, params, state = network(lambda: models.create(model, rngs=nnx.Rngs(seed), **OPTIONS, **options), seed)
    if training:
        return step_candidate(apply, params, state, optax.sgd(1e-3), x, labels)
    return compiled(lambda params, state, x: apply(params, state, x)[0], params, state, x)


def _counts(size: int) -> dict[str, Any]:
    """Parameters and MACs of one image, from the closed forms."""
    facts: dict[str, Any] = {}
    for form in ("standard", "separable"):
        layers = flops.mobilenet_v1(
            resolution=size, num_classes=CLASSES, standard=form == "standard", batch_norm=True, bias=True
        )
        facts[f"params_{form}"] = sum(layer.params for layer in layers)
        facts[f"macs_{form}"] = sum(layer.macs for layer in layers)
    return facts | {"saving": facts["macs_standard"] / facts["macs_separable"]}


def tables(result: SuiteResult) -> list[Table]:
    return [_cost_table(result.rows), time_table(result.rows), _memory_table(result.rows)]


def _cost_table(rows: list[Row]) -> Table:
    cells = [
        [form, count(row.facts[f"params_{form}"]), count(row.facts[f"macs_{form}"])]
        for row in rows[:1]
        for form in ("standard", "separable")
        if row.facts
    ]
    return Table("MobileNetV1 and its all-standard twin", ("convolutions", "params", "MACs per image"), cells)


def _who(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(key.split(".", 1)[1] for row in rows for key in row.times))


def time_table(rows: list[Row]) -> Table:
    """A line per network, so that the table stays narrow with PyTorch in it."""
    cells = []
    for row in rows:
        mode = row.name.split(",")[0]
        for who in _who(rows):
            faster = row.speedup("network", who, "standard")
            share = None if faster is None or who == "torch-standard" else faster / row.facts["saving"]
            cells.append([f"{mode}: {who}", milliseconds(row.median(f"network.{who}")), times(faster), percent(share)])
        if not row.times:
            cells.append([f"{mode}: {row.notes[0]}", MISSING, MISSING, MISSING])
    where = rows[0].name.split(", ", 1)[-1] if rows else ""
    return Table(
        f"MobileNetV1, {where}",
        ("network", "ms", "vs standard", "share of saving"),
        cells,
        "stock: XLA's own convolutions throughout. vs standard: jaxml's all-standard network.",
    )


def _memory_table(rows: list[Row]) -> Table:
    cells = []
    for row in rows:
        for who in NETWORKS:
            measured = row.times.get(f"network.{who}")
            if measured is not None:
                seconds = MISSING if measured.compile_seconds is None else f"{measured.compile_seconds:.1f}"
                memory = MISSING if measured.temp_bytes is None else f"{measured.temp_bytes / 2**20:.0f}"
                cells.append([f"{row.name.split(',')[0]}: {who}", memory, seconds])
    return Table("Temporary memory and compile time", ("network", "MiB", "compile s"), cells)


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for row in result.rows:
        speedup, stock = (row.speedup("network", who, "standard") for who in ("separable", "stock"))
        if speedup is None:
            continue
        line = (
            f"MobileNetV1 {row.name}: {times(row.facts['saving'])} fewer MACs, {times(speedup)} faster than standard "
            f"({percent(row.facts['network_share'])} of the saving became time)"
        )
        if stock is not None:
            line += f"; stock JAX: {times(stock)}"
        if (torch := row.speedup("network", "separable", "torch-separable")) is not None:
            line += f"; {times(torch)} PyTorch's speed"
        lines.append(line)
    return lines


SUITE = Suite("mobilenet", "MobileNetV1 as a whole", tasks, tables, summary)
