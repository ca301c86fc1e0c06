"""The table and the sentences of suite `recurrent`, from its result alone."""

from benchmarks._results import Row, SuiteResult
from benchmarks._tables import Table, geometric_mean, milliseconds, times

OURS, FLAX, TORCH = "jaxml", "flax", "torch"
DIRECTIONS = ("forward", "gradient")


def tables(result: SuiteResult) -> list[Table]:
    found = []
    for what in DIRECTIONS:
        rows = [row for row in result.rows if f"{what}.{OURS}" in row.times]
        cells = [
            [
                row.name,
                milliseconds(row.median(f"{what}.{OURS}")),
                *(times(row.speedup(what, OURS, who)) for who in (FLAX, TORCH)),
                *(_mebibytes(row, f"{what}.{who}") for who in (OURS, FLAX)),
            ]
            for row in rows
        ]
        if cells:
            columns = ("examples x steps", "ms", "vs Flax", "vs PyTorch", "MiB", "Flax's MiB")
            caption = "Above 1: jaxml is the faster. MiB: temporary memory."
            found.append(Table(f"Recurrent networks, {what}", columns, cells, caption))
    return found


def _mebibytes(row: Row, key: str) -> str:
    found = row.times.get(key)
    return "-" if found is None or found.temp_bytes is None else f"{found.temp_bytes / 2**20:.1f}"


def summary(result: SuiteResult) -> list[str]:
    said = []
    for what in DIRECTIONS:
        for who, name in ((FLAX, "Flax"), (TORCH, "PyTorch")):
            found = {row.name: row.speedup(what, OURS, who) for row in result.rows}
            ratios = {row: value for row, value in found.items() if value is not None}
            if ratios:
                worst = min(ratios, key=lambda row: ratios[row])
                mean = times(geometric_mean(ratios.values()))
                said.append(f"{what}: {mean} {name} in the geometric mean, least {times(ratios[worst])} at {worst}")
    return said
