"""From the history of a training: where it began to learn its examples instead of what they are examples of."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxml.diagnostics._figure import COLOURS, finish, ground, whole
from jaxml.functional._checks import check_equal, check_positive, check_within


@dataclass(frozen=True)
class Overfitting:
    """What a history says; epochs count from 1.

    metric: whose values `train` and `validation` are, one an epoch.
    gap: how much worse validation is than training, at each epoch.
    best_epoch: the first with the best validation value.
    rise: how much worse the last validation value is than the best one.
    gap_growth: the gap at the end less the gap at `best_epoch`.
    began: the first epoch of the rise, or None where validation still improves, has not waited `patience` epochs for
        it yet, or rose by no more than `min_delta`.
    """

    metric: str
    train: tuple[float, ...]
    validation: tuple[float, ...]
    gap: tuple[float, ...]
    best_epoch: int
    rise: float
    gap_growth: float
    began: int | None

    def __str__(self) -> str:
        """One sentence."""
        at = f"val_{self.metric} is best at epoch {self.best_epoch} of {len(self.gap)}"
        if self.began is None:
            return f"{at}: no overfitting"
        return (
            f"{at} and since then worse by {self.rise:.4g}, the gap to training grew by {self.gap_growth:.4g}: "
            f"overfitting since epoch {self.began}"
        )

    def plot(self, *, into: Any = None) -> Any:
        """A matplotlib `Figure`: both curves over the epochs, the gap filled from where it began to rise.

        into: matplotlib's axes to draw into, in place of a figure of its own; their figure is returned.

        Errors: `ImportError` without matplotlib (`jaxml-nn[bench]`).
        """
        figure, axes = ground("Overfitting.plot", into)
        epochs = np.arange(1, len(self.gap) + 1)
        for colour, name, values in zip(
            COLOURS, ("training", "validation"), (self.train, self.validation), strict=False
        ):
            axes.plot(epochs, values, color=colour, lw=1.6, label=name)
        best = self.best_epoch
        axes.axvline(best, color="#6a6a6a", lw=1, ls="--", label=f"best: epoch {best}")
        if self.began is not None:
            since = slice(best - 1, None)
            axes.fill_between(
                epochs[since], self.train[since], self.validation[since], color=COLOURS[1], alpha=0.15, lw=0
            )
        axes.set(xlabel="epoch", ylabel=self.metric)
        whole(axes)
        finish(axes)
        return figure


def overfitting(
    history: Mapping[str, Sequence[float]],
    *,
    metric: str = "loss",
    patience: int = 3,
    min_delta: float = 0.0,
    mode: str | None = None,
) -> Overfitting:
    """Where the validation value of `metric` was best, by how much it became worse since, and how the gap grew.

        gap_e = val_e - train_e        rise = val_last - val_best        gap_growth = gap_last - gap_best

    with the signs changed where more is better; a NaN is worse than anything. It has begun where the best epoch is
    `patience` or more ago and the rise is above `min_delta`.

    history: of `fit`, or any mapping of "loss" and "val_loss", or another metric and that with "val_" before it, to a
        value an epoch. The training value of `fit` is the mean over the epoch, while the parameters were changing, so
        that early on the gap may be negative.
    mode: "min" or "max", which is better; None knows losses and errors from accuracies by the name's last word.

    Errors: `ValueError` for a metric that is not there, histories that are empty, of two lengths or NaN throughout, a
    patience below 1, a negative `min_delta` and a name that does not say what is better.

    >>> from jaxml import diagnostics
    >>> history = {"loss": [1.0, 0.5, 0.25, 0.125], "val_loss": [1.0, 0.75, 1.0, 1.5]}
    >>> found = diagnostics.overfitting(history, patience=2)
    >>> found.best_epoch, found.began, found.rise, found.gap_growth
    (2, 3, 0.75, 1.125)
    """
    from jaxml.train._callbacks import mode_of  # loaded here: the other diagnostics do without training

    function = "overfitting"
    check_positive(function, "patience", [patience])
    check_within(function, "min_delta", min_delta, 0)
    sign = 1 if mode_of(function, metric, mode) == "min" else -1
    train, validation = (_values(function, name, history) for name in (metric, f"val_{metric}"))
    check_equal(function, f"the number of epochs of val_{metric}", len(validation), len(train))
    worse = [math.inf if math.isnan(v) else sign * v for v in validation]
    gap = tuple(w - sign * t for w, t in zip(worse, train, strict=True))
    best = worse.index(min(worse))
    if worse[best] == math.inf:
        raise ValueError(f"{function}: val_{metric} must be a number at one epoch at least, got {validation}")
    rise = worse[-1] - worse[best]
    began = best + 2 if len(gap) - 1 - best >= patience and rise > min_delta else None
    return Overfitting(metric, train, validation, gap, best + 1, rise, gap[-1] - gap[best], began)


@dataclass(frozen=True)
class OverfittingMonitor:
    """A callback of `train.fit` that warns when `overfitting` begins, and with `stop=True` ends the training there.

    It reads the history alone and keeps nothing, so that a resumed run warns as the uninterrupted one. `fit` needs
    `validation`. To stop without a word about the gap, `train.EarlyStopping` is enough.

    metric, patience, min_delta, mode: as in `overfitting`.

    Errors: those of `overfitting`.

    >>> from jaxml import diagnostics
    >>> monitor = diagnostics.OverfittingMonitor(patience=3, stop=True)  # fit(..., callbacks=[monitor])
    """

    metric: str = "loss"
    patience: int = 3
    min_delta: float = 0.0
    mode: str | None = None
    stop: bool = False

    def __post_init__(self) -> None:
        from jaxml.train._callbacks import mode_of

        check_positive("OverfittingMonitor", "patience", [self.patience])
        check_within("OverfittingMonitor", "min_delta", self.min_delta, 0)
        mode_of("OverfittingMonitor", self.metric, self.mode)

    def __call__(self, epoch: Any) -> bool:
        """What `fit` calls after each epoch."""
        now = self._found(epoch.history, None)
        if now.began is None:
            return False
        if self._found(epoch.history, -1).began is None:
            warnings.warn(f"fit: {now}", stacklevel=2)
        return self.stop

    def _found(self, history: Mapping[str, Sequence[float]], until: int | None) -> Overfitting:
        read = {name: history[name][:until] for name in (self.metric, f"val_{self.metric}") if name in history}
        options = {"patience": self.patience, "min_delta": self.min_delta, "mode": self.mode}
        return overfitting(read, metric=self.metric, **options)


def _values(function: str, name: str, history: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    from jaxml.train._callbacks import values_of

    values = tuple(float(v) for v in values_of(function, name, history))
    if not values:
        raise ValueError(f"{function}: {name} must hold at least one epoch")
    return values
