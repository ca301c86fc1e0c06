"""The tables and sentences of suite `functional`, from its result alone."""

from benchmarks._functional_case import BYTES, OURS, PLAIN
from benchmarks._results import Row, SuiteResult
from benchmarks._tables import Table, geometric_mean, milliseconds, times

SLOWER = 0.95  # what is nearer to 1 is noise
DIRECTIONS = ("forward", "gradient")


def ratio(row: Row, what: str) -> float | None:
    """Time of the plain form over ours."""
    return row.speedup(what, OURS, PLAIN)


def of_size(result: SuiteResult, size: str) -> list[Row]:
    return [row for row in result.rows if row.facts.get("size") == size and row.times]


def tables(result: SuiteResult) -> list[Table]:
    return [_table(size, rows) for size in BYTES if (rows := of_size(result, size))]


def _table(size: str, rows: list[Row]) -> Table:
    cells = []
    for row in rows:
        cells.append([row.name.rpartition(", ")[0]])
        for what in DIRECTIONS:
            cells[-1] += [milliseconds(row.median(f"{what}.{OURS}")), _spread(row, what)]
    return Table(
        f"Functions, {size} inputs",
        ("function", "forward ms", "plain / jaxml", "gradient ms", "plain / jaxml"),
        cells,
        "Median over the rounds of the plain form's time over ours, and its quartiles; above 1 ours is the faster.",
    )


def _spread(row: Row, what: str) -> str:
    found = row.speedups.get(f"{what}.{OURS}/{PLAIN}")
    return times(None) if found is None else f"{found[0]:.2f} ({found[1]:.2f}-{found[2]:.2f})"


def summary(result: SuiteResult) -> list[str]:
    found = {
        f"{row.name}, {what}": value
        for row in result.rows
        for what in DIRECTIONS
        if (value := ratio(row, what)) is not None
    }
    if not found:
        return []
    slow = sorted((value, name) for name, value in found.items() if value < SLOWER)
    listed = "; ".join(f"{name} {value:.2f}" for value, name in slow[:8]) or "none"
    return [
        f"Is any function slower than the form written by hand? Of {len(found)} timed, {len(slow)} below "
        f"{SLOWER:g}: {listed}. In the geometric mean they are {times(geometric_mean(found.values()))} as fast"
    ]
