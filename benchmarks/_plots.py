"""Plots drawn from result rows alone, so a report can be redrawn from its JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmarks._depthwise import DEFAULT, STOCK, timed_names
from benchmarks._directions import TITLES, measured
from benchmarks._results import Report, Row, SuiteResult, write_atomically
from benchmarks._sweep import AXES, along

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
STYLE: dict[Any, Any] = {
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "font.size": 10,
    "figure.dpi": 110,
    "legend.frameon": False,
}


def write_all(report: Report, folder: Path) -> dict[str, list[Path]]:
    """One PNG per plot; returns them by suite."""
    written: dict[str, list[Path]] = {}
    with plt.rc_context(STYLE):
        for result in report.suites:
            for name, draw in PLOTS.get(result.name, {}).items():
                figure = draw(result)
                if figure is None:
                    continue
                path = folder / f"{result.name}-{name}.png"
                write_atomically(path, lambda temporary, figure=figure: figure.savefig(temporary, bbox_inches="tight"))
                plt.close(figure)
                written.setdefault(result.name, []).append(path)
    return written


def _timed(result: SuiteResult, key: str) -> list[Row]:
    return [row for row in result.rows if key in row.times]


def speedup_against_saving(result: SuiteResult) -> Figure | None:
    """Each layer's speed-up over its MAC saving; on the diagonal all of the saving became time."""
    rows = _timed(result, "forward.separable")
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 4.6))
    drawn = []
    for what, marker in zip(measured(rows), "o^vs", strict=False):
        points = [(r.facts["saving"], s) for r in rows if (s := r.speedup(what, "separable", "standard")) is not None]
        if points:
            axes.scatter(*zip(*points, strict=True), marker=marker, label=TITLES[what], s=42)
            drawn += points
    stock = [(r.facts["saving"], s) for r in rows if (s := r.speedup("forward", "stock", "standard")) is not None]
    if stock:
        axes.scatter(*zip(*stock, strict=True), marker="x", label="forward, stock JAX", s=42)
        drawn += stock
    top = 1.15 * max(max(p) for p in drawn)
    line = np.array([min(1.0, min(p[0] for p in drawn)), top])
    axes.plot(line, line, color="#555", lw=1, ls="--", label="all of the saving")
    axes.plot(line, line / 2, color="#999", lw=1, ls=":", label="half of it")
    axes.axhline(1, color="#bbb", lw=1)
    axes.set(xlabel="MACs: standard / separable", ylabel="time: standard / separable", xlim=(line[0], None))
    axes.set(xlim=(0.95 * min(p[0] for p in drawn), 1.05 * max(p[0] for p in drawn)), ylim=(0, top))
    axes.set_title("How much of the MAC saving became time", loc="left")
    axes.legend()
    return figure


def roofline(result: SuiteResult) -> Figure | None:
    """Arithmetic intensity and achieved rate of both forms; a memory-bound job sits on a diagonal."""
    rows = _timed(result, "forward.separable")
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 4.6))
    for form, marker in (("standard", "o"), ("separable", "s")):
        timed = [row for row in rows if f"forward.{form}" in row.times]
        intensity = [row.facts[f"intensity_{form}"] for row in timed]
        rate = [2e-9 * row.facts[f"macs_{form}"] / row.times[f"forward.{form}"].median for row in timed]
        axes.loglog(intensity, rate, marker, label=form, ms=7)
    low, high = axes.get_xlim()
    rates = [10.0 ** end(np.log10(limit)) for end, limit in zip((np.floor, np.ceil), axes.get_ylim(), strict=True)]
    for bandwidth in (1, 10, 100, 1000, 10000):
        axes.plot([low, high], [low * bandwidth, high * bandwidth], color="#bbb", lw=0.8, zorder=0)
        x = min(high, rates[1] / bandwidth)
        if low < x and rates[0] < x * bandwidth:
            axes.annotate(f"{bandwidth} GB/s", (x, x * bandwidth), color="#888", fontsize=8, ha="right", va="top")
    axes.set(xlabel="FLOP per byte that must be moved", ylabel="GFLOP/s achieved", xlim=(low, high), ylim=rates)
    axes.set_title("Arithmetic intensity and achieved rate, forward", loc="left")
    axes.legend()
    return figure


