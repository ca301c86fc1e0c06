"""A place where a function is examined: the arguments, a cotangent, the outputs and the gradient there."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaxml.gradcheck._function import Function
from jaxml.gradcheck._leaves import epsilon

WEIGHTS = np.array([0.5, 0.75, 1.0, 1.25, 1.5])  # exact in every dtype, and none near 0: each output counts


def cotangent(rng: np.random.Generator, ys: Sequence[Any]) -> list[np.ndarray]:
    """Random weights for the outputs; 1 where there is but one number, 0 for an infinite output."""
    if sum(y.size for y in ys) == 1:
        return [np.ones(y.shape, y.dtype) for y in ys]
    drawn = [rng.choice(WEIGHTS, y.shape) * rng.choice([-1.0, 1.0], y.shape) for y in ys]
    return [np.where(np.isfinite(wide(y)), c, 0).astype(y.dtype) for c, y in zip(drawn, ys, strict=True)]


def wide(x: Any) -> np.ndarray:
    return np.asarray(x).astype(np.float64)


def norm(x: Any) -> float:
    """Euclidean, over the finite entries, without overflow."""
    x = np.asarray(x)
    x = x[np.isfinite(x)]
    top = float(np.max(np.abs(x), initial=0.0))
    return top * float(np.linalg.norm(x.ravel() / top)) if top else 0.0


@dataclass(frozen=True)
class Point:
    """`xs`, `cs`, `ys` in the dtypes in which the function runs; `gs` in those in which the gradient came."""

    function: Function
    xs: list[np.ndarray]
    cs: list[np.ndarray]
    ys: list[np.ndarray]
    gs: list[np.ndarray]
    precision: float  # the coarsest rounding on the way from `xs` to `ys`

    @classmethod
    def at(cls, function: Function, xs: list[Any], cs: list[Any], precision: float) -> "Point":
        ys, gs = function.pull(xs, cs)
        return cls(function, xs, cs, ys, gs, precision)

    @cached_property
    def output_norm(self) -> float:
        pairs = zip(self.cs, self.ys, strict=True)
        return norm(np.array([norm(wide(c) * np.where(c == 0, 0, wide(y))) for c, y in pairs]))

    @cached_property
    def wide_gs(self) -> list[np.ndarray]:
        return [wide(g) for g in self.gs]

    @cached_property
    def wide_xs(self) -> list[np.ndarray]:
        return [wide(x) for x in self.xs]

    @cached_property
    def gradient_precision(self) -> list[float]:
        """The rounding of the gradient itself."""
        return [max(epsilon(g.dtype), self.precision) for g in self.gs]

    @cached_property
    def noise(self) -> list[float]:
        """What rounding must do to `<c, f>` at least when leaf k moves: that of the outputs and of the leaf."""
        with np.errstate(all="ignore"):
            moved = [norm(g * x) for g, x in zip(self.wide_gs, self.wide_xs, strict=True)]
        return [self.precision * self.output_norm + epsilon(x.dtype) * m for x, m in zip(self.xs, moved, strict=True)]

    @cached_property
    def rms(self) -> list[float]:
        """The scale of each leaf: of its entries that are finite and not 0; 1 where there are none."""
        used = [x[np.isfinite(x) & (x != 0)] for x in self.wide_xs]
        return [norm(x) / np.sqrt(x.size) if x.size else 1.0 for x in used]

    def scales(self, leaf: int, relative: bool) -> np.ndarray:
        """The length of a step of each element: its own size, or that of the leaf. Infinite entries stay."""
        x, rms = self.wide_xs[leaf], self.rms[leaf]
        size = np.where(x == 0, rms, np.abs(x)) if relative else np.full(x.shape, rms)
        return np.where(np.isfinite(x), size, 0.0)

    def moved(self, rng: np.random.Generator, share: float) -> list[np.ndarray]:
        """The arguments, each element moved by about `share` of its size (of its leaf's where it is 0)."""
        out = []
        for k, x in enumerate(self.xs):
            step = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape) * self.scales(k, True)
            out.append(np.asarray(wide(x) + share * step, x.dtype))
        return out
