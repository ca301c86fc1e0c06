"""The coverage page of the manual, from the rows and the measured figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._row import Row

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "coverage.md"
FIGURES = ROOT / "docs" / "coverage.json"
HEAD = """# Coverage

What PyTorch and Keras call it, what jaxml has, and how near it is. This page is written by `python -m tests.parity`,
which compares values and gradients with PyTorch on {draws} draws of inputs and options for each row
({versions}; {date}). The figures are the largest error of a value and of a gradient in float64, relative to the entry
or to 1; float32 is compared as well, and both by the tests. *jax.nn*: take JAX's own.

{count}
"""


def load_figures() -> dict[str, Any]:
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def page(rows: Mapping[str, Sequence[Row]], figures: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    everything = [row for family in rows.values() for row in family]
    names = [name for row in everything for name in row.torch]
    there = [name for row in everything for name in row.torch if row.ours]
    count = f"Of {len(names)} PyTorch functions in this table, {len(there)} have an equal here."
    text = HEAD.format(draws=figures["draws"], versions=versions, date=figures["date"], count=count)
    for title, family in rows.items():
        text += f"\n## {title}\n\n| PyTorch | Keras | jaxml | value | gradient | |\n"
        text += "| --- | --- | --- | ---: | ---: | --- |\n"
        text += "".join(_line(row, figures["float64"]) for row in family)
    return text


def _line(row: Row, scores: Mapping[str, Any]) -> str:
    torch, keras = (", ".join(f"`{name}`" for name in names) for names in (row.torch, row.keras))
    ours = f"`{row.ours}`" if row.ours else "—"
    if row.ours and row.whose != "jaxml":
        ours += f" (*{row.whose}*)"
    found = [score for name, score in scores.items() if name.split("-")[0] == row.ours]
    value = _figure([score["value"] for score in found])
    gradient = _figure([score["gradient"] for score in found if score["gradient"] is not None])
    return f"| {torch} | {keras} | {ours} | {value} | {gradient} | {row.reason} |\n"


def _figure(errors: Sequence[float]) -> str:
    return f"{max(errors):.0e}" if errors else ""
