"""What `fit` returns, and what it tells callbacks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from jaxml.train._average import average_params


@dataclass(frozen=True)
class Best:
    """The epoch with the best value of the metric watched: its number from 1, the value, parameters and state."""

    epoch: int
    value: float
    params: Any
    state: Any


@dataclass(frozen=True)
class Result:
    """What training made. `history` has a value per epoch: "loss", "accuracy" for integer classes, the metrics asked
    for, the same with "val_" in front, and "learning_rate" where it changes. `step_seconds` has one per step of this
    call (of those that take less than a millisecond the mean of a few), the first one apart: that one compiles, and is
    `compile_seconds`. `step` counts all steps, those before a resumption too. `stopped` says what ended the run early,
    if anything did: "early stopping", "callback" or "data ended"."""

    params: Any
    state: Any
    opt_state: Any
    history: dict[str, tuple[float, ...]]
    step_seconds: tuple[float, ...]
    compile_seconds: float
    step: int = 0
    best: Best | None = None
    stopped: str | None = None

    @property
    def seconds_per_step(self) -> float:
        """The median of `step_seconds`; NaN where there was no step."""
        return median(self.step_seconds) if self.step_seconds else math.nan

    @property
    def average_params(self) -> Any:
        """The moving average of the parameters, of a run with `ema=`."""
        return average_params(self.opt_state)


@dataclass(frozen=True)
class Epoch:
    """An epoch that has ended: its number from 1, the steps of the run so far, its figures, the history with them, and
    the arrays. The next step takes the arrays' memory: a callback that keeps one copies it."""

    epoch: int
    step: int
    figures: Mapping[str, float]
    history: Mapping[str, Sequence[float]]
    params: Any
    state: Any
    opt_state: Any
