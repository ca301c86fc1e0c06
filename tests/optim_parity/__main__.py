"""Writes what the libraries compute to tests/golden_optim.npz, and two tables into docs/optim.md.

They are that of differences and that of defaults; `python -m tests.optim_parity defaults` writes the second alone.
"""

import sys
from pathlib import Path

import numpy as np

from . import _defaults
from ._golden import GOLDEN
from ._grid import CASES, Case, error
from ._run import ours, theirs

PAGE = Path(__file__).parents[2] / "docs" / "optim.md"
BEGIN, END = "<!-- written by python -m tests.optim_parity -->\n", "<!-- end -->\n"
BEGIN_DEFAULTS = "<!-- written by python -m tests.optim_parity defaults -->\n"
LIBRARIES = {"torch": "PyTorch", "keras": "Keras", "optax": "Optax"}


def main(only_defaults: bool) -> None:
    page = replaced(PAGE.read_text(), BEGIN_DEFAULTS, _defaults.table())
    if not only_defaults:
        exact = {case.id: theirs(case, "float64") for case in CASES}
        np.savez_compressed(GOLDEN, **exact)
        page = replaced(page, BEGIN, table(exact))
    PAGE.write_text(page)


def replaced(page: str, begin: str, text: str) -> str:
    """`page` with `text` between `begin` and the next end."""
    before, mark, rest = page.partition(begin)
    if not mark:
        raise ValueError(f"{PAGE} has no line {begin!r}")
    return before + begin + text + END + rest.partition(END)[2]


def table(exact: dict[str, np.ndarray]) -> str:
    rows = [
        "| | equal to | options | float64 | float32 | the library's own float32 |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, style in dict.fromkeys((case.name, case.style) for case in CASES):
        group = [case for case in CASES if (case.name, case.style) == (name, style)]
        figures = " | ".join(f"{value:.0e}" for value in _errors(group, exact))
        rows.append(f"| `{name}` | {LIBRARIES[style]} | {len(group)} | {figures} |")
    return "\n".join(rows) + "\n"


def _errors(group: list[Case], exact: dict[str, np.ndarray]) -> list[float]:
    runs = [(ours, "float64"), (ours, "float32"), (theirs, "float32")]
    return [max(error(run(case, dtype), exact[case.id]) for case in group) for run, dtype in runs]


if __name__ == "__main__":
    main(sys.argv[1:] == ["defaults"])
