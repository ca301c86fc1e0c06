"""Suite `depthwise`: every implementation of the depthwise convolution, forward and both derivatives, on every
depthwise shape of MobileNetV1."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jaxml.functional as F
from benchmarks import _torch_peers
from benchmarks._directions import TITLES, chosen, measured, programs
from benchmarks._measure import compiled, measure
from benchmarks._random import normal
from benchmarks._results import Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._shape import MOBILENET, Shape
from benchmarks._tables import MISSING, Table, geometric_mean, milliseconds, percent, times
from benchmarks._types import Suite, Task
from jaxml import flops

STOCK = "xla"
DEFAULT = "default"


def tasks(settings: Settings) -> list[Task]:
    some = [MOBILENET[i] for i in (0, 1, 2, 4, 6, 8)]  # every resolution, and the worst stride
    shapes = settings.pick(tiny=[Shape(6, 4, 8, stride=2)], quick=some, full=MOBILENET)
    return [(label(shape), partial(compare, shape)) for shape in shapes]


def label(shape: Shape) -> str:
    return f"{shape.size}px {shape.in_channels}ch k{shape.kernel} s{shape.stride}"


def compare(shape: Shape, settings: Settings) -> Row:
    """Each direction apart, since they win and lose apart: a slow d/dw is invisible in a forward time."""
    batch, k, c = settings.examples(), shape.kernel, shape.in_channels
    cost = flops.depthwise(
        batch, (shape.size,) * 2, (shape.out,) * 2, c, kernel=k, itemsize=jnp.dtype(settings.dtype).itemsize
    )
    row = Row(label(shape), {"batch": batch, **vars(shape), "macs": cost.macs, "bytes": cost.bytes})
    image, output = (batch, shape.size, shape.size, c), (batch, shape.out, shape.out, c)
    x, w, g = normal(settings.seed, [image, (k, k, 1, c), output], settings.dtype)
    names = [STOCK, *(name for name in F.depthwise_implementations() if name != STOCK)]
    peer = _torch_peers.depthwise(shape, x, w, g) if settings.peers else {}
    for what in chosen(settings):
        timed = {name: programs(_layer(shape, name))[what] for name in (*names, DEFAULT)}
        twin = _twin(timed, x, (w,), g)
        row.facts[f"default_{what}"] = twin
        if twin is not None:
            del timed[DEFAULT]
        candidates: _torch_peers.Builders = {name: partial(compiled, f, x, (w,), g) for name, f in timed.items()}
        if what in peer:
            candidates["torch"] = peer[what]
        pairs = [(name, slow) for name in candidates for slow in (STOCK, "torch") if name != slow]
        measure(row, what, candidates, settings, speedups=pairs, reference=STOCK)
        if twin is not None:
            _alias(row, what, twin)
    return row


def _twin(timed: Mapping[str, Callable[..., Any]], *args: Any) -> str | None:
    """The name under which the default is among those `timed` already, so that no program is compiled twice."""
    texts = {name: jax.jit(f).lower(*args).as_text() for name, f in timed.items()}
    return next((name for name, text in texts.items() if name != DEFAULT and text == texts[DEFAULT]), None)


def _alias(row: Row, what: str, twin: str) -> None:
    """Enter the figures of `twin` as the default's, too."""
    if f"{what}.{twin}" in row.times:
        row.times[f"{what}.{DEFAULT}"] = row.times[f"{what}.{twin}"]
    for slow in (STOCK, "torch"):
        if f"{what}.{twin}/{slow}" in row.speedups:
            row.speedups[f"{what}.{DEFAULT}/{slow}"] = row.speedups[f"{what}.{twin}/{slow}"]
    if twin == STOCK and f"{what}.{STOCK}" in row.times:
        row.speedups[f"{what}.{DEFAULT}/{STOCK}"] = (1.0, 1.0, 1.0)


def _layer(shape: Shape, name: str) -> Callable[[Array, Array], Array]:
    return partial(
        F.depthwise_conv2d,
        stride=shape.stride,
        padding=shape.kernel // 2,
        implementation=None if name == DEFAULT else name,
    )


def tables(result: SuiteResult) -> list[Table]:
    return [*(_direction_table(result.rows, what) for what in measured(result.rows)), means_table(result.rows)]


def timed_names(rows: list[Row]) -> list[str]:
    """Who was timed; the default apart only where it is none of the named implementations."""
    who = dict.fromkeys(key.split(".", 1)[1] for row in rows for key in row.times)
    aliased = all(row.facts[f"default_{what}"] for row in rows for what in measured(rows) if row.times)
    return [name for name in who if name != DEFAULT or not aliased]


def _direction_table(rows: list[Row], what: str) -> Table:
    who = timed_names(rows)
    torch = ["vs torch"] if "torch" in who else []
    columns = ("depthwise layer", *who, "default", "vs stock", *torch, "of roof")
    cells = [
        [
            row.name,
            *(milliseconds(row.median(f"{what}.{name}")) for name in who),
            row.facts.get(f"default_{what}") or MISSING,
            times(row.speedup(what, DEFAULT, STOCK)),
            *(times(row.speedup(what, DEFAULT, "torch")) for _ in torch),
            _of_roof(row, what),
        ]
        for row in rows
    ]
    batch = next((f"Batch {row.facts['batch']}. " for row in rows if row.facts), "")
    caption = f"{batch}Milliseconds. xla: stock lax. default: what jaxml picks here. vs: how much faster that is. "
    caption += "of roof: its floor / time, the floor set by memory (m) or compute (c)."
    return Table(f"Depthwise {TITLES[what]}", columns, cells, caption)


def _of_roof(row: Row, what: str) -> str:
    measured = row.times.get(f"{what}.{DEFAULT}")
    if measured is None or measured.bound is None:
        return MISSING
    return f"{percent(row.share(f'{what}.{DEFAULT}'))} {measured.bound[0]}"


def means_table(rows: list[Row]) -> Table:
    """Geometric means over the layers, and the worst layer, of the default's speed-up."""
    torch = "torch" in timed_names(rows)
    columns = ["", "vs stock", "worst layer", *(["vs torch", "worst layer"] if torch else [])]
    cells = []
    for what in measured(rows):
        line = [TITLES[what]]
        for other in (STOCK, "torch") if torch else (STOCK,):
            speedups = [s for row in rows if (s := row.speedup(what, DEFAULT, other)) is not None]
            line += [times(geometric_mean(speedups)), times(min(speedups, default=None))]
        cells.append(line)
    return Table("The default's speed-up on depthwise layers (geometric mean)", columns, cells)


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for what in measured(result.rows):
        stock = geometric_mean(row.speedup(what, DEFAULT, STOCK) for row in result.rows)
        torch = geometric_mean(row.speedup(what, DEFAULT, "torch") for row in result.rows)
        if stock is not None:
            beside = "" if torch is None else f" and {times(torch)} PyTorch's speed"
            lines.append(f"depthwise {TITLES[what]}: {times(stock)} faster than stock JAX{beside}")
    return lines


SUITE = Suite("depthwise", "Depthwise convolution: every implementation", tasks, tables, summary)
