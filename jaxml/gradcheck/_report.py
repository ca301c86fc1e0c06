"""Verdicts: one per leaf and one for the whole, as text, as a table, as JSON."""

import json
import math
import textwrap
from dataclasses import dataclass
from typing import Any

from jaxml.gradcheck._errors import GradientError

# From harmless to worst: the verdict of a report is the last of these that one of its leaves has.
VERDICTS = ("skipped", "ok", "kink", "inconclusive", "nan", "wrong")
WIDTH = 80


@dataclass(frozen=True)
class LeafReport:
    """The verdict on one leaf of the arguments, and where it showed.

    index: the worst element, None where the evidence concerns the leaf as a whole.
    got, want: the gradient there and what it should be; None where no number applies.
    error, tolerance: their distance, and the distance that rounding explains.
    method: the evidence that decided, such as "finite differences" or "reference".
    probed: the share of the elements that were examined one by one, in 0..1.
    dead: the gradient is zero everywhere although `f` depends on the leaf.
    order: 1, or 2 for the derivative of the gradient.
    """

    path: str
    verdict: str
    dtype: str
    shape: tuple[int, ...]
    order: int = 1
    index: tuple[int, ...] | None = None
    got: float | None = None
    want: float | None = None
    error: float | None = None
    tolerance: float | None = None
    method: str = ""
    reason: str = ""
    dead: bool = False
    probed: float = 0.0

    @property
    def name(self) -> str:
        """The path with the index of the worst element."""
        return self.path + (f"[{', '.join(map(str, self.index))}]" if self.index else "")


@dataclass(frozen=True)
class GradReport:
    """What a check found. `ok` is True where no leaf is wrong, nan or inconclusive; `str(report)` is the whole text."""

    name: str
    leaves: tuple[LeafReport, ...]
    notes: tuple[str, ...] = ()
    order: int = 1
    seed: int = 0

    @property
    def verdict(self) -> str:
        return max((leaf.verdict for leaf in self.leaves), key=VERDICTS.index)

    @property
    def ok(self) -> bool:
        return VERDICTS.index(self.verdict) < VERDICTS.index("inconclusive")

    @property
    def probed(self) -> float:
        """The share of all elements that were examined one by one."""
        sizes = [(leaf.probed, math.prod(leaf.shape)) for leaf in self.leaves if leaf.verdict != "skipped"]
        total = sum(size for _, size in sizes)
        return sum(share * size for share, size in sizes) / total if total else 0.0

    def assert_ok(self, *, inconclusive: bool = False) -> "GradReport":
        """This report again, where it is ok; otherwise a `GradientError` with its text.

        inconclusive: let a check that could not decide pass.
        """
        if self.ok or (inconclusive and self.verdict == "inconclusive"):
            return self
        raise GradientError(str(self))

    def to_json(self) -> str:
        """Everything as one JSON object. Numbers that are not finite become strings: "nan", "inf", "-inf"."""
        leaves = [{key: _plain(value) for key, value in vars(leaf).items()} for leaf in self.leaves]
        return json.dumps(
            {
                "name": self.name,
                "verdict": self.verdict,
                "ok": self.ok,
                "order": self.order,
                "seed": self.seed,
                "probed": self.probed,
                "leaves": leaves,
                "notes": list(self.notes),
            }
        )

    def __str__(self) -> str:
        return "\n".join([self._head(), *(line for leaf in self._sorted() for line in _lines(leaf)), *self._tail()])

    def __rich__(self) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        colours = {"ok": "green", "kink": "green", "skipped": "dim", "inconclusive": "yellow"}
        table = Table(title=self._head(), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        table.padding = (0, 1, 0, 0)
        columns = ["verdict", "leaf", "got", "want", "error", "tolerance", "method"]
        for column in columns:
            number = column in columns[2:6]
            fixed = number or column == "verdict"
            table.add_column(column, justify="right" if number else "left", no_wrap=fixed, overflow="fold")
        below = []
        for leaf in self._sorted():
            numbers = [_number(leaf.got, 6), _number(leaf.want, 6), _rough(leaf.error), _rough(leaf.tolerance)]
            verdict, name = Text(leaf.verdict, colours.get(leaf.verdict, "red")), leaf.name + _order(leaf)
            if leaf.verdict == "skipped":
                table.add_row(verdict, Text(name), *numbers, leaf.reason)
                continue
            table.add_row(verdict, Text(name), *numbers, leaf.method)
            if leaf.reason and leaf.verdict != "ok":
                below += _wrapped(f"{name}: {leaf.reason}", "  ", "    ")
        return Group(table, *map(Text, [*below, *self._tail()]))

    def _sorted(self) -> list[LeafReport]:
        return sorted(self.leaves, key=lambda leaf: -VERDICTS.index(leaf.verdict))

    def _head(self) -> str:
        counts = {v: sum(leaf.verdict == v for leaf in self.leaves) for v in reversed(VERDICTS)}
        listed = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
        return f"gradcheck {self.name}: {self.verdict} ({listed})"

    def _tail(self) -> list[str]:
        share = f"{100 * self.probed:.3g} % of the elements were examined one by one, all of them in sums."
        return [line for note in (share, *self.notes) for line in _wrapped(note, "  note: ", "        ")]


def _lines(leaf: LeafReport) -> list[str]:
    kind = f"{leaf.dtype}{list(leaf.shape)}" if leaf.dtype else ""
    dead = ", dead" if leaf.dead else ""
    lines = [f"  {leaf.verdict:<12} {leaf.name}  {kind}{_order(leaf)}{dead}"]
    if leaf.verdict == "skipped":
        return [f"{lines[0]}: {leaf.reason}"]
    if leaf.got is not None and leaf.verdict != "ok":
        want = "" if leaf.want is None else f", want {_number(leaf.want)}"
        lines.append(f"{'':15}got {_number(leaf.got)}{want}")
    if leaf.error is not None:
        lines.append(f"{'':15}error {_rough(leaf.error)}, tolerance {_rough(leaf.tolerance)} ({leaf.method})")
    elif leaf.method and leaf.verdict != "ok":
        lines.append(f"{'':15}by {leaf.method}")
    return lines + _wrapped(leaf.reason, " " * 15, " " * 15)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(part, WIDTH, initial_indent=first, subsequent_indent=others)
    ]


def _order(leaf: LeafReport) -> str:
    return "  (second derivative)" if leaf.order == 2 else ""


def _number(x: float | None, digits: int = 9) -> str:
    return "-" if x is None else f"{x:.{digits}g}" if abs(x) >= 1e-3 or x == 0 else f"{x:.3e}"


def _rough(x: float | None) -> str:
    return "-" if x is None else f"{x:.2e}" if x else "0"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)
