"""The tables and sentences of suite `separable_conv`, from its result alone."""

from benchmarks import _why
from benchmarks._directions import TITLES, measured
from benchmarks._results import Row, SuiteResult
from benchmarks._tables import MISSING, Table, count, geometric_mean, milliseconds, percent, times

AXES = ("channels", "kernel", "stride")
FORMS = ("standard", "separable")


def section(rows: list[Row], name: str) -> list[Row]:
    """The rows of one section; a row that failed has no facts, and its name tells."""
    start = {"layers": "layer ", "sweep": "sweep "}
    if name in start:
        return [row for row in rows if row.name.startswith(start[name])]
    return [row for row in rows if not row.name.startswith(tuple(start.values()))]


def along(rows: list[Row], axis: str) -> list[tuple[int, Row]]:
    """The timed rows of one axis with its values, in order; empty when there is nothing but the centre."""
    key = "in_channels" if axis == "channels" else axis
    timed = [row for row in rows if "forward.separable" in row.times and row.facts["axis"] in (axis, "centre")]
    found = sorted(((row.facts[key], row) for row in timed), key=lambda pair: pair[0])
    return found if len(found) > 1 else []


def tables(result: SuiteResult) -> list[Table]:
    layers, sweep, formats = (section(result.rows, name) for name in ("layers", "sweep", "formats"))
    found = []
    for rows in (layers, sweep):
        if rows:
            found += [*_cost_tables(rows), *(_time_table(rows, what) for what in measured(rows))]
    if formats:
        found.append(_format_table(formats))
    titles = [("forward", ""), ("gradient", "grad")]
    return [*found, *_why.table([*layers, *sweep, *formats], titles)]


def _cost_tables(rows: list[Row]) -> list[Table]:
    """Parameters and operations; then bytes and operations per byte."""
    counted = [row for row in rows if row.facts]
    columns = ("", "std params", "sep params", "std MACs", "sep MACs", "MAC ratio", "1/N + 1/k²")
    cells = [
        [
            _shape(row),
            *(count(row.facts[f"{what}_{form}"]) for what in ("params", "macs") for form in FORMS),
            *(f"{row.facts[what]:.4f}" for what in ("ratio", "theory")),
        ]
        for row in counted
    ]
    operations = Table("What each form does", columns, cells, f"{_batch(rows)}std: standard, sep: separable.")
    columns = ("", "std bytes", "sep bytes", "std FLOP/byte", "sep FLOP/byte")
    cells = [
        [
            _shape(row),
            *(count(row.facts[f"bytes_{form}"]) for form in FORMS),
            *(f"{row.facts[f'intensity_{form}']:.0f}" for form in FORMS),
        ]
        for row in counted
    ]
    caption = f"{_batch(rows)}Every operand read once, every result written once. FLOP/byte: arithmetic intensity."
    return [operations, Table("What each form moves", columns, cells, caption)]


def _shape(row: Row) -> str:
    """The row's name without that of its section, which has its own tables."""
    return row.name.partition(" ")[2]


def _batch(rows: list[Row]) -> str:
    return next((f"Batch {row.facts['batch']}. " for row in rows if row.facts), "")


def _time_table(rows: list[Row], what: str) -> Table:
    """Times of both forms in one direction; the columns of stock JAX and PyTorch appear where they were measured."""
    others = {"stock": "stock sep", "torch-standard": "torch std", "torch-separable": "torch sep"}
    extra = [who for who in others if any(f"{what}.{who}" in row.times for row in rows)]
    columns = ("", "std", "sep", "faster", "share", "of roof", *(others[who] for who in extra))
    cells = []
    for row in rows:
        if not row.times:
            cells.append([_shape(row)] + [MISSING] * (len(columns) - 1))  # its note says why
            continue
        cells.append(
            [
                _shape(row),
                *(milliseconds(row.median(f"{what}.{form}")) for form in FORMS),
                times(row.speedup(what, "separable", "standard")),
                percent(row.facts.get(f"{what}_share")),
                percent(row.share(f"{what}.separable")),
                *(milliseconds(row.median(f"{what}.{who}")) for who in extra),
            ]
        )
    caption = f"{_batch(rows)}Milliseconds. share: of the MAC saving. of roof: sep's floor / time."
    if "stock" in extra:
        caption += " stock: in plain lax."
    return Table(f"Time: {TITLES[what]}", columns, cells, caption)


def _format_table(rows: list[Row]) -> Table:
    who = {
        "standard": "std",
        "standard-nhwc": "lax std NHWC",
        "standard-nchw": "lax std NCHW",
        "separable": "sep",
        "stock-nhwc": "lax sep NHWC",
        "stock-nchw": "lax sep NCHW",
    }
    cells = [[row.name, *(milliseconds(row.median(f"forward.{name}")) for name in who)] for row in rows]
    caption = f"{_batch(rows)}Milliseconds, forward. std and sep: jaxml, channels last. lax: XLA's own convolutions."
    return Table("Layouts and dtypes", ("", *who.values()), cells, caption)


def summary(result: SuiteResult) -> list[str]:
    lines = []
    layers, sweep = (section(result.rows, name) for name in ("layers", "sweep"))
    for what in measured(layers):
        speedups = [row.speedup(what, "separable", "standard") for row in layers]
        mean = geometric_mean(speedups)
        saving = geometric_mean([row.facts["saving"] for row, s in zip(layers, speedups, strict=True) if s])
        if mean is not None and saving is not None:
            lines.append(
                f"{TITLES[what]}: separable layers do {times(saving)} fewer multiply-adds and run {times(mean)} faster "
                f"({percent(mean / saving)} of the saving became time; geometric means)"
            )
    for axis in AXES:
        if found := along(sweep, axis):
            pairs = (f"{value}: {times(row.speedup('forward', 'separable', 'standard'))}" for value, row in found)
            lines.append(f"separable layer's forward speed-up by {axis}: {', '.join(pairs)}")
    return lines
