"""Suite `layers`: MobileNetV1's separable layers against the standard convolutions they replace."""

from functools import partial

from benchmarks._pair import compare
from benchmarks._results import Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._shape import Shape
from benchmarks._tables import MISSING, Table, count, geometric_mean, milliseconds, percent, times
from benchmarks._types import Suite, Task

# Every distinct separable layer of MobileNetV1 (arXiv:1704.04861, Table 1) at 224 x 224.
SHAPES = (
    Shape(112, 32, 64),
    Shape(112, 64, 128, stride=2),
    Shape(56, 128, 128),
    Shape(56, 128, 256, stride=2),
    Shape(28, 256, 256),
    Shape(28, 256, 512, stride=2),
    Shape(14, 512, 512),
    Shape(14, 512, 1024, stride=2),
    Shape(7, 1024, 1024),
)


def tasks(settings: Settings) -> list[Task]:
    shapes = settings.pick(tiny=[Shape(6, 4, 8, stride=2)], quick=SHAPES, full=SHAPES)
    gradient = settings.size != "quick"  # most of the time of this suite; `mobilenet` times whole training steps
    return [(str(shape), partial(compare, shape, settings, gradient=gradient)) for shape in shapes]


def tables(result: SuiteResult) -> list[Table]:
    return [cost_table(result.rows), *time_tables(result.rows)]


def cost_table(rows: list[Row]) -> Table:
    columns = (
        "layer",
        "std params",
        "sep params",
        "std MACs",
        "sep MACs",
        "MAC ratio",
        "1/N + 1/k²",
        "std F/B",
        "sep F/B",
    )
    cells = [
        [
            row.name,
            count(row.facts["params_standard"]),
            count(row.facts["params_separable"]),
            count(row.facts["macs_standard"]),
            count(row.facts["macs_separable"]),
            f"{row.facts['ratio']:.4f}",
            f"{row.facts['theory']:.4f}",
            f"{row.facts['intensity_standard']:.0f}",
            f"{row.facts['intensity_separable']:.0f}",
        ]
        for row in rows
        if row.facts
    ]
    caption = f"{_batch(rows)}std: standard, sep: separable. F/B: FLOP per byte, the intensity."
    return Table("What each form costs", columns, cells, caption)


def _batch(rows: list[Row]) -> str:
    return next((f"Batch {row.facts['batch']}. " for row in rows if row.facts), "")


def time_tables(rows: list[Row]) -> list[Table]:
    """Forward, and the gradient where it was measured."""
    measured = [what for what in ("forward", "gradient") if any(f"{what}.separable" in row.times for row in rows)]
    return [time_table(rows, what) for what in measured or ["forward"]]


def time_table(rows: list[Row], what: str) -> Table:
    """Times of both forms; the columns of stock JAX and PyTorch appear where they were measured."""
    others = {"stock": "stock sep", "torch-standard": "torch std", "torch-separable": "torch sep"}
    extra = [who for who in others if any(f"{what}.{who}" in row.times for row in rows)]
    columns = ("layer", "std", "sep", "faster", "saving", "share", *(others[who] for who in extra))
    cells = []
    for row in rows:
        if not row.times:
            cells.append([row.name] + [MISSING] * (len(columns) - 1))  # its note says why
            continue
        cells.append(
            [
                row.name,
                milliseconds(row.median(f"{what}.standard")),
                milliseconds(row.median(f"{what}.separable")),
                times(row.speedup(what, "separable", "standard")),
                times(row.facts["saving"]),
                percent(row.facts.get(f"{what}_share")),
                *(milliseconds(row.median(f"{what}.{who}")) for who in extra),
            ]
        )
    caption = f"{_batch(rows)}Milliseconds. saving: of MACs. share: faster / saving."
    if "stock" in extra:
        caption += " stock: in plain lax."
    return Table(f"{what.capitalize()} time", columns, cells, caption)


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for what in ("forward", "gradient"):
        speedups = [row.speedup(what, "separable", "standard") for row in result.rows]
        mean = geometric_mean(speedups)
        saving = geometric_mean([row.facts["saving"] for row, s in zip(result.rows, speedups, strict=True) if s])
        if mean is not None and saving is not None:
            lines.append(
                f"{what}: separable layers do {times(saving)} fewer multiply-adds and run {times(mean)} faster "
                f"({percent(mean / saving)} of the saving became time; geometric means)"
            )
    return lines


SUITE = Suite("layers", "MobileNetV1's layers: standard against separable", tasks, tables, summary)
