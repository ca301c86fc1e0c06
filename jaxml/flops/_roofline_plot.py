"""The picture of a roofline."""

from collections.abc import Mapping
from typing import Any

from jaxml.flops._ceilings import Ceilings
from jaxml.flops._roofline import Roofline
from jaxml.flops._table import quantity

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, PALE = "#333333", "#888888"
GAP = 3  # pixels around a label
# Where it may stand, in points from its mark, the best place first.
PLACES = [(7, 0), (7, 9), (7, -9), (-7, 0), (-7, 9), (-7, -9), (0, 12), (0, -12)]
PLACES += [(dx, dy) for far in (22, 36, 50, 64) for dx in (12, -12) for dy in (far, -far)]


def plot_roofline(rooflines: Mapping[str, Roofline], ceilings: Ceilings) -> Any:
    """A matplotlib `Figure` on logarithmic axes: FLOP/s over FLOPs per byte moved, under the roofs of the device.

    A flat roof for each dtype, a slope for the fastest working set (in cache) and one for the largest (out of cache).
    A full mark is what was reached; a hollow one, of what was not timed, is the floor. What computes no FLOPs has no
    place on such axes and is named below them.

    Errors: `ValueError` for no rooflines; `ImportError` without matplotlib, which `jaxml-nn[bench]` installs.
    """
    if not rooflines:
        raise ValueError("plot_roofline: rooflines must not be empty")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot_roofline: matplotlib is not installed: pip install 'jaxml-nn[bench]'") from error
    figure = Figure(figsize=(8, 5.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)  # labels are placed by their drawn size; no window is opened
    axes = figure.add_subplot()
    drawn = {name: line for name, line in rooflines.items() if line.cost.flops}
    points = {name: (line.intensity, line.cost.flops / (line.seconds or line.floor)) for name, line in drawn.items()}

    _roofs(axes, ceilings, list(points.values()))
    for name, line in drawn.items():
        face = "white" if line.seconds is None else COLOURS[0]
        axes.plot(*points[name], "o", ms=6, mec=COLOURS[0], mfc=face, zorder=3)
    flopless = ", ".join(name for name in rooflines if name not in drawn)
    axes.set_xlabel("FLOPs per byte moved at least" + (f"\nwithout FLOPs, not drawn: {flopless}" if flopless else ""))
    axes.set(xscale="log", yscale="log", ylabel="FLOP/s (2 for each MAC)")
    axes.set_title(f"Roofline, {ceilings.device}", loc="left")
    axes.grid(color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False, fontsize=8)  # above the roofs there is nothing
    _label(figure, axes, points)
    return figure


def _roofs(axes: Any, ceilings: Ceilings, points: list[tuple[float, float]]) -> None:
    """Slopes end at the highest flat roof, flat roofs begin at the steepest slope."""
    fastest = max(ceilings.bandwidth, key=ceilings.bandwidth.__getitem__)
    slopes = {"in cache": fastest, "out of cache": max(ceilings.bandwidth)}
    if fastest == slopes["out of cache"]:
        slopes = {"memory": fastest}
    top, steepest = max(ceilings.flops.values()), ceilings.bandwidth[fastest]
    ridges = [rate / ceilings.bandwidth[size] for rate in ceilings.flops.values() for size in slopes.values()]
    left = min([x for x, _ in points] + ridges) / 3
    right = max([x for x, _ in points] + ridges) * 3
    for (where, size), style in zip(slopes.items(), ("-", "--"), strict=False):
        bandwidth = ceilings.bandwidth[size]
        label = f"{where}, {_binary(size)}: {quantity(bandwidth)}B/s"
        axes.plot([left, top / bandwidth], [left * bandwidth, top], INK, ls=style, lw=1.2, label=label)
    for (dtype, rate), colour in zip(sorted(ceilings.flops.items()), COLOURS[1:] * len(ceilings.flops), strict=False):
        axes.plot(
            [rate / steepest, right], [rate, rate], color=colour, lw=1.5, label=f"{dtype}: {quantity(rate)}FLOP/s"
        )
    low = min([y for _, y in points] + [left * min(ceilings.bandwidth[size] for size in slopes.values())])
    axes.set(xlim=(left, right), ylim=(low / 2, 3 * max([top] + [y for _, y in points])))


def _label(figure: Any, axes: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Each name at the first of its places where it covers no mark and no other name; a line leads there from afar."""
    from matplotlib.patheffects import withStroke

    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    inside = axes.get_window_extent(renderer)
    marks = list(axes.transData.transform(list(points.values()))) if points else []
    taken = [axes.get_legend().get_window_extent(renderer)]
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for name, point in sorted(points.items(), key=lambda item: item[1]):
        text = axes.annotate(
            name, point, PLACES[0], fontsize=8, textcoords="offset points", zorder=4, path_effects=halo
        )
        best = None
        for place in PLACES:
            _move(text, place)
            box = text.get_window_extent(renderer).padded(GAP)
            covered = sum(box.overlaps(other) for other in taken)
            covered += sum(box.contains(*mark) for mark in marks)
            covered += not (inside.containsx(box.x0) and inside.containsx(box.x1))
            covered += not (inside.containsy(box.y0) and inside.containsy(box.y1))
            if best is None or covered < best[0]:
                best = covered, place
            if not covered:
                break
        assert best is not None
        _move(text, best[1])
        taken.append(text.get_window_extent(renderer))
        if max(map(abs, best[1])) > 12:
            arrow = {"arrowstyle": "-", "color": PALE, "lw": 0.6, "shrinkA": 0, "shrinkB": 3}
            axes.annotate("", point, best[1], textcoords="offset points", arrowprops=arrow)


def _move(text: Any, place: tuple[int, int]) -> None:
    text.set_position(place)
    text.set_ha("center" if place[0] == 0 else "left" if place[0] > 0 else "right")
    text.set_va("center")


def _binary(nbytes: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if nbytes >= size:
            return f"{nbytes / size:.3g} {unit}"
    return f"{nbytes} B"
