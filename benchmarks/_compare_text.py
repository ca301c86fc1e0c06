"""How a comparison is printed."""

from itertools import groupby

from rich.console import Console

from benchmarks._compare import LEVEL, Comparison
from benchmarks._tables import Table, milliseconds, times


def tables(comparison: Comparison) -> list[Table]:
    """A table for each suite, with a line that names the row above its times."""
    out = []
    columns = ("row, time", "old", "new", "ratio", "p", "q", "")
    for suite, changes in groupby(comparison.changes, lambda change: change.suite):
        cells = []
        for row, timed in groupby(changes, lambda change: change.row):
            cells.append([row] + [""] * (len(columns) - 1))
            for c in timed:
                figures = [milliseconds(c.old), milliseconds(c.new), times(c.ratio), f"{c.p:.1g}", f"{c.q:.1g}"]
                cells.append([f"  {c.key}", *figures, c.verdict])
        out.append(Table(f"{suite}, against the old file", columns, cells, "Milliseconds, medians. ratio: new / old."))
    return out


def show(comparison: Comparison, console: Console) -> None:
    for table in tables(comparison):
        console.print(table.rich())
    for line in [*comparison.alone, *in_short(comparison)]:
        console.print(line, markup=False, highlight=False)


def in_short(comparison: Comparison) -> list[str]:
    """The verdict: how many changed by which measure, and which became slower."""
    slower, faster, same = (comparison.verdicts(verdict) for verdict in ("slower", "faster", "same"))
    drift = f"{times(comparison.drift)} is the median ratio"
    out = [
        f"{len(slower)} slower, {len(faster)} faster, {len(same)} same "
        f"(changed: beyond {times(comparison.threshold)} and q < {LEVEL})",
        f"{drift}; the others are relative to it" if comparison.relative else drift,
    ]
    if comparison.few:
        out.append(f"{comparison.few} times have too few samples to tell any change")
    out += [f"slower: {c.suite}/{c.row}, {c.key}: {times(c.ratio)}" for c in slower]
    return out
