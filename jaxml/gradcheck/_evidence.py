"""All the evidence on one call, in the order of its strength."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jaxml.gradcheck._consistency import Consistency
from jaxml.gradcheck._errors import CheckError
from jaxml.gradcheck._finding import Finding
from jaxml.gradcheck._leaves import Leaves
from jaxml.gradcheck._native import dtypes_kept, native
from jaxml.gradcheck._point import Point, cotangent, wide
from jaxml.gradcheck._prepare import Prepared, prepare
from jaxml.gradcheck._probe import METHOD, Probe
from jaxml.gradcheck._reference import against_reference, check_same_outputs, unsettled

SECONDS = 2.0  # for the single elements of one order, all leaves together
DODGE = 2.0**-6  # how far the second look goes from a kink, as a share of each element


@dataclass
class Evidence:
    """Findings by order, with what was probed and which leaves are dead, keyed by (order, number of the leaf)."""

    leaves: Leaves
    f: Callable[..., Any]
    reference: Callable[..., Any] | None
    forwards: bool
    seed: int
    directions: int
    elements: int
    findings: dict[int, list[Finding]] = field(default_factory=lambda: {1: [], 2: []})
    notes: list[str] = field(default_factory=list)
    dead: set[tuple[int, int]] = field(default_factory=set)
    probed: dict[tuple[int, int], int] = field(default_factory=dict)

    def gather(self, order: int) -> None:
        p = prepare(self.f, self.leaves)
        r = None
        if self.reference is not None:
            r = prepare(self.reference, self.leaves, "the reference")
            check_same_outputs(self.f, self.reference, self.leaves)
            if r.broken:
                raise CheckError(f"check: the reference cannot be differentiated: {r.broken}")
            if r.truth.scope.x64 != p.truth.scope.x64:
                p, r = p.in_own_dtype(), r.in_own_dtype()
        self.notes += p.notes
        if p.broken:
            self._everywhere(1, "wrong", "pull-back", f"pulling a cotangent back raised {p.broken}")
            if order == 2:
                self._everywhere(2, "inconclusive", "pull-back", "there is no gradient to differentiate")
            return
        self._first(p, r)
        if order == 2:
            self._second(p, r)

    def _everywhere(self, order: int, verdict: str, method: str, reason: str) -> None:
        self.findings[order] += [Finding(k, verdict, method, reason) for k in range(len(self.leaves.leaves))]

    def _first(self, p: Prepared, r: Prepared | None) -> None:
        rng = np.random.default_rng(self.seed)
        zeros = [np.zeros(y.shape, y.dtype) for y in p.truth.shapes(p.xs)]
        ys, zero_gs = p.truth.pull(p.xs, zeros)
        if reason := self._why_not_finite(ys):
            return self._everywhere(1, "nan", "value", reason)
        point = Point.at(p.truth, p.xs, cotangent(rng, ys), p.precision)
        if any(a.tobytes() != b.tobytes() for a, b in zip(ys, point.ys, strict=True)):
            reason = "f is not deterministic: two runs at the same arguments give different values"
            return self._everywhere(1, "inconclusive", "determinism", reason)
        tools, found = Consistency(point, rng, self.notes), self.findings[1]
        finite = [bool(np.isfinite(g).all()) for g in point.wide_gs]
        if r is not None:
            there = Point.at(r.truth, r.xs, point.cs, r.precision)
            found += self._referred(point, there, 1, rng, tools, p.trusted)
        else:
            found += self._differences(point, 1, rng, p.trusted)
        consistent = tools.zero_cotangent(zero_gs) + tools.determinism() + tools.linearity()
        if self.forwards:
            consistent += tools.push_forward()
        if not p.plain and (reason := tools.value_kept()):
            self._everywhere(1, "wrong", "value", reason)
        if p.truth.compiled and not p.plain:
            consistent += tools.step_by_step() + tools.batched()
        found += [f for f in consistent if finite[f.leaf]]  # NaN is no evidence of anything else
        judge = r or p
        if all(x.dtype == own.dtype for x, own in zip(p.xs, p.natives, strict=True)):
            found += dtypes_kept(p.xs, [g.dtype for g in point.gs])
        elif p.accurate and judge.accurate:
            found += native(p.native, p.natives, judge.truth, rng)
        return None

    def _second(self, p: Prepared, r: Prepared | None) -> None:
        """The same again for `x -> gradient of <c, f>`. At a kink of `f` that leaps, so the arguments are moved off."""
        rng = np.random.default_rng([self.seed, 2])
        first = {f.verdict for f in self.findings[1]}
        if "nan" in first:
            return self._everywhere(2, "inconclusive", METHOD, "the first derivative is not finite")
        xs, ys = p.xs, p.truth.outputs(p.xs)
        cs = cotangent(rng, ys)
        if "kink" in first:
            xs = Point.at(p.truth, p.xs, cs, p.precision).moved(rng, DODGE)
            self.notes.append("second derivatives are examined beside this point, which is a kink of f")
        function = p.truth.derivative(cs)
        try:
            gs = function.outputs(xs)
            weights = cotangent(rng, gs)
            point = Point.at(function, xs, weights, p.precision)
        except Exception as error:
            line = (str(error).splitlines() or [""])[0][:300]
            raise CheckError(
                f"check: order 2 is not available, differentiating the gradient raised {type(error).__name__}: {line}"
            ) from error
        tools = Consistency(point, rng, self.notes)
        if r is not None:
            theirs = r.truth.derivative(cs)
            there = Point.at(theirs, xs, weights, r.precision)
            self.findings[2] += self._referred(point, there, 2, rng, tools, p.trusted)
        else:
            self.findings[2] += self._differences(point, 2, rng, p.trusted)
        self.findings[2] += tools.linearity()
        return None

    def _why_not_finite(self, ys: list[np.ndarray]) -> str:
        wides = [wide(y) for y in ys]
        for number, y in enumerate(wides):
            if np.isnan(y).any():
                return f"f itself is NaN here, in output {number} at {np.argwhere(np.isnan(y))[0].tolist()}"
        if not any(np.isfinite(y).any() for y in wides):
            return "f itself is infinite here"
        if infinite := sum(int((~np.isfinite(y)).sum()) for y in wides):
            self.notes.append(f"{infinite} infinite outputs of f were left out")
        return ""

    def _all_probed(self, order: int) -> None:
        for k, leaf in enumerate(self.leaves.leaves):
            self.probed[order, k] = leaf.value.size * (2 if leaf.complex else 1)

    def _referred(
        self, point: Point, there: Point, order: int, rng: np.random.Generator, tools: Consistency, trusted: bool
    ) -> list[Finding]:
        """Against the reference; where the two are not plainly the same, what differences find wrong counts as well."""
        found = against_reference(point, there, Consistency(there, rng, self.notes), tools)
        if leaves := unsettled(point, there):
            seen = self._differences(point, order, rng, trusted, leaves)
            found += [f for f in seen if f.verdict in ("wrong", "kink")]
        self._all_probed(order)
        return found

    def _differences(
        self, point: Point, order: int, rng: np.random.Generator, trusted: bool, leaves: list[int] | None = None
    ) -> list[Finding]:
        """Findings on these leaves, on all where none are named."""
        findings: list[Finding] = []
        leaves, kinked = list(range(len(self.leaves.leaves))) if leaves is None else leaves, []
        for k in leaves:
            g = point.wide_gs[k].ravel()
            if (bad := np.flatnonzero(~np.isfinite(g))).size:
                reason = "f is finite here, its gradient is not"
                findings.append(Finding(k, "nan", METHOD, reason, int(bad[0]), float(g[bad[0]])))
                continue
            probe = Probe(point, k, rng, trusted)
            found = [probe.whole(self.directions)]
            if found[0].verdict != "wrong":
                found += probe.elements(self.elements, SECONDS / len(leaves))
                self.probed[order, k] = len(found) - 1
            if any("kink" in f.reason for f in found):
                found += [probe.alike(), self._beside(point, k, rng, trusted)]
                kinked.append(k)
            findings += found
            if probe.moved and not g.any():
                self.dead.add((order, k))
        if len(kinked) > 1:
            findings.append(self._together(point, kinked, rng, trusted))
        return findings

    def _together(self, point: Point, leaves: list[int], rng: np.random.Generator, trusted: bool) -> Finding:
        """At a tie of two leaves each gradient may lie between its slopes and their sum not: both are moved alike."""
        length = max(point.rms[k] for k in leaves)
        vs = [np.full(x.shape, length if k in leaves else 0, x.dtype) for k, x in enumerate(point.xs)]
        function = point.function.along(point.xs, vs)
        line = Point.at(function, [np.zeros(1, vs[0].dtype)], point.cs, point.precision)
        found = Probe(line, 0, rng, trusted).judge(np.ones(1))
        if found.verdict != "wrong" or "kink" in found.reason:
            return Finding(leaves[0], "ok", METHOD)
        paths = " and ".join(self.leaves.leaves[k].path for k in leaves)
        return replace(found, leaf=leaves[0], reason=f"along a direction that moves {paths} alike")

    def _beside(self, point: Point, leaf: int, rng: np.random.Generator, trusted: bool) -> Finding:
        """A kink hides small errors of the other elements, so a point beside it, where f is smooth, is examined too."""
        there = Point.at(point.function, point.moved(rng, DODGE), point.cs, point.precision)
        found = Probe(there, leaf, rng, trusted).whole(self.directions)
        if found.verdict != "wrong":
            return Finding(leaf, "ok", METHOD)
        reason = f"beside this point, which is a kink, at elements moved by about {DODGE:.1%}"
        return replace(found, reason=f"{found.reason}; {reason}" if found.reason else reason)
