"""Plots drawn from result rows alone, so a report can be redrawn from its JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmarks import _plots_optimizers
from benchmarks._depthwise import DEFAULT, STOCK, timed_names
from benchmarks._directions import TITLES, measured
from benchmarks._families import FAMILIES
from benchmarks._models_report import of_family, who_in
from benchmarks._results import Report, Row, SuiteResult, write_atomically
from benchmarks._separable_report import AXES, along, section
from jaxml import flops

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
                figure = draw(result, report)
                if figure is None:
                    continue
                path = folder / f"{result.name}-{name}.png"
                write_atomically(path, lambda temporary, figure=figure: figure.savefig(temporary, bbox_inches="tight"))
                plt.close(figure)
                written.setdefault(result.name, []).append(path)
    return written


def _timed(rows: list[Row], key: str) -> list[Row]:
    return [row for row in rows if key in row.times]


def speedup_against_saving(result: SuiteResult, report: Report) -> Figure | None:
    """Each layer's speed-up over its MAC saving; on the diagonal all of the saving became time."""
    rows = _timed(section(result.rows, "layers"), "forward.separable")
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


def roofline(result: SuiteResult, report: Report) -> Figure | None:
    """Arithmetic intensity and achieved rate of both forms, under the roofs that the device's probe found."""
    rows = _timed(section(result.rows, "layers"), "forward.separable")
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 4.6))
    for form, marker in (("standard", "o"), ("separable", "s")):
        timed = [row for row in rows if f"forward.{form}" in row.times]
        intensity = [row.facts[f"intensity_{form}"] for row in timed]
        rate = [2e-9 * row.facts[f"macs_{form}"] / row.times[f"forward.{form}"].median for row in timed]
        axes.loglog(intensity, rate, marker, label=form, ms=7)
    if report.ceilings is not None:
        _roofs(axes, flops.Ceilings.from_dict(report.ceilings), report.settings["dtype"])
    axes.set(xlabel="FLOP per byte that must be moved", ylabel="GFLOP/s")
    axes.set_title("Arithmetic intensity and achieved rate, forward", loc="left")
    axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure


def _roofs(axes: Any, ceilings: flops.Ceilings, dtype: str) -> None:
    """min(rate, intensity * bandwidth), for data in the memory and for data in the cache."""
    low, high = axes.get_xlim()
    low, high = min(0.5, low), 2 * high  # from where the memory's roof can be seen
    x = np.geomspace(low, high, 100)
    rate = ceilings.rate(dtype) / 1e9
    sizes = {"memory": max(ceilings.bandwidth), "cache": max(ceilings.bandwidth, key=ceilings.bandwidth.__getitem__)}
    for (where, size), style in zip(sizes.items(), ("-", "--"), strict=True):
        bandwidth = ceilings.bandwidth[size] / 1e9
        label = f"roof, data in {where} ({bandwidth:.0f} GB/s)"
        axes.plot(x, np.minimum(rate, x * bandwidth), "k", ls=style, lw=1, label=label, zorder=0)
    axes.set_xlim(low, high)


def directions(result: SuiteResult, report: Report) -> Figure | None:
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


def mean_speedups(result: SuiteResult, report: Report) -> Figure | None:
    """The default against stock JAX, layer by layer."""
    rows = _timed(result.rows, f"forward.{DEFAULT}")
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


def sweeps(result: SuiteResult, report: Report) -> Figure | None:
    """One panel per swept axis: MAC saving and measured speed-up."""
    found = {axis: pairs for axis in AXES if (pairs := along(section(result.rows, "sweep"), axis))}
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


def training_curves(result: SuiteResult, report: Report) -> Figure | None:
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


def network_bars(result: SuiteResult, report: Report) -> Figure | None:
    """Time per batch of every network, inference and training step, a line of panels for each family."""
    families = {name: rows for name in FAMILIES if (rows := [r for r in of_family(result.rows, name) if r.times])}
    if not families:
        return None
    columns = max(map(len, families.values()))
    lines = [max(len(who_in([row])) for row in rows) for rows in families.values()]
    figure, grid = plt.subplots(
        len(families), columns, figsize=(4.6 * columns, 0.38 * sum(lines) + 1.1 * len(lines)), squeeze=False,
        gridspec_kw={"height_ratios": lines},
    )  # fmt: skip
    for panels, (name, rows) in zip(grid, families.items(), strict=True):
        for axes in panels[len(rows) :]:
            axes.set_visible(False)
        for axes, row in zip(panels, rows, strict=False):
            bars = [(who, 1e3 * row.times[f"network.{who}"].median) for who in who_in([row])]
            heights = [height for _, height in bars]
            colours = [COLOURS[i % len(COLOURS)] for i in range(len(bars))]
            drawn = axes.barh([who for who, _ in bars], heights, color=colours)
            axes.bar_label(drawn, fmt="%.3g", padding=3)
            axes.invert_yaxis()
            axes.grid(axis="y", visible=False)
            axes.set(xlabel="ms per batch", xlim=(0, 1.2 * max(heights)))
            axes.set_title(f"{FAMILIES[name].title}, {row.facts['mode']}", loc="left", fontsize=10)
    figure.tight_layout()
    return figure


Draw = Callable[[SuiteResult, Report], Figure | None]
PLOTS: dict[str, dict[str, Draw]] = {
    "separable_conv": {"saving": speedup_against_saving, "roofline": roofline, "sweep": sweeps},
    "depthwise": {"directions": directions, "speedups": mean_speedups},
    "models": {"times": network_bars},
    "digits": {"curves": training_curves},
    "optimizers": _plots_optimizers.PLOTS,
}
