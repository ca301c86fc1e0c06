"""The gradient of one leaf against differences: whole directions first, halves of them where something is off, then
single elements."""

import math
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from jaxml.gradcheck._differences import SAFETY, USEFUL, Slope, measure
from jaxml.gradcheck._finding import Finding, worst
from jaxml.gradcheck._point import Point, norm, wide

METHOD = "finite differences"
LADDERS = 300  # how many directions may be spent on finding the elements behind a disagreement of one leaf
SMALL_STEP = 2.0**-12
TWO_STEPS = 2.0 ** -np.array([11.0, 12.0])
LARGE = 10_000  # elements, from which a direction costs more than compiling another ladder


@dataclass
class Probe:
    """Leaf number `leaf` at a point. `trusted` is False where a stopped value could not be held fixed."""

    point: Point
    leaf: int
    rng: np.random.Generator
    trusted: bool = True
    moved: bool = False  # some difference was not 0: f depends on the leaf

    @property
    def size(self) -> int:
        return self.point.xs[self.leaf].size

    def direction(self, *, relative: bool, low: int = 0, high: int | None = None) -> np.ndarray:
        """Random signs (and, relative to each element's size, random lengths) on a range of the flat elements."""
        scales = self.point.scales(self.leaf, relative).ravel().copy()
        scales[:low] = 0
        scales[self.size if high is None else high :] = 0
        return scales * self.rng.choice([-1.0, 1.0], self.size) * self.rng.uniform(0.5, 1.0, self.size)

    def judge(self, v: np.ndarray, size: float = 0.0, *, quick: bool = False) -> Finding:
        """The gradient along `v` against the slope. `size`: how large slopes of this kind usually are."""
        with np.errstate(all="ignore"):
            g = np.where(v == 0, 0.0, self.point.wide_gs[self.leaf].ravel() * v)
        size = max(size, norm(g))
        slope = self._slope(self.point, v, float(g.sum()), size, quick)
        self.moved = self.moved or slope.moved
        if slope.kind == "kink":
            return self._kink(v, size, slope)
        return self._smooth(float(g.sum()), slope, size, self._slack(size))

    def _slack(self, size: float) -> float:
        return (1e-11 + 8 * self.point.gradient_precision[self.leaf]) * size

    def _slope(self, point: Point, v: np.ndarray, got: float, size: float, quick: bool = False) -> Slope:
        run = partial(self._run, point, v)
        return measure(run, got, point.noise[self.leaf], size, self._slack(size), quick=quick)

    def _run(self, point: Point, v: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        vs = [np.zeros(x.shape, x.dtype) for x in point.xs]
        x = point.xs[self.leaf]
        vs[self.leaf] = v.reshape(x.shape).astype(x.dtype)
        return point.function.ladder(point.xs, vs, point.cs, steps)

    def _smooth(self, got: float, slope: Slope, size: float, slack: float) -> Finding:
        tolerance = SAFETY * slope.error + slack
        found = Finding(self.leaf, "ok", METHOD, "", None, got, slope.want, tolerance)
        if slope.kind == "unknown":
            reason = "f is not finite near this point, whatever the step"
            return replace(found, verdict="inconclusive", reason=reason, want=None)
        if slope.kind == "jump":
            return replace(found, verdict="inconclusive", reason="f jumps at this point: it has no slope there")
        largest = max(size, abs(got), abs(slope.want))
        useful = tolerance <= USEFUL * largest
        if size == 0:  # nothing to compare with but f itself
            useful = useful or not slope.moved or tolerance <= 1e-6 * self.point.output_norm
        error = abs(got - slope.want)
        if error <= tolerance and useful:
            return found
        if error <= (1 if useful else 3) * tolerance:
            reason = f"the step is in doubt, not the derivative: differences settle no better than {tolerance:.1e}"
            return replace(found, verdict="inconclusive", reason=reason)
        if slope.kind == "one-sided":
            reason = "f is finite on one side of this point only, and the slope of that side differs"
            return replace(found, verdict="inconclusive", reason=reason)
        if not self.trusted:
            reason = "f stops gradients inside a loop or a branch, which differences cannot follow; give a reference"
            return replace(found, verdict="inconclusive", reason=reason)
        return replace(found, verdict="wrong")

    def _kink(self, v: np.ndarray, size: float, slope: Slope) -> Finding:
        """Where the slopes of the two sides differ, the gradient has to lie between them, output by output.

        A sum of outputs with mixed signs mixes their intervals up; weighted by the sign of its own bend, each
        contributes an interval of the same orientation.
        """
        point = self._aligned(v)
        got = float(np.sum(np.where(v == 0, 0.0, point.wide_gs[self.leaf].ravel() * v)))
        if point is not self.point:
            slope = self._slope(point, v, got, size)
            if slope.kind != "kink":
                return self._smooth(got, slope, size, self._slack(size))
        tolerance = SAFETY * slope.error + self._slack(size)
        low, high = sorted((slope.left, slope.right))
        nearest = min(max(got, low), high)
        sides = f"f has a kink: slope {slope.left:.6g} on the left, {slope.right:.6g} on the right"
        found = Finding(self.leaf, "kink", METHOD, sides, None, got, nearest, tolerance)
        if slope.outside(got) <= tolerance:
            return found
        outside = sides + "; the gradient is not between them"
        little = abs(got) <= min(abs(slope.left), abs(slope.right))  # as where each kink took 0 for its slope
        if not self.trusted or little or slope.outside(got) <= abs(slope.right - slope.left) / 2:
            reason = outside + ", which right ones of several kinks in one place can add up to; move the arguments"
            return replace(found, verdict="inconclusive", reason=reason)
        return replace(found, verdict="wrong", reason=outside)

    def _aligned(self, v: np.ndarray) -> Point:
        p = self.point
        if sum(y.size for y in p.ys) == 1:
            return p
        step = SMALL_STEP * v.reshape(p.xs[self.leaf].shape)
        sides = []
        for sign in (1, -1):
            xs = list(p.xs)
            xs[self.leaf] = np.asarray(wide(xs[self.leaf]) + sign * step, xs[self.leaf].dtype)
            sides.append(p.function.pull(xs, p.cs)[0])
        with np.errstate(all="ignore"):
            bends = [wide(a) + wide(b) - 2 * wide(y) for a, b, y in zip(*sides, p.ys, strict=True)]
        cs = [np.where(b < 0, -np.abs(c), np.abs(c)).astype(c.dtype) for b, c in zip(bends, p.cs, strict=True)]
        return Point.at(p.function, p.xs, cs, p.precision)

    def single(self, flat: int) -> Finding:
        """One element alone: with a step of its own size, and of the leaf's where it is much smaller than that."""
        x, rms = float(self.point.wide_xs[self.leaf].ravel()[flat]), self.point.rms[self.leaf]
        if not math.isfinite(x):
            return Finding(self.leaf, "ok", METHOD, "", flat)
        lengths = [rms] if abs(x) < rms / 64 else []
        lengths += [abs(x)] if x != 0 else []
        with np.errstate(all="ignore"):
            slopes = [norm(self.point.wide_gs[self.leaf] * self.point.scales(self.leaf, way)) for way in (True, False)]
        usual = min(slopes) / math.sqrt(self.size)
        found = []
        for length in lengths or [rms]:
            v = np.zeros(self.size)
            v[flat] = length
            f = self.judge(v, usual)
            got, want, tolerance = (None if n is None else n / length for n in (f.got, f.want, f.tolerance))
            found.append(replace(f, flat=flat, got=got, want=want, tolerance=tolerance))
            if f.verdict in ("ok", "kink"):
                return found[-1]
        return min(found, key=lambda f: math.inf if f.tolerance is None or math.isnan(f.tolerance) else f.tolerance)

    def whole(self, directions: int) -> Finding:
        """Dense directions; what they leave open is traced to the element behind it."""
        found: list[tuple[Finding, np.ndarray]] = []
        for k in range(directions):
            v = self.direction(relative=k % 2 == 1)
            found.append((self.judge(v, quick=True), v))
            if found[-1][0].verdict == "wrong":
                return self._trace(*found[-1], relative=k % 2 == 1)
        decided = [f for f, _ in found if f.verdict in ("ok", "kink")]
        return worst(decided) if decided else self._trace(*found[-1], relative=directions % 2 == 0)

    def alike(self) -> Finding:
        """All elements moved alike: ties stay ties, so that the shares a kink gave out have to add up."""
        scales = self.point.scales(self.leaf, False).ravel()
        found = self.judge(scales)
        if found.verdict != "wrong" or "kink" in found.reason:
            return replace(found, verdict="ok", reason="")
        return replace(found, reason="with all elements moved alike")

    def _trace(self, found: Finding, v: np.ndarray, *, relative: bool) -> Finding:
        """Halve the range of elements towards the part that disagrees most, down to one."""
        low, high, spent = 0, self.size, 0
        while high - low > 1 and spent < LADDERS:
            parts = [(low, (low + high) // 2), ((low + high) // 2, high)]
            for _ in range(3):  # signs may cancel by chance; fresh ones hardly do so again
                vs = [np.zeros(self.size), np.zeros(self.size)]
                for half, (a, b) in zip(vs, parts, strict=True):
                    half[a:b] = v[a:b]
                halves = self._halves(found, *vs)
                spent += 2
                if any(f.verdict in ("wrong", "inconclusive") for f in halves):
                    break
                v = self.direction(relative=relative, low=low, high=high)
                found = self.judge(v, quick=True)
            else:
                return self._unlocated(found)
            k = halves.index(worst(halves))
            (low, high), found, v = parts[k], halves[k], vs[k]
        return self.single(low) if high - low == 1 else found

    def _halves(self, whole: Finding, left: np.ndarray, right: np.ndarray) -> list[Finding]:
        """Slopes add up: where the left half is decided, the right one follows from the whole."""
        if self.size >= LARGE and whole.verdict == "wrong" and whole.excess > 100:
            # Two steps tell which half a plain error is in. The element it ends at is judged with all of them.
            got = float(np.sum(np.where(left == 0, 0.0, self.point.wide_gs[self.leaf].ravel() * left)))
            plus, minus = self._run(self.point, left, TWO_STEPS)
            coarse, fine = (plus + minus) / (2 * TWO_STEPS)
            one = replace(whole, got=got, want=float(fine + (fine - coarse) / 3))
            rest = _without(whole, one)
            if max(one.excess, rest.excess) > 50:
                return [one, rest]
        one = self.judge(left, quick=True)
        if whole.verdict == "wrong" and one.verdict in ("ok", "wrong"):
            rest = replace(_without(whole, one), tolerance=(whole.tolerance or 0.0) + (one.tolerance or 0.0))
            if rest.excess > 10:
                return [one, rest]
        return [one, self.judge(right, quick=True)]

    def _unlocated(self, found: Finding) -> Finding:
        """Every part agrees by itself. Then the whole is asked again, and believed if it insists."""
        again = [self.judge(self.direction(relative=bool(k % 2))) for k in range(2)]
        if all(f.verdict == "wrong" for f in again):
            return replace(found, reason="along a direction through the whole leaf; no part of it shows it alone")
        return worst(f for f in again if f.verdict != "wrong")

    def elements(self, count: int, seconds: float) -> list[Finding]:
        """Single elements: all when there are no more than `count`, else the telling ones and random others."""
        start = time.perf_counter()
        found: list[Finding] = []
        for flat in self._chosen(count):
            found.append(self.single(flat))
            if time.perf_counter() - start > seconds and len(found) >= 4:
                break
        return found

    def _chosen(self, count: int) -> list[int]:
        if self.size <= count:
            return list(range(self.size))
        g, x = np.abs(self.point.wide_gs[self.leaf].ravel()), self.point.wide_xs[self.leaf].ravel()
        zeros = np.flatnonzero(x == 0)
        few = [0, int(np.argmax(g)), int(np.argmin(g)), self.size - 1, *self.rng.permutation(zeros)[: count // 4]]
        return list(dict.fromkeys([*map(int, few), *map(int, self.rng.choice(self.size, count, replace=False))]))[
            :count
        ]


def _without(whole: Finding, part: Finding) -> Finding:
    """What a slope through the whole says of the rest, once a part is known."""
    got, want = ((a or 0.0) - (b or 0.0) for a, b in ((whole.got, part.got), (whole.want, part.want)))
    return replace(whole, got=got, want=want)
