"""Summaries as text, 80 columns wide."""

from collections.abc import Sequence
from typing import Any

from jaxml.flops._table import CONVENTION, WIDTH, quantity

NUMBERS = ("params", "MACs", "share", "activ.", "FLOP/B")


def summary_text(table: Any) -> str:
    """What was counted, the rows, the total, the convention, and what is missing."""
    body = [_cells(row, table.total) for row in table.rows]
    total = ("total", "", "", *_numbers(table.total.params, table.total, table.total))
    lines = _aligned([("layer", "type", "output", *NUMBERS), *body, total])
    what = "forward and backward" if table.backward else "forward"
    title = f"{table.model}: {what}, train={table.train}, padding={table.padding}"
    rule = "-" * WIDTH
    flops, nbytes = quantity(table.total.flops), quantity(table.total.bytes)
    notes = [f"{table.total.macs:,} MACs; {flops} FLOPs; {nbytes} bytes", f"({CONVENTION})"]
    missing = [f"  {name}: {reason}" for name, reason in table.total.uncounted.items()]
    if missing:
        missing = ["NOT COUNTED, so that all of the above are lower bounds:", *missing]
    return "\n".join([title, lines[0], rule, *lines[1:-1], rule, lines[-1], *notes, *missing])


def _cells(row: Any, whole: Any) -> Sequence[str]:
    first, *more = ["x".join(map(str, shape)) or "scalar" for shape in row.output] or [""]
    output = f"{first} +{len(more)}" if more else first
    return (row.path, row.type, output, *_numbers(row.params, row.cost, whole))


def _numbers(params: int, cost: Any, whole: Any) -> Sequence[str]:
    share = f"{100 * cost.macs / whole.macs:.1f}%" if whole.macs else ""
    intensity = f"{cost.intensity:.{2 if cost.intensity < 100 else 0}f}"
    return (*map(quantity, (params, cost.macs)), share, quantity(cost.activations), intensity)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their entries; where that is too wide, the class gives way, then the path, then the rest.

    The end of a path says more than its beginning; of other words it is the beginning.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for column, least in ((1, 9), (0, 20), (2, 12), (0, 12)):
        excess = sum(widths) + len(widths) - 1 - WIDTH
        widths[column] = min(widths[column], max(least, widths[column] - max(excess, 0)))
    lines = []
    for path, kind, output, *numbers in rows:
        path = path if len(path) <= widths[0] else "…" + path[1 - widths[0] :]
        kind, output = (
            text if len(text) <= width else text[: width - 1] + "…"
            for text, width in ((kind, widths[1]), (output, widths[2]))
        )
        left = f"{path:<{widths[0]}} {kind:<{widths[1]}} {output:<{widths[2]}}"
        lines.append(" ".join([left, *(f"{n:>{w}}" for n, w in zip(numbers, widths[3:], strict=True))]).rstrip())
    return lines
