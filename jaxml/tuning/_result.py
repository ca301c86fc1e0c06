"""What a search found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxml.tuning._plot import figure_and_axes

SHOWN = 10  # settings in the text form


@dataclass(frozen=True)
class Search:
    """The scores of S settings with R seeds each; printed, the best ten as a table.

    settings: the values of each hyper-parameter, (S,). scores: of each setting and seed, (S, R). mode: "min" or "max",
    which is better. A setting of which a score is not finite is worse than any other.
    """

    settings: Mapping[str, np.ndarray]
    scores: np.ndarray
    mode: str

    @property
    def mean(self) -> np.ndarray:
        """The mean score of each setting over the seeds, (S,); NaN where one is not finite."""
        return _finite(self.scores).mean(axis=1)

    @property
    def std(self) -> np.ndarray:
        """Their standard deviation, `sqrt(Σ (score - mean)² / R)`, (S,); NaN where one is not finite."""
        return _finite(self.scores).std(axis=1)

    @property
    def order(self) -> np.ndarray:
        """The settings' numbers, the best first and those with scores that are not finite last, (S,)."""
        return np.argsort(self.mean if self.mode == "min" else -self.mean, kind="stable")  # NaN comes last

    @property
    def best(self) -> dict[str, Any]:
        """The best setting, as Python's numbers.

        Errors: `ValueError` where no setting has finite scores.
        """
        return self.setting(self._best)

    @property
    def best_score(self) -> float:
        """Its mean score. Errors: as `best`."""
        return float(self.mean[self._best])

    def setting(self, number: int) -> dict[str, Any]:
        """The setting of this number, as Python's numbers."""
        return {name: values[number].item() for name, values in self.settings.items()}

    def __str__(self) -> str:
        head = ["", *self.settings, "mean", "std"]
        rows = [
            [str(place), *(f"{v:.4g}" for v in self.setting(i).values()), f"{self.mean[i]:.4g}", f"{self.std[i]:.2g}"]
            for place, i in enumerate(self.order[:SHOWN].tolist(), 1)
        ]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in (head, *rows)]
        settings, seeds = self.scores.shape
        least = "lowest" if self.mode == "min" else "highest"
        said = f"{settings} settings, {seeds} seed{'s' * (seeds > 1)} each, {least} first"
        bad = int(np.isnan(self.mean).sum())
        return "\n".join([said + (f"; {bad} with scores not finite" if bad else ""), *lines])

    def plot(self, *, into: Any = None) -> Any:
        """A matplotlib `Figure`: the score over each hyper-parameter, a dot a seed, a larger one the mean.

        A setting with scores that are not finite is a cross at the worst edge.

        into: as many of matplotlib's axes as there are hyper-parameters, to draw into.

        Errors: `ImportError` without matplotlib, which `jaxml-nn[tune]` installs.
        """
        figure, axes = figure_and_axes("plot", into, len(self.settings))
        best = self.order[0]
        for each, (name, values) in zip(axes, self.settings.items(), strict=True):
            each.plot(np.repeat(values, self.scores.shape[1]), _finite(self.scores.ravel()), ".", color="#b8b8b8", ms=4)
            each.plot(values, self.mean, "o", color="#0072B2", ms=5)
            each.plot(values[best], self.mean[best], "o", color="#D55E00", ms=8)
            bad = values[np.isnan(self.mean)]
            edge = 0.02 if self.mode == "max" else 0.98
            each.plot(bad, np.full(len(bad), edge), "x", color="black", ms=6, transform=each.get_xaxis_transform())
            if values.min() > 0 and values.max() / values.min() > 20:
                each.set_xscale("log")
            each.set_xlabel(name)
        axes[0].set_ylabel("score")
        return figure

    @property
    def _best(self) -> int:
        best = int(self.order[0])
        if np.isnan(self.mean[best]):
            raise ValueError("Search: no setting has finite scores; lower rates, or look at train with one of them")
        return best


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
