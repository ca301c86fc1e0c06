"""What the pictures of docs/topics share: axes side by side in one style, and the file they are saved to."""

import sys
from collections.abc import Callable

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers.
BLUE, RED, GREEN, PINK, ORANGE, SKY = COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

matplotlib.rcParams["axes.titlesize"] = 10


def panels(columns: int, *, width: float = 3.7, height: float = 3.1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of so many axes, row by row, with faint lines behind the data."""
    figure = Figure(figsize=(width * columns, height * rows), dpi=100, layout="constrained")
    found = [axes for row in figure.subplots(rows, columns, squeeze=False) for axes in row]
    for axes in found:
        axes.grid(color="#e4e4e4")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, found


def run(draw: Callable[[], Figure]) -> None:
    """Save what `draw` makes to the path on the command line."""
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python {sys.argv[0]} FILE.png")
    draw().savefig(sys.argv[1])
