"""Decisions from the history of a run: when to stop, when to lower the rate, which epoch was best.

They are functions of the history alone and keep nothing, so a resumed run decides as the uninterrupted one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxml.functional._checks import check_above, check_choice, check_positive, check_within

History = Mapping[str, Sequence[float]]
MODES = {"loss": "min", "error": "min", "accuracy": "max"}


@dataclass(frozen=True)
class EarlyStopping:
    """True once `monitor` has not improved by more than `min_delta` for `patience` epochs.

    mode: "min" or "max", which is better; None knows losses and errors from accuracies by the name's last word.

    Errors: `ValueError` for a patience below 1, a negative `min_delta`, or a name that does not say what is better.

    >>> stop = EarlyStopping(patience=2)
    >>> stop({"val_loss": [3.0, 1.0, 2.0]}), stop({"val_loss": [3.0, 1.0, 2.0, 1.5]})
    (False, True)
    """

    monitor: str = "val_loss"
    patience: int = 5
    min_delta: float = 0.0
    mode: str | None = None

    def __post_init__(self) -> None:
        check_positive("EarlyStopping", "patience", [self.patience])
        check_within("EarlyStopping", "min_delta", self.min_delta, 0)
        mode_of("EarlyStopping", self.monitor, self.mode)

    def __call__(self, history: History) -> bool:
        values = values_of("EarlyStopping", self.monitor, history)
        waited, _ = _waits(values, mode_of("EarlyStopping", self.monitor, self.mode), self.min_delta, None)
        return waited >= self.patience


@dataclass(frozen=True)
class ReduceOnPlateau:
    """The factor of the learning rate: times `factor` whenever `monitor` has not improved for `patience` epochs.

    As Keras's `ReduceLROnPlateau` with no cooldown: after a reduction the wait begins anew, and the best value stays.
    `smallest` bounds the factor from below.

    Errors: `ValueError` for a factor outside (0, 1), a patience below 1, or a name that does not say what is better.

    >>> ReduceOnPlateau(patience=1, factor=0.5)({"val_loss": [3.0, 3.0, 3.0, 1.0]})
    0.25
    """

    monitor: str = "val_loss"
    patience: int = 5
    factor: float = 0.1
    min_delta: float = 1e-4
    smallest: float = 0.0
    mode: str | None = None

    def __post_init__(self) -> None:
        check_positive("ReduceOnPlateau", "patience", [self.patience])
        check_above("ReduceOnPlateau", "factor", self.factor, 0, 1)
        check_within("ReduceOnPlateau", "min_delta", self.min_delta, 0)
        check_within("ReduceOnPlateau", "smallest", self.smallest, 0, 1)
        mode_of("ReduceOnPlateau", self.monitor, self.mode)

    def __call__(self, history: History) -> float:
        values = values_of("ReduceOnPlateau", self.monitor, history)
        mode = mode_of("ReduceOnPlateau", self.monitor, self.mode)
        _, reductions = _waits(values, mode, self.min_delta, self.patience)
        return max(self.factor**reductions, self.smallest)


def check_best(monitor: str) -> None:
    """`fit`'s own metric to watch must say by its name what is better."""
    if monitor.split("_")[-1] not in MODES:
        raise ValueError(
            f"fit: best must be a name that ends in {', '.join(MODES)}, which say what is better, got {monitor!r}"
        )


def best_epoch(monitor: str, history: History) -> int:
    """The index of the first epoch with the best value of `monitor`; NaN is worse than anything."""
    values = values_of("fit", monitor, history)
    sign = 1 if mode_of("fit", monitor, None) == "min" else -1
    return min(range(len(values)), key=lambda i: math.inf if math.isnan(values[i]) else sign * values[i])


def mode_of(function: str, monitor: str, mode: str | None) -> str:
    """Which is better of a metric of this name."""
    if mode is not None:
        check_choice(function, "mode", mode, ("min", "max"))
        return mode
    word = monitor.split("_")[-1]
    if word not in MODES:
        raise ValueError(f"{function}: mode must be 'min' or 'max' for monitor {monitor!r}, whose name does not say it")
    return MODES[word]


def values_of(function: str, monitor: str, history: History) -> Sequence[float]:
    if monitor not in history:
        raise ValueError(f"{function}: there is no metric {monitor!r} to monitor; there are {', '.join(history)}")
    return history[monitor]


def _waits(values: Sequence[float], mode: str, min_delta: float, patience: int | None) -> tuple[int, int]:
    """Epochs since the last improvement, and how often that reached `patience` and began anew."""
    sign = 1 if mode == "min" else -1
    best, waited, reached = math.inf, 0, 0
    for value in values:
        if sign * value < best - min_delta or (best == math.inf and not math.isnan(value)):
            best, waited = sign * value, 0
        else:
            waited += 1
            if patience is not None and waited >= patience:
                waited, reached = 0, reached + 1
    return waited, reached
