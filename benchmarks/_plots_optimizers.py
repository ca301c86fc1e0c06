"""The plots of suite `optimizers`, from its result alone."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmarks import _profiles
from benchmarks._optimizers_report import NAMES, ratios, robustness, steps, updates
from benchmarks._results import SuiteResult

MAX_TAU = 16.0


def performance_profiles(result: SuiteResult, _: Any = None) -> Figure | None:
    """A line per optimizer: the share of problems and seeds that it solves within tau times the best."""
    found = ratios(result)
    if not found:
        return None
    figure, axes = plt.subplots(figsize=(6.8, 4.2))
    for style, (name, of_one) in zip(("-", "--", "-.", ":", (0, (5, 1))), found.items(), strict=False):
        # It steps up at its own ratios, and is 0 to the left of 1.
        taus = np.concatenate([[1.0], np.sort(of_one[(of_one > 1) & (of_one <= MAX_TAU)]), [MAX_TAU]])
        heights = [_profiles.profile(of_one, tau) for tau in taus]
        axes.step(taus, heights, where="post", label=name, ls=style, lw=2)
    axes.set_xscale("log", base=2)
    ticks = [1, 2, 4, 8, 16]
    axes.set_xticks(ticks, [f"{t}x" for t in ticks])
    axes.minorticks_off()
    axes.set(xlabel="steps over the best optimizer's", ylabel="share solved", xlim=(1, MAX_TAU), ylim=(0, 1.02))
    axes.set_title(f"Performance profiles, {len(next(iter(found.values())))} problems x seeds", loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def robust_rates(result: SuiteResult, _: Any = None) -> Figure | None:
    """A square per problem and optimizer: the share of the learning rates tried that reach the target."""
    problems = steps(result)
    if not problems:
        return None
    optimizers = list(next(iter(problems.values())))
    shares = np.array([[robustness(rows[name]) for name in optimizers] for rows in problems.values()])
    figure, axes = plt.subplots(figsize=(1.2 + 1.1 * len(optimizers), 1.2 + 0.45 * len(problems)))
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        axes.text(j, i, f"{share:.0%}", ha="center", va="center", color="w" if share > 0.6 else "k")
    axes.set_xticks(range(len(optimizers)), optimizers)
    axes.set_yticks(range(len(problems)), list(problems))
    axes.grid(visible=False)
    axes.set_title("Learning rates of the grid that reach the target", loc="left")
    return figure


def update_bars(result: SuiteResult, _: Any = None) -> Figure | None:
    """Nanoseconds a parameter by optimizer and implementation, a panel per tree; black: the floor."""
    trees = updates(result)
    if not trees:
        return None
    figure, grid = plt.subplots(1, len(trees), figsize=(1.5 + 4.0 * len(trees), 3.8), squeeze=False)
    keys = list(dict.fromkeys(key for rows in trees.values() for row in rows for key in row.times))
    width = 0.84 / len(keys)
    for axes, (tree, rows) in zip(grid[0], trees.items(), strict=True):
        for index, key in enumerate(keys):
            who = key.partition(".")[2]
            x = np.arange(len(rows)) + (index - (len(keys) - 1) / 2) * width
            heights = [1e9 * (row.median(key) or np.nan) / row.facts["params"] for row in rows]
            axes.bar(x, heights, width, label=NAMES.get(who, f"jaxml, {who.partition('-')[2]} style"))
        for place, row in enumerate(rows):
            floor = next((m.floor for m in row.times.values() if m.floor), None)
            if floor is not None:
                height = 1e9 * floor / row.facts["params"]
                axes.plot([place - 0.46, place + 0.46], [height, height], "k", lw=1.5, label=None if place else "floor")
        axes.set_xticks(range(len(rows)), [row.facts["optimizer"] for row in rows])
        axes.set(ylabel="ns per parameter")
        axes.grid(axis="x", visible=False)
        axes.set_title(f"{tree}, {rows[0].facts['params']:,} parameters", loc="left", fontsize=10)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.tight_layout()
    figure.legend(handles, labels, ncols=3, loc="upper left", bbox_to_anchor=(0.0, 0.0))
    return figure


PLOTS: dict[str, Callable[..., Figure | None]] = {
    "profiles": performance_profiles,
    "rates": robust_rates,
    "updates": update_bars,
}
