"""The tables and sentences of suite `optimizers`, from its result alone."""

import math

import numpy as np

from benchmarks import _optimizer_steps, _optimizer_update, _profiles
from benchmarks._optimizer_update import OWN, PEER
from benchmarks._results import Row, SuiteResult
from benchmarks._tables import MISSING, Table, count, percent, times

TAUS = (1, 1.5, 2, 3, 5, 10)
NAMES = {OWN: "Optax's own", PEER: "PyTorch's, foreach"}


def part(result: SuiteResult, name: str) -> list[Row]:
    return [row for row in result.rows if row.facts.get("part") == name]


def updates(result: SuiteResult) -> dict[str, list[Row]]:
    """The timed rows of part one by the tree of parameters."""
    rows = [row for row in part(result, _optimizer_update.PART) if row.times]
    return {tree: [r for r in rows if r.facts["tree"] == tree] for tree in dict.fromkeys(r.facts["tree"] for r in rows)}


def nanoseconds(row: Row, seconds: float | None) -> str:
    """Per parameter."""
    return MISSING if seconds is None else f"{1e9 * seconds / row.facts['params']:.3g}"


def steps(result: SuiteResult) -> dict[str, dict[str, Row]]:
    """The rows of part two by problem and optimizer; only problems that every optimizer of the run was given."""
    found: dict[str, dict[str, Row]] = {}
    for row in part(result, _optimizer_steps.PART):
        found.setdefault(row.facts["problem"], {})[row.facts["optimizer"]] = row
    optimizers = set().union(*found.values())
    return {problem: rows for problem, rows in found.items() if set(rows) == optimizers}


def medians(row: Row) -> np.ndarray:
    """Steps to the target of the median seed at each rate, infinite for never."""
    return np.median([[math.inf if n is None else n for n in seeds] for seeds in row.facts["steps"]], axis=1)


def best_rate(row: Row) -> int | None:
    """Index of the rate that is fastest on the median seed; of equals that of most seeds, then the smallest."""
    fastest = medians(row)
    if not np.isfinite(fastest).any():
        return None
    return min(range(len(fastest)), key=lambda i: (fastest[i], row.facts["steps"][i].count(None), i))


def costs(row: Row) -> list[int | None]:
    """Steps of each seed at the best rate; where no rate takes the median seed there, of no seed."""
    best = best_rate(row)
    return [None] * len(row.facts["seeds"]) if best is None else row.facts["steps"][best]


def ratios(result: SuiteResult) -> dict[str, np.ndarray]:
    """By optimizer, over all problems and seeds: its steps over those of the best."""
    problems = steps(result)
    optimizers = dict.fromkeys(name for rows in problems.values() for name in rows)
    return _profiles.ratios({o: [n for rows in problems.values() for n in costs(rows[o])] for o in optimizers})


def robustness(row: Row) -> float:
    """The share of the grid's rates that take the median seed to the target."""
    return float(np.mean(np.isfinite(medians(row))))


def tables(result: SuiteResult) -> list[Table]:
    drawn = [_update_table(tree, rows) for tree, rows in updates(result).items()]
    if problems := steps(result):
        drawn += [_steps_table(problems), _profile_table(result)]
    return drawn


def _update_table(tree: str, rows: list[Row]) -> Table:
    cells = []
    for row in rows:
        for key, measured in row.times.items():
            who = key.partition(".")[2]
            name = NAMES.get(who, f"{who.partition('-')[2]} style")
            temporary = MISSING if measured.temp_bytes is None else f"{measured.temp_bytes / 1024:.3g}"
            moved = f"{row.facts['bytes'] / row.facts['params']:.0f}"
            figures = [nanoseconds(row, measured.median), moved, nanoseconds(row, measured.floor)]
            faster = times(row.speedup("update", who, OWN))
            cells.append([f"{row.facts['optimizer']}: {name}", *figures, percent(row.share(key)), faster, temporary])
    facts = rows[0].facts
    return Table(
        f"One update of {tree}: {count(facts['params'])} parameters in {facts['arrays']} arrays",
        ("optimizer", "ns/param", "bytes", "floor ns", "of floor", "vs Optax", "temp KiB"),
        cells,
        "By parameter; bytes: it and its slots read and written, its gradient read. "
        "floor: these at the copy bandwidth of their size.",
    )


