"""Suite `layers`: MobileNetV1's separable layers against the standard convolutions they replace."""

from functools import partial

from benchmarks._directions import TITLES, chosen, measured
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
    return [(str(shape), partial(compare, shape, settings, chosen(settings))) for shape in shapes]


def tables(result: SuiteResult) -> list[Table]:
    return [*cost_tables(result.rows), *time_tables(result.rows)]


def cost_tables(rows: list[Row]) -> list[Table]:
    """Parameters and operations; then bytes and operations per byte."""
    counted = [row for row in rows if row.facts]
    forms = ("standard", "separable")
    columns = ("layer", "std params", "sep params", "std MACs", "sep MACs", "MAC ratio", "1/N + 1/k²")
    cells = [
        [
            row.name,
            *(count(row.facts[f"{what}_{form}"]) for what in ("params", "macs") for form in forms),
            *(f"{row.facts[what]:.4f}" for what in ("ratio", "theory")),
        ]
        for row in counted
    ]
    operations = Table("What each form does", columns, cells, f"{_batch(rows)}std: standard, sep: separable.")
    columns = ("layer", "std bytes", "sep bytes", "std FLOP/byte", "sep FLOP/byte")
    cells = [
        [
            row.name,
            *(count(row.facts[f"bytes_{form}"]) for form in forms),
            *(f"{row.facts[f'intensity_{form}']:.0f}" for form in forms),
        ]
        for row in counted
    ]
    caption = f"{_batch(rows)}Every operand read once, every result written once. FLOP/byte: arithmetic intensity."
    return [operations, Table("What each form moves", columns, cells, caption)]


def _batch(rows: list[Row]) -> str:
    return next((f"Batch {row.facts['batch']}. " for row in rows if row.facts), "")


def time_tables(rows: list[Row]) -> list[Table]:
    return [time_table(rows, what) for what in measured(rows)]


def time_table(rows: list[Row], what: str) -> Table:
    """Times of both forms in one direction; the columns of stock JAX and PyTorch appear where they were measured."""
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
    return Table(f"Time: {TITLES[what]}", columns, cells, caption)


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for what in measured(result.rows):
        speedups = [row.speedup(what, "separable", "standard") for row in result.rows]
        mean = geometric_mean(speedups)
        saving = geometric_mean([row.facts["saving"] for row, s in zip(result.rows, speedups, strict=True) if s])
        if mean is not None and saving is not None:
            lines.append(
                f"{TITLES[what]}: separable layers do {times(saving)} fewer multiply-adds and run {times(mean)} faster "
                f"({percent(mean / saving)} of the saving became time; geometric means)"
            )
    return lines


SUITE = Suite("layers", "MobileNetV1's layers: standard against separable", tasks, tables, summary)
