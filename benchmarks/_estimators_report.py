"""The table and the sentence of suite `estimators`, from its result alone."""

from benchmarks._results import SuiteResult
from benchmarks._tables import Table, geometric_mean, milliseconds, times

OURS, PEER = "jaxml", "sklearn"


def tables(result: SuiteResult) -> list[Table]:
    cells = []
    for row in result.rows:
        ratio = row.speedups.get(f"fit.{OURS}/{PEER}")
        if ratio is not None:
            figures = [milliseconds(row.median(f"fit.{who}")) for who in (OURS, PEER)]
            quartiles = f"{ratio[1]:.2f}-{ratio[2]:.2f}"
            first = milliseconds(row.facts["first_seconds"])
            cells.append([row.name.rpartition(", ")[0], *figures, times(ratio[0]), quartiles, first])
    columns = ("fit", "ms", "sklearn ms", "faster", "quartiles", "first ms")
    caption = "From NumPy arrays, checks of the input included. first: with compiling. Above 1: jaxml is the faster."
    size = result.rows[0].name.rpartition(", ")[2] if result.rows else ""
    return [Table(f"Classical models, {size}", columns, cells, caption)] if cells else []


def summary(result: SuiteResult) -> list[str]:
    found = {row.name: row.speedup("fit", OURS, PEER) for row in result.rows}
    ratios = {name: value for name, value in found.items() if value is not None}
    if not ratios:
        return []
    worst = min(ratios, key=lambda name: ratios[name])
    mean = times(geometric_mean(ratios.values()))
    return [f"fit: {mean} scikit-learn in the geometric mean, least {times(ratios[worst])} at {worst}"]