def _steps_table(problems: dict[str, dict[str, Row]]) -> Table:
    cells = []
    for problem, rows in problems.items():
        for optimizer, row in rows.items():
            best, facts = best_rate(row), row.facts
            rate = MISSING if best is None else f"{facts['rates'][best]:.3g}"
            median = "never" if best is None else f"{medians(row)[best]:.0f}"
            hits = f"{sum(n is not None for n in costs(row))}/{len(facts['seeds'])}"
            cells.append([f"{problem}: {optimizer}", rate, median, hits, percent(robustness(row))])
    targets = ", ".join(
        f"{problem} {next(iter(rows.values())).facts['target']:g}" for problem, rows in problems.items()
    )
    return Table(
        "Steps to the target",
        ("problem", "best rate", "median steps", "seeds", "rates"),
        cells,
        f"Validation loss to reach: {targets}. seeds: that reach it at the best rate. rates: share of the grid "
        f"{_grid(problems)} that reach it on the median seed.",
    )


def _grid(problems: dict[str, dict[str, Row]]) -> str:
    rates = next(iter(next(iter(problems.values())).values())).facts["rates"]
    return f"of {len(rates)} rates from {rates[0]:g} to {rates[-1]:g}"


def _profile_table(result: SuiteResult) -> Table:
    found = ratios(result)
    cells = [[name, *(percent(_profiles.profile(of_one, tau)) for tau in TAUS)] for name, of_one in found.items()]
    total = len(next(iter(found.values())))
    return Table(
        "Performance profile: share of problems and seeds within a factor of the best",
        ("optimizer", *(f"{tau:g}x" for tau in TAUS)),
        cells,
        f"Of {total} pairs of problem and seed, each optimizer at its best rate; what is never solved counts as such.",
    )


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for tree, rows in updates(result).items():
        parts = [_cost(row) for row in rows if "update.jaxml-torch" in row.times]
        if parts:
            lines.append(f"What does an update of {tree} cost a parameter? {'; '.join(parts)}")
    if steps(result):
        lines += _verdicts(result)
    return lines


def _cost(row: Row) -> str:
    share = row.share("update.jaxml-torch")
    text = f"{row.facts['optimizer']} {nanoseconds(row, row.median('update.jaxml-torch'))} ns"
    if share is not None:
        text += f", {percent(share)} of what the copy bandwidth allows"
    peers = [(OWN, "Optax's"), (PEER, "PyTorch's")]
    found = [f"{name} {nanoseconds(row, t)}" for who, name in peers if (t := row.median(f"update.{who}")) is not None]
    return f"{text} ({', '.join(found)})" if found else text


def _verdicts(result: SuiteResult) -> list[str]:
    found, problems = ratios(result), steps(result)
    first, near, sure = (
        _leaders({name: _profiles.profile(of_one, tau) for name, of_one in found.items()})
        for tau in (1, 2, _profiles.SOLVED)
    )
    robust = {name: float(np.mean([robustness(rows[name]) for rows in problems.values()])) for name in found}
    return [
        f"Which optimizer needs the fewest steps? On most problems and seeds the best: {first}; "
        f"within twice the best: {near}; at the target at all: {sure}",
        f"Which forgives a wrong learning rate? {_leaders(robust)}; share of the rates tried that reach the target: "
        f"{', '.join(f'{name} {percent(share)}' for name, share in robust.items())}",
    ]


def _leaders(scores: dict[str, float]) -> str:
    """Everyone with the highest score, and that score."""
    highest = max(scores.values())
    names = ", ".join(name for name, score in scores.items() if score == highest)
    return f"{names} ({percent(highest)})"
