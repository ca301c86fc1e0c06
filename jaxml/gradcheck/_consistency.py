"""Evidence without differences: a right pull-back is linear, deterministic, the transpose of the push-forward, and the
same step by step, under `jit` and under `vmap`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxml.gradcheck._finding import Finding, compare
from jaxml.gradcheck._function import Arrays
from jaxml.gradcheck._leaves import epsilon
from jaxml.gradcheck._point import Point, cotangent, norm, wide

SLACK = 1e-10  # of the largest entry: what reordering a long sum in float64 may do
SPREAD = 16.0


def nudged(xs: Arrays, rng: np.random.Generator) -> Arrays:
    """Every number replaced by a neighbour of its dtype, or left as it is."""
    return [(wide(x) * (1 + rng.choice([-1, 0, 1], x.shape) * epsilon(x.dtype))).astype(x.dtype) for x in xs]


@dataclass
class Consistency:
    """The pull-back of a point's function held against itself. Findings are "ok" too."""

    point: Point
    rng: np.random.Generator
    notes: list[str]

    @cached_property
    def beside(self) -> Arrays:
        return nudged(self.point.xs, self.rng)

    @cached_property
    def tolerances(self) -> Arrays:
        """What rounding explains, element by element: measured by moving the arguments to neighbouring numbers."""
        p = self.point
        spread = [np.zeros(g.shape) for g in p.wide_gs]
        with np.errstate(all="ignore"):
            for xs in (self.beside, nudged(p.xs, self.rng)):
                _, gs = p.function.pull(xs, p.cs)
                spread = [np.fmax(s, np.abs(wide(a) - b)) for s, a, b in zip(spread, gs, p.wide_gs, strict=True)]
        return [
            SPREAD * np.where(np.isfinite(s), s, 0) + self.slack(k) * np.max(np.abs(g), where=np.isfinite(g), initial=0)
            for k, (s, g) in enumerate(zip(spread, p.wide_gs, strict=True))
        ]

    def slack(self, leaf: int) -> float:
        return max(SLACK, 1e3 * self.point.gradient_precision[leaf])

    def against(self, gs: Arrays, method: str, reason: str, factor: float = 1.0) -> list[Finding]:
        tolerances = [factor * t for t in self.tolerances]
        ours = self.point.wide_gs
        triples = zip(gs, ours, tolerances, strict=True)
        return [compare(k, a, b, t, method, reason) for k, (a, b, t) in enumerate(triples)]

    def zero_cotangent(self, gs: Arrays) -> list[Finding]:
        reason = "a zero cotangent must be pulled back to exact zeros"
        return [compare(k, g, np.zeros(g.shape), np.zeros(g.shape), "zero cotangent", reason) for k, g in enumerate(gs)]

    def determinism(self) -> list[Finding]:
        """Bit by bit, since the same program ran twice on the same numbers."""
        reason = "not deterministic: a second run gives another gradient"
        _, again = self.point.function.pull(self.point.xs, self.point.cs)
        pairs = zip(again, self.point.wide_gs, strict=True)
        return [compare(k, a, g, np.zeros(g.shape), "determinism", reason) for k, (a, g) in enumerate(pairs)]

    def linearity(self) -> list[Finding]:
        p = self.point
        others = cotangent(self.rng, p.ys)
        if sum(y.size for y in p.ys) == 1:
            others = [-0.75 * c for c in p.cs]
        mixed = [(2 * wide(c) - 0.5 * wide(o)).astype(c.dtype) for c, o in zip(p.cs, others, strict=True)]
        other = p.function.pull(p.xs, [o.astype(c.dtype) for o, c in zip(others, p.cs, strict=True)])[1]
        both = p.function.pull(p.xs, mixed)[1]
        with np.errstate(all="ignore"):
            ours = [2 * wide(both_k) + wide(o) for both_k, o in zip(both, other, strict=True)]
            return self.against(
                [x / 4 for x in ours], "linearity", "the pull-back of a sum is not the sum of the pull-backs", 4
            )

    def push_forward(self) -> list[Finding]:
        """`<c, J v> = <g, v>` leaf by leaf, where the function can be differentiated forwards."""
        p, found = self.point, []
        for k, x in enumerate(p.xs):
            scale = p.scales(k, relative=False) * np.isfinite(p.wide_gs[k])
            v = self.rng.choice([-1.0, 1.0], x.shape) * self.rng.uniform(0.5, 1.0, x.shape) * scale
            vs = [np.zeros(z.shape, z.dtype) for z in p.xs]
            vs[k] = v.astype(x.dtype)
            try:
                tangents = p.function.push(p.xs, vs)
            except Exception as error:
                self.notes.append(f"no push-forward to compare with ({type(error).__name__}), as for any custom_vjp")
                return []
            with np.errstate(all="ignore"):
                terms = [np.where(c == 0, 0, wide(c) * wide(t)) for c, t in zip(p.cs, tangents, strict=True)]
                product = np.where(v == 0, 0, p.wide_gs[k] * wide(vs[k]))
                size = norm(np.array([norm(product), *map(norm, terms)]))
                # Where f has saturated, both sides are what its rounding leaves.
                saturated = 1e3 * p.precision * p.output_norm
                tolerance = np.sum(self.tolerances[k] * np.abs(v)) + self.slack(k) * size + saturated
                want = float(sum(t.sum() for t in terms))
                got = float(product.sum())
            if np.isfinite(want) and not abs(got - want) <= tolerance:
                reason = "along a direction, pull-back and push-forward (want) disagree"
                found.append(Finding(k, "wrong", "jvp", reason, None, got, want, float(tolerance)))
        return found

    def value_kept(self) -> str:
        """What is wrong, if a rule computes another value than `f` without differentiation."""
        for number, (y, plain) in enumerate(zip(self.point.ys, self.point.function.values(self.point.xs), strict=True)):
            top = np.max(np.abs(wide(y)), where=np.isfinite(wide(y)), initial=0)
            tolerance = np.full(y.shape, max(SLACK, 1e3 * self.point.precision) * top)
            one = compare(0, y, plain, tolerance, "value", "")
            if one.verdict != "ok":
                return f"output {number} of f is {one.want:.9g}, and {one.got:.9g} where f is being differentiated"
        return ""

    def step_by_step(self) -> list[Finding]:
        try:
            _, gs = self.point.function.pull_eagerly(self.point.xs, self.point.cs)
        except Exception as error:
            self.notes.append(f"it runs under jit only: step by step it raises {type(error).__name__}")
            return []
        # What users run is jit, so that is "got".
        return [
            compare(k, ours, g, t, "jit", "under jit (got) the gradient is another than step by step (want)")
            for k, (ours, g, t) in enumerate(zip(self.point.wide_gs, gs, self.tolerances, strict=True))
        ]

    def batched(self) -> list[Finding]:
        """`vmap` over the point and one beside it, against the same two one by one."""
        p = self.point
        beside = p.moved(self.rng, 1e-3)
        batch = [np.stack([a, b]) for a, b in zip(p.xs, beside, strict=True)]
        try:
            together = p.function.pull_batch(batch, [np.stack([c, c]) for c in p.cs])
        except Exception as error:
            self.notes.append(f"it cannot be batched by vmap ({type(error).__name__})")
            return []
        apart = [(p.ys, p.gs), p.function.pull(beside, p.cs)]
        found = []
        for i, (ys, gs) in enumerate(apart):
            for a, y in zip(together[0], ys, strict=True):
                top = np.max(np.abs(wide(y)), where=np.isfinite(wide(y)), initial=0)
                tolerance = np.full(y.shape, max(SLACK, 1e3 * p.precision) * top)
                if compare(0, a[i], y, tolerance, "", "").verdict != "ok":
                    self.notes.append("under vmap its values differ from those of single calls")
                    return []
            for k, (a, g, t) in enumerate(zip(together[1], gs, self.tolerances, strict=True)):
                reason = "under vmap (got) the gradient is another than one call at a time (want)"
                found.append(compare(k, a[i], g, t, "vmap", reason))
        return found
