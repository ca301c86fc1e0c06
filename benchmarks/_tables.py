"""One plain table type, drawn three ways: on the terminal (80 columns), as Markdown, and as HTML."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill

from rich import box
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

MISSING = "-"


@dataclass(frozen=True)
class Table:
    """Text cells; the first column is a name, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def rich(self) -> Group:
        table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for index, column in enumerate(self.columns):
            widest = max((len(row[index]) for row in self.rows), default=0)
            # Figures are narrower than words, so headings are stacked over them.
            stacked = fill(column, max(widest, *map(len, column.split()), 1), break_long_words=False)
            table.add_column(Text(stacked), justify="right" if index else "left", no_wrap=not index, overflow="fold")
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))
        below = [Text(self.caption, style="dim")] if self.caption else []
        return Group(Text(self.title, style="bold"), table, *below, Text())

    def markdown(self) -> str:
        rule = ["---"] + ["---:"] * (len(self.columns) - 1)
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.columns, rule, *self.rows))

    def html(self) -> str:
        def line(tag: str, cells: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "\n".join(line("td", row) for row in self.rows)
        caption = f"<p class=caption>{escape(self.caption)}</p>" if self.caption else ""
        return (
            f"<h3>{escape(self.title)}</h3>\n<div class=scroll><table><thead>{line('th', self.columns)}</thead>\n"
            f"<tbody>{body}</tbody></table></div>{caption}"
        )


def milliseconds(seconds: float | None) -> str:
    """Three significant figures, as in `0.412`, `4.12`, `412`."""
    if seconds is None:
        return MISSING
    ms = seconds * 1e3
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}" if ms >= 0.1 else f"{ms:.3f}"


def times(factor: float | None) -> str:
    if factor is None:
        return MISSING
    return f"{factor:.0f}x" if factor >= 100 else f"{factor:.1f}x" if factor >= 10 else f"{factor:.2f}x"


def percent(share: float | None, digits: int = 0) -> str:
    return MISSING if share is None else f"{100 * share:.{digits}f}%"


def count(number: float | None) -> str:
    """`896`, `36.9k`, `1.85G`."""
    if number is None:
        return MISSING
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * limit:  # what would round to 1000 of the unit below
            scaled = number / limit
            return f"{scaled:.0f}{unit}" if scaled >= 999.5 else f"{scaled:.3g}{unit}"
    return f"{number:.0f}"


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those that were measured; None when none was."""
    logs = [math.log(v) for v in values if v is not None]
    return math.exp(sum(logs) / len(logs)) if logs else None
