"""Pictures and animations of descents over the plane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.descent._descend import Trajectory
from jaxml.descent._surfaces import Surface, value_on_grid

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def plot_descents(surface: Surface, ways: Mapping[str, Trajectory], *, into: Any = None) -> Any:
    """A matplotlib `Figure`: the surface's level lines, and over them each of `ways` from its start, by its name.

    into: matplotlib's axes to draw into, in place of a figure of its own.

    Errors: `ValueError` for no ways; `ImportError` without matplotlib, which `jaxml-nn[bench]` installs.
    """
    figure, axes = _ground("plot_descents", surface, ways, into)
    for colour, (name, way) in zip(_colours(ways), ways.items(), strict=True):
        points = _points(way)
        axes.plot(*points.T, color=colour, lw=1.3, marker="o", ms=2.2, label=name)
        axes.plot(*points[-1], color=colour, marker="o", ms=7, mec="white")
    axes.legend(frameon=True, fontsize=8, loc="best")
    return figure


def animate_descents(
    surface: Surface, ways: Mapping[str, Trajectory], path: str | Path, *, frames: int = 60, rate: int = 15
) -> Path:
    """The same as a GIF at `path`, its steps spread over `frames` pictures, `rate` a second; returns the path.

    Errors: as `plot_descents`, and `ValueError` for a path that does not end in .gif.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"animate_descents: path must end in .gif, got {path}")
    figure, axes = _ground("animate_descents", surface, ways, None)
    from matplotlib.animation import FuncAnimation, PillowWriter

    lines = [
        axes.plot([], [], color=c, lw=1.3, marker="o", ms=2.2, label=n)[0]
        for c, n in zip(_colours(ways), ways, strict=True)
    ]
    heads = [axes.plot([], [], color=c, marker="o", ms=7, mec="white")[0] for c in _colours(ways)]
    axes.legend(frameon=True, fontsize=8, loc="upper right")
    points = [_points(way) for way in ways.values()]
    longest = max(map(len, points))

    def draw(frame: int) -> list[Any]:
        until = 1 + round(frame * (longest - 1) / max(frames - 1, 1))
        for line, head, own in zip(lines, heads, points, strict=True):
            line.set_data(*own[:until].T)
            head.set_data(*own[min(until, len(own)) - 1][:, None])
        return [*lines, *heads]

    FuncAnimation(figure, draw, frames=frames).save(path, writer=PillowWriter(fps=rate))
    return path


def _points(way: Trajectory) -> np.ndarray:
    points = np.asarray(way.points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"plot_descents: the points of a way must be (steps + 1, 2), got {points.shape}")
    finite = np.isfinite(points).all(axis=1) & (np.abs(points) < 1e6).all(axis=1)
    return points[: len(points) if finite.all() else max(int(finite.argmin()), 1)]  # one that diverges ends there


def _colours(ways: Mapping[str, Trajectory]) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(ways))]


def _ground(function: str, surface: Surface, ways: Mapping[str, Trajectory], into: Any) -> tuple[Any, Any]:
    """A figure with the level lines, the minimum marked."""
    if not ways:
        raise ValueError(f"{function}: ways must not be empty")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"{function}: matplotlib is not installed: pip install 'jaxml-nn[bench]'") from error
    figure = Figure(figsize=(5.4, 4), dpi=110, layout="constrained") if into is None else into.figure
    axes = figure.add_subplot() if into is None else into
    x, y, value = (np.asarray(a) for a in value_on_grid(surface))
    # Levels by the square root of the height: a valley's floor shows as well as its walls.
    height = np.sqrt(value - value.min())
    axes.contour(x, y, height, levels=25, colors="#9a9a9a", linewidths=0.5)
    axes.plot(*surface.minimum, marker="*", color="black", ms=10, ls="none")
    left, right, bottom, top = surface.window
    axes.set(xlim=(left, right), ylim=(bottom, top), title=surface.name, xlabel="x", ylabel="y")
    return figure, axes
