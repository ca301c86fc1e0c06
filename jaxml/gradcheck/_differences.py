"""A slope from differences over a ladder of steps, with an error estimate of its own. Numbers only, no JAX.

With `plus[k] = phi(h_k) - phi(0)` and `minus[k] = phi(0) - phi(-h_k)`, the one-sided slopes are `plus / h` and
`minus / h`; their mean is the central difference, which Richardson's extrapolation improves twice. The error of a rung
is what its neighbours differ by, plus the noise of evaluating `phi` divided by the step; the best rung is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RATIO = 4.0
# Steps are 2^-k of the direction's length. The middle ones settle nearly everything; the others are for functions that
# are very curved, very flat, or defined only near by.
MIDDLE = 2.0 ** -np.arange(9, 20, 2)
LARGE = 2.0 ** -np.arange(1, 8, 2)
SMALL = 2.0 ** -np.arange(21, 40, 2)
LADDER_CHUNKS = (MIDDLE, np.concatenate([LARGE, SMALL[:2]]), SMALL[2:8])
SAFETY = 4.0
USEFUL = 2e-3  # a tolerance above this share of the slope would not show a factor of 1.01

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Slope:
    """What the ladder says. `kind`: "smooth", "kink" (between `left` and `right`), "jump", "one-sided", "unknown"."""

    kind: str
    want: float
    error: float
    left: float = np.nan
    right: float = np.nan
    moved: bool = True  # phi changed at some step

    def outside(self, got: float) -> float:
        """How far `got` lies outside the interval of the one-sided slopes."""
        low, high = sorted((self.left, self.right))
        return max(low - got, got - high, 0.0)


def measure(run: Run, got: float, floor: float, size: float, slack: float, *, quick: bool = False) -> Slope:
    """The slope along a direction. Stops after the first chunk of steps where that agrees with `got` closely.

    floor: the noise of `phi` that is known beforehand. size: how large a slope along such a direction usually is.
    slack: the rounding of `got` itself. quick: stop there as well where it disagrees by far.
    """
    steps, plus, minus = np.empty(0), np.empty(0), np.empty(0)
    slope = Slope("unknown", np.nan, np.inf)
    for chunk in LADDER_CHUNKS:
        p, m = run(chunk)
        steps, plus, minus = (np.concatenate(pair) for pair in ((steps, chunk), (plus, p), (minus, m)))
        order = np.argsort(-steps)
        with np.errstate(all="ignore"):
            noise = max(floor, _grain(plus, minus)) if got != 0 else floor
            slope = read(steps[order], plus[order], minus[order], noise)
        close = slope.error <= 1e-2 * USEFUL * max(size, abs(got), abs(slope.want)) or slope.error == 0
        excess = abs(got - slope.want) / max(SAFETY * slope.error + slack, 1e-300)
        if slope.kind == "smooth" and close and (excess <= 1 or (quick and excess > 100)):
            break
    return slope


def _grain(plus: np.ndarray, minus: np.ndarray) -> float:
    """The grain of a `phi` that stands still over small steps because its rounding swallows them, as `1 - cos(x)`.

    Steps as large as `round` takes are no rounding: there `phi` is constant, and its slope 0.
    """
    sizes = np.abs(np.concatenate([plus, minus]))
    smallest = float(np.min(sizes, where=sizes > 0, initial=np.inf))
    return smallest if np.any(sizes == 0) and smallest < 1e-9 else 0.0


def read(h: np.ndarray, plus: np.ndarray, minus: np.ndarray, floor: float) -> Slope:
    """The slope from all rungs, in the order of falling steps."""
    moved = bool(np.any(plus != 0) or np.any(minus != 0))
    right_only, left_only = np.isfinite(plus), np.isfinite(minus)
    both = right_only & left_only
    if both.sum() < 5:
        for side, values in ((right_only, plus), (left_only, minus)):
            if side.sum() >= 6:
                want, error = _limit(values[side] / h[side], h[side], floor, (RATIO, RATIO**2))
                return Slope("one-sided", want, error, moved=moved)
        return Slope("unknown", np.nan, np.inf, moved=moved)
    h, plus, minus = h[both], plus[both], minus[both]
    right, left = plus / h, minus / h
    want, error = _limit((right + left) / 2, h, floor, (RATIO**2, RATIO**4))
    jump, jump_error = _limit(right - left, h, floor, (RATIO, RATIO**3))
    if abs(jump) > SAFETY * jump_error and abs(jump) > 1e-9 * (abs(want) + abs(jump)):
        return Slope("kink", want, error + jump_error, want - jump / 2, want + jump / 2, moved)
    # A value that leaps at the point itself: the gap does not shrink with the step.
    gap = np.abs(plus - minus)[-4:]
    leaps = gap.min() > 0.5 * gap.max() and gap.min() > 1e3 * floor and gap.min() > 0.1 * np.abs(plus - minus).max()
    return Slope("jump" if leaps else "smooth", want, error, moved=moved)


def _limit(d: np.ndarray, h: np.ndarray, floor: float, powers: tuple[float, float]) -> tuple[float, float]:
    """The limit of `d` as the step falls, and its error, from two levels of extrapolation."""
    table = [d]
    for power in powers:
        last = table[-1]
        table.append(last[1:] + np.diff(last) / (power - 1))
    noise = _noise(table[2], h, floor)
    best = (float(d[-1]), np.inf)
    for level, values in enumerate(table):
        step, unsure = np.abs(np.diff(values)), noise[level + 1 :] / h[level + 1 :]
        for k, value in enumerate(values[1:]):
            # A rung has settled when it is near the one before it and no later one contradicts it beyond its noise:
            # the slopes of a bounded function over huge steps agree too, on 0.
            later = np.max(np.abs(values[k + 2 :] - value) - 4 * unsure[k + 1 :], initial=0.0)
            error = max(step[k], later) + unsure[k]
            if error < best[1]:
                best = (float(value), float(error))
    return best


def _noise(extrapolated: np.ndarray, h: np.ndarray, floor: float) -> np.ndarray:
    """The noise of `phi` as seen from every rung: what the smaller steps still vary by once curvature has left them.

    Smaller ones only, since a leap of `phi` some way off is no noise to the steps that do not reach it.
    """
    varies = np.where(h[2:-1] < 2.0**-10, np.abs(np.diff(extrapolated)) * h[3:], 0.0)
    seen = np.concatenate([np.zeros(3), varies])
    return np.maximum(np.maximum.accumulate(seen[::-1])[::-1], floor)
