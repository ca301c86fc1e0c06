"""Suite `sweep`: how channels, kernel size and stride move the separable layer's advantage."""

from dataclasses import replace
from functools import partial

from benchmarks._directions import chosen
from benchmarks._layers import cost_tables, time_tables
from benchmarks._pair import compare
from benchmarks._results import Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._shape import Shape
from benchmarks._tables import Table, times
from benchmarks._types import Suite, Task

AXES = ("channels", "kernel", "stride")


def tasks(settings: Settings) -> list[Task]:
    """One axis at a time away from a centre, which all three share."""
    channels = settings.pick(tiny=[8], quick=[16, 256], full=[8, 16, 32, 128, 256, 512])
    kernels = settings.pick(tiny=[5], quick=[5, 7], full=[5, 7, 9, 11])
    strides = settings.pick(tiny=[2], quick=[2], full=[2, 3, 4])
    centre = settings.pick(tiny=Shape(6, 4, 4), quick=Shape(28, 64, 64), full=Shape(28, 64, 64))
    swept = [
        ("centre", centre),
        *(("channels", replace(centre, in_channels=c, out_channels=c)) for c in channels),
        *(("kernel", replace(centre, kernel=k)) for k in kernels),
        *(("stride", replace(centre, stride=s)) for s in strides),
    ]
    return [(str(shape), partial(_swept, axis, shape, settings)) for axis, shape in swept]


def _swept(axis: str, shape: Shape, settings: Settings) -> Row:
    row = compare(shape, settings, chosen(settings) if settings.size == "full" else ["forward"])
    row.facts["axis"] = axis
    return row


def along(rows: list[Row], axis: str) -> list[tuple[int, Row]]:
    """The timed rows of one axis with its values, in order; empty when there is nothing but the centre."""
    key = "in_channels" if axis == "channels" else axis
    timed = [row for row in rows if "forward.separable" in row.times and row.facts["axis"] in (axis, "centre")]
    found = sorted(((row.facts[key], row) for row in timed), key=lambda pair: pair[0])
    return found if len(found) > 1 else []


def tables(result: SuiteResult) -> list[Table]:
    return [*cost_tables(result.rows), *time_tables(result.rows)]


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for axis in AXES:
        found = along(result.rows, axis)
        if found:
            pairs = (f"{value}: {times(row.speedup('forward', 'separable', 'standard'))}" for value, row in found)
            lines.append(f"separable layer's forward speed-up by {axis}: {', '.join(pairs)}")
    return lines


SUITE = Suite("sweep", "Sweep over channels, kernel size and stride", tasks, tables, summary)
