"""Pairs of what was seen and what followed, from a series in time."""

from typing import Any

import numpy as np

from jaxml.functional._checks import check_positive


def windows(
    x: Any, *, length: int, horizon: int = 1, targets: Any = None, start: int = 0, stop: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Every `length` steps of a series, `x[t - length : t]`, and the `horizon` that follow, `targets[t : t + horizon]`.

    x: the series, (T, ...); targets: what is to be forecast, (T, ...), of the same steps; x itself unless given.
    start, stop: the steps that are forecast lie from `start` up to, not including, `stop`; those that are seen may lie
        before `start`. So `stop` of the training part is `start` of the validation part, and no target is in both.

    Shapes: (T, F) -> (N, length, F) and (N, horizon, F'); N = min(stop, T) - horizon + 1 - max(start, length).

    Errors: ValueError for x and targets of different lengths, a length or horizon below 1, a start or stop outside the
    series, and where not one window is left.

    >>> x, y = windows(np.arange(6), length=3, horizon=2)
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [[3, 4], [4, 5]])
    """
    x = np.asarray(x)
    y = x if targets is None else np.asarray(targets)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"windows: x and targets must have the same number of steps, got {x.shape} and {y.shape}")
    check_positive("windows", "length, horizon", (length, horizon))
    stop = len(x) if stop is None else stop
    if not 0 <= start < stop <= len(x):
        raise ValueError(f"windows: 0 <= start < stop <= {len(x)} must hold, got start={start}, stop={stop}")
    ends = np.arange(max(start, length), stop - horizon + 1)
    if not len(ends):
        raise ValueError(
            f"windows: no window of {length} steps and {horizon} to forecast from {start} to {stop}: make them shorter"
        )
    return x[ends[:, None] + np.arange(-length, 0)], y[ends[:, None] + np.arange(horizon)]
