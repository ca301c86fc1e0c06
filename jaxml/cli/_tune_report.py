"""What `jaxml tune` shows and writes: a line for each trial, the table, files, and the command that trains the best."""

import csv
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jaxml.cli._tune_plan import Plan
from jaxml.cli._tune_plots import draw
from jaxml.cli._tune_space import option
from jaxml.cli._tune_study import EPOCHS, REASON, counted, state_of

SHOWN = 10


def teller(study: Any, plan: Plan, trials: int) -> Callable[[Any], None]:
    """Prints a line for a trial that has ended."""

    def tell(trial: Any) -> None:
        row = _row(trial, plan)
        values = "  ".join(f"{name} {_short(row[name])}" for name in plan.space.searched)
        figure = "" if row["value"] is None else f"  {plan.metric} {row['value']:.4g}"
        done = f"trial {trial.number} ({counted(study)}/{trials})"
        print(f"{done}  {row['state']}{figure}  {values}", file=sys.stderr, flush=True)
        if row["reason"]:
            print(f"    {row['reason']}", file=sys.stderr, flush=True)

    return tell


def report(study: Any, plan: Plan, folder: Path, where: str, seconds: float, as_json: bool) -> None:
    """The table or JSON on standard output, and the files of the folder."""
    rows = sorted((_row(trial, plan) for trial in study.trials), key=lambda row: _rank(row, plan))
    best = rows[0] if rows and rows[0]["state"] == "complete" else None
    command = None if best is None else train_command(best, plan)
    _write_csv(folder / "trials.csv", rows)
    drawn = draw(study, plan, folder)
    states = [row["state"] for row in rows]
    tally = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    if as_json:
        found = {
            "data": plan.data, "study": study.study_name, "storage": where, "metric": plan.metric, "seconds": seconds,
            "folder": str(folder), "best": best, "command": command, "trials": rows, "plots": drawn,
        }  # fmt: skip
        print(json.dumps(found, indent=2))
        return
    table = Table(title=f"{plan.data}: {len(rows)} trials, {tally}", box=None, padding=(0, 1), title_justify="left")
    for heading in ("trial", "state", "epochs", plan.metric, *plan.space.searched):
        table.add_column(heading.replace("_", " "), justify="left" if heading == "state" else "right")
    for row in rows[:SHOWN]:
        table.add_row(*(_short(row[n]) for n in ("trial", "state", "epochs", "value", *plan.space.searched)))
    console = Console()
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"and {len(rows) - SHOWN} more in {folder / 'trials.csv'}", highlight=False)
    console.print(f"{seconds:.0f} s; the study is in {where}, {len(drawn)} plots in {folder}", highlight=False)
    if command is None:
        console.print("no trial was complete: lower the rates, or ask for more --trials", highlight=False)
    else:
        print(f"the best one, trained again and kept:\n{command}")


def train_command(row: dict[str, Any], plan: Plan) -> str:
    """The `jaxml train` that does what this trial did."""
    words = ["jaxml", "train", plan.source]
    defaults = {"validation": 0.2, "size": 64, "seed": 0}
    for name, value in plan.asked.items():
        if isinstance(value, list):
            words += [word for each in value for word in (option(name), str(each))]
        elif isinstance(value, bool):
            words += [option(name)] if value else [option(f"no_{name}")] if name == "augment" else []
        elif value is not None and value != defaults.get(name):
            words += [option(name), str(value)]
    for name in plan.space.axes:
        words += [option(name), str(row[name])]
    return shlex.join(words)


def _row(trial: Any, plan: Plan) -> dict[str, Any]:
    """A trial as plain values. Of one that was pruned the value is its last epoch's."""
    steps = trial.intermediate_values
    value = trial.value if trial.state.name == "COMPLETE" else steps[max(steps)] if steps else None
    fixed = {name: one.values[0] if one.fixed else None for name, one in plan.space.axes.items()}
    return {
        "trial": trial.number,
        "state": state_of(trial),
        "epochs": trial.user_attrs.get(EPOCHS, 0),
        "value": value,
        **{name: trial.params.get(name, value) for name, value in fixed.items()},
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        "reason": trial.user_attrs.get(REASON),
    }


def _rank(row: dict[str, Any], plan: Plan) -> tuple[int, float]:
    """The complete ones first, the best of them first; then those that were pruned, then what failed."""
    place = {"complete": 0, "pruned": 1}.get(row["state"], 2)
    return place, 0.0 if row["value"] is None else -row["value"] if plan.maximize else row["value"]


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["trial"])
        writer.writeheader()
        writer.writerows(rows)
