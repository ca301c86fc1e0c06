"""The figures of an epoch while it runs."""

import math
from typing import Any


class Tally:
    """Sums over the steps read so far, each weighing as many examples as counted in it; "skipped" steps are counted."""

    def __init__(self, saved: dict[str, Any] | None = None):
        self.sums: dict[str, float] = dict(saved["sums"]) if saved else {}
        self.examples: float = saved["examples"] if saved else 0.0

    def add(self, figures: dict[str, float]) -> None:
        examples = figures["examples"]
        if figures.get("skipped"):  # its loss is no number, and it taught nothing
            figures, examples = dict.fromkeys(figures, 0.0) | {"skipped": 1.0}, 0.0
        self.examples += examples
        for name, value in figures.items():
            if name != "examples":
                self.sums[name] = self.sums.get(name, 0.0) + (value if name == "skipped" else value * examples)

    def means(self) -> dict[str, float]:
        """NaN where no example counted."""
        names = sorted(self.sums, key=lambda name: name != "loss")  # the loss first, the others as they came
        return {name: self.sums[name] if name == "skipped" else self._mean(name) for name in names}

    def _mean(self, name: str) -> float:
        return self.sums[name] / self.examples if self.examples else math.nan

    def saved(self) -> dict[str, Any]:
        """As JSON can hold it, exactly."""
        return {"sums": self.sums, "examples": self.examples}
