"""What the pictures share: colours, axes of their own or those that are given, and how they look."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def ground(function: str, into: Any, *, size: tuple[float, float] = (5.4, 4)) -> tuple[Any, Any]:
    """The figure and the axes to draw into: `into` and its figure, or new ones without pyplot's global state."""
    if into is not None:
        return into.figure, into
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"{function}: matplotlib is not installed: pip install 'jaxml-nn[bench]'") from error
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    return figure, figure.add_subplot()


def next_colour(axes: Any) -> str:
    """One that the lines of `axes` do not have yet, as long as there are."""
    used = {line.get_color() for line in axes.lines}
    free = [colour for colour in COLOURS if colour not in used]
    return free[0] if free else COLOURS[len(axes.lines) % len(COLOURS)]


def whole(axes: Any) -> None:
    """Ticks at whole numbers of steps, epochs and layers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def finish(axes: Any, *, legend: bool = True) -> None:
    """A light grid below, no frame, and a legend where a line has a name."""
    axes.grid(color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def chosen(function: str, paths: Sequence[str], pattern: str) -> list[int]:
    """The places of the paths that match `pattern`, one or more."""
    places = [place for place, path in enumerate(paths) if fnmatchcase(path, pattern)]
    if not places:
        raise ValueError(f"{function}: nothing matches path={pattern!r}; there are {', '.join(paths)}")
    return places