def directions(result: SuiteResult) -> Figure | None:
    """Bars: every direction of every implementation on every shape, log scale."""
    rows = [row for row in result.rows if row.times]
    if not rows:
        return None
    who = timed_names(rows)
    timed = measured(rows)
    figure, grid = plt.subplots(len(timed), 1, figsize=(8.6, 2.3 * len(timed)), sharex=True, squeeze=False)
    grid = grid[:, 0]
    places, width = np.arange(len(rows)), 0.84 / len(who)
    for axes, what in zip(grid, timed, strict=True):
        lowest = 1e3 * min(
            (m.median for row in rows for key, m in row.times.items() if key.startswith(what)), default=1
        )
        for index, name in enumerate(who):
            heights = [1e3 * (row.median(f"{what}.{name}") or np.nan) for row in rows]
            axes.bar(places + (index - (len(who) - 1) / 2) * width, heights, width, label=name)
        axes.set_yscale("log")
        axes.set(ylabel="ms", ylim=(0.4 * lowest, None))  # so that the shortest bar is still one
        axes.set_title(TITLES[what], loc="left", fontsize=10)
        axes.grid(axis="x", visible=False)
    grid[-1].set_xticks(places, [row.name for row in rows], rotation=30, ha="right")
    grid[0].legend(ncols=len(who), loc="lower right", bbox_to_anchor=(1, 1.02))
    figure.tight_layout()
    return figure


def mean_speedups(result: SuiteResult) -> Figure | None:
    """The default against stock JAX, layer by layer."""
    rows = _timed(result, f"forward.{DEFAULT}")
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 4.2))
    for what in measured(rows):
        values = [row.speedup(what, DEFAULT, STOCK) or np.nan for row in rows]
        axes.plot(range(len(rows)), values, "o-", label=TITLES[what])
    axes.axhline(1, color="#555", lw=1, ls="--")
    axes.set_yscale("log")
    axes.set_xticks(range(len(rows)), [row.name for row in rows], rotation=30, ha="right")
    axes.set(ylabel="times faster than stock JAX")
    axes.set_title("The default implementation against stock JAX", loc="left")
    axes.legend(ncols=len(TITLES), loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return figure


def sweeps(result: SuiteResult) -> Figure | None:
    """One panel per swept axis: MAC saving and measured speed-up."""
    found = {axis: pairs for axis in AXES if (pairs := along(result.rows, axis))}
    if not found:
        return None
    figure, grid = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.6), squeeze=False)
    for axes, (axis, pairs) in zip(grid[0], found.items(), strict=True):
        values = [value for value, _ in pairs]
        axes.plot(values, [row.facts["saving"] for _, row in pairs], "k--", lw=1, label="MAC saving")
        for fast, label in (("separable", "measured speed-up"), ("stock", "stock JAX's")):
            speedups = [row.speedup("forward", fast, "standard") or np.nan for _, row in pairs]
            axes.plot(values, speedups, "o-", label=label)
        axes.axhline(1, color="#bbb", lw=1)
        if axis == "channels":
            axes.set_xscale("log", base=2)
        axes.set_xticks(values, [str(v) for v in values])
        axes.minorticks_off()
        axes.set(xlabel=axis, ylim=(0, None))
    grid[0, 0].set_ylabel("standard / separable")
    figure.suptitle("Forward speed-up beside the MAC saving", x=0.01, ha="left")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), ncols=3, loc="lower center", bbox_to_anchor=(0.5, -0.08))
    figure.tight_layout()
    return figure


def training_curves(result: SuiteResult) -> Figure | None:
    """Test accuracy after each epoch, a line per seed."""
    rows = [row for row in result.rows if "curves" in row.facts]
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    for colour, model in zip(COLOURS, rows[0].facts["curves"], strict=False):
        for index, row in enumerate(rows):
            curve = row.facts["curves"][model]
            epochs = range(1, len(curve) + 1)
            axes.plot(epochs, curve, "o-", ms=3, color=colour, alpha=0.7, label=None if index else model)
    axes.set(xlabel="epoch", ylabel="test accuracy")
    axes.set_title("scikit-learn's digits: test accuracy, a line per seed", loc="left")
    axes.legend()
    return figure


def network_bars(result: SuiteResult) -> Figure | None:
    """Time per batch of every network, inference and training step."""
    rows = [row for row in result.rows if row.times]
    if not rows:
        return None
    figure, grid = plt.subplots(1, len(rows), figsize=(4.2 * len(rows), 3.4), squeeze=False)
    for axes, row in zip(grid[0], rows, strict=True):
        bars = [(key.split(".", 1)[1], 1e3 * m.median) for key, m in row.times.items()]
        names, heights = [b[0] for b in bars], [b[1] for b in bars]
        drawn = axes.barh(names, heights, color=[COLOURS[i % len(COLOURS)] for i in range(len(bars))])
        axes.bar_label(drawn, fmt="%.0f", padding=3)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlabel="ms per batch", xlim=(0, 1.15 * max(heights)))
        axes.set_title(row.name, loc="left", fontsize=10)
    figure.tight_layout()
    return figure


PLOTS: dict[str, dict[str, Callable[[SuiteResult], Any]]] = {
    "layers": {"saving": speedup_against_saving, "roofline": roofline},
    "depthwise": {"directions": directions, "speedups": mean_speedups},
    "sweep": {"lines": sweeps},
    "digits": {"curves": training_curves},
    "mobilenet": {"times": network_bars},
}
