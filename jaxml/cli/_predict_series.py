"""`jaxml predict RUN FILE...`: the days after those of a table, by a run of `jaxml train seattle_weather`."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

SERIES = "series.json"  # what a run of a series has, and no other


def is_series(folder: Path) -> bool:
    """Whether the run is one that forecasts."""
    return (folder / SERIES).exists()


def read_days(path: Path, names: Sequence[str], length: int) -> dict[str, np.ndarray]:
    """The last `length` rows of a CSV: `date`, days that follow one another, and the numbers `names`.

    Errors: ValueError for bytes that are not UTF-8, a column or days that are missing, and a cell that is no day or no
    finite number.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"predict: {path} must be a CSV of UTF-8 text: {error}") from None
    missing = [name for name in ("date", *names) if not rows or name not in rows[0]]
    if missing:
        raise ValueError(f"predict: {path} must have the columns date, {', '.join(names)}; it has no {missing[0]}")
    if len(rows) < length:
        raise ValueError(f"predict: {path} must have {length} days or more, got {len(rows)}")
    first = len(rows) - length
    last = list(enumerate(rows[first:], first + 2))  # the line, below the names of the columns
    try:
        date = np.array([row["date"].replace("/", "-") for _, row in last], "datetime64[D]")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"predict: {path}: the column date must hold days such as 2015-12-31: {error}") from None
    if (np.diff(date) != np.timedelta64(1, "D")).any():
        raise ValueError(f"predict: {path}: the last {length} days must follow one another, one a row")
    columns: dict[str, np.ndarray] = {"date": date}
    for name in names:
        columns[name] = np.array([_number(path, line, name, row[name]) for line, row in last])
    return columns


def _number(path: Path, line: int, name: str, cell: str | None) -> float:
    try:
        value = float(cell or "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(f"predict: {path}: {name} must be a number in row {line}, got {cell!r}")
    return value


class Forecaster:
    """A finished run as a function of files.

    Errors: ValueError for a folder without one.
    """

    def __init__(self, folder: Path):
        from flax import nnx

        from jaxml import models
        from jaxml.cli._forecast import OPTIONS, WEIGHTS

        missing = [name for name in (OPTIONS, WEIGHTS) if not (folder / name).exists()]
        if missing:
            raise ValueError(
                f"predict: {folder} must hold a finished run of `jaxml train seattle_weather`, it has no "
                f"{' and no '.join(missing)}"
            )
        made, scaling = (json.loads((folder / name).read_text()) for name in (OPTIONS, SERIES))
        self.module: Any = models.create(made["model"], rngs=nnx.Rngs(0), weights=folder / WEIGHTS, **made["options"])
        self.names, self.waves, self.scale = (
            scaling["columns"],
            np.array(scaling["waves"]),
            np.array(scaling["scale"]),
        )

    def __call__(self, path: Path) -> list[dict[str, Any]]:
        """A row a day: its date, and what is forecast."""
        import jax.numpy as jnp

        from jaxml.cli._forecast import inputs, usual

        columns = read_days(path, self.names, self.module.config.length)
        z = np.asarray(self.module(jnp.asarray(inputs(columns, self.waves, self.scale)[None])))[0, :, 0]
        days = columns["date"][-1] + np.arange(1, len(z) + 1)
        degrees = z * self.scale[0] + usual(days, self.waves)[:, 0]
        return [{"date": str(day), self.names[0]: float(t)} for day, t in zip(days, degrees, strict=True)]


def forecast(folder: Path, files: Sequence[str], *, as_json: bool) -> None:
    """Print the days that come after each file's last."""
    run = Forecaster(folder)
    found = [{"file": file, "forecast": run(Path(file))} for file in files]
    if as_json:
        print(json.dumps({"model": str(folder), "results": found}, indent=2))
        return
    table = Table(title=f"jaxml predict: {folder}")
    for heading in ("file", "date", run.names[0]):
        table.add_column(heading, justify="right" if heading == run.names[0] else "left", overflow="fold")
    for each in found:
        for place, row in enumerate(each["forecast"]):
            table.add_row("" if place else each["file"], row["date"], f"{row[run.names[0]]:.1f}")
        table.add_section()
    Console().print(table)
