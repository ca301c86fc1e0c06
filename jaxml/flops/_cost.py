"""What a computation costs, as integers that add up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxml.flops._table import cost_text, for_rich


@dataclass(frozen=True)
class Cost:
    """Exact counts of a computation; `a + b` is one after the other, `3 * a` is three times the same.

    macs: multiply-adds of matrix products and convolutions, the papers' unit. A complex one makes 4.
    other: operations that are no part of a MAC: arithmetic, comparisons, logic, selections, reductions, linear algebra.
    transcendentals: exp, log, tanh, erf, pow, sqrt, sin and so on, one an element. They are no FLOPs, as in XLA.
    bytes: every value read once and written once by each operation, before anything is fused.
    activations: elements written by matrix products and convolutions (the literature's "macts").
    params: elements of the argument that `params=` named; None without it.
    by_primitive: the cost of each primitive, by name.
    by_scope: the cost under each `jax.named_scope`, by path (`"block/conv"`); a scope includes those inside it.
    uncounted: what is missing from all of these, with the reason. Where it is not empty, the counts are a lower bound.

    >>> layer = Cost(macs=100, other=10)
    >>> (3 * layer + layer).flops
    840
    """

    macs: int = 0
    other: int = 0
    transcendentals: int = 0
    bytes: int = 0
    activations: int = 0
    params: int | None = None
    by_primitive: Mapping[str, "Cost"] = field(default_factory=dict)
    by_scope: Mapping[str, "Cost"] = field(default_factory=dict)
    uncounted: Mapping[str, str] = field(default_factory=dict)

    @property
    def flops(self) -> int:
        """Operations on numbers: 2 for each MAC, and the others. Transcendentals are apart."""
        return 2 * self.macs + self.other

    @property
    def intensity(self) -> float:
        """FLOPs for each byte, before fusion: low means that memory, not arithmetic, sets the time."""
        return self.flops / self.bytes if self.bytes else 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """Both, one after the other. Parameters add up where both know theirs."""
        if not isinstance(other, Cost):
            return NotImplemented
        known = [c.params for c in (self, other) if c.params is not None]
        return Cost(
            self.macs + other.macs,
            self.other + other.other,
            self.transcendentals + other.transcendentals,
            self.bytes + other.bytes,
            self.activations + other.activations,
            sum(known) if known else None,
            _merged(self.by_primitive, other.by_primitive),
            _merged(self.by_scope, other.by_scope),
            {**self.uncounted, **other.uncounted},
        )

    def __radd__(self, other: int) -> "Cost":
        """`sum(costs)` starts from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, times: int) -> "Cost":
        """The same `times` over. The parameters remain as many."""
        if not isinstance(times, int):
            return NotImplemented
        return Cost(
            self.macs * times,
            self.other * times,
            self.transcendentals * times,
            self.bytes * times,
            self.activations * times,
            self.params,
            {name: cost * times for name, cost in self.by_primitive.items()},
            {name: cost * times for name, cost in self.by_scope.items()},
            self.uncounted,
        )

    __rmul__ = __mul__

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and nested dictionaries, for JSON."""
        numbers = {name: getattr(self, name) for name in ("macs", "flops", "transcendentals", "bytes", "activations")}
        if self.params is not None:
            numbers["params"] = self.params
        if not (self.by_primitive or self.by_scope or self.uncounted):
            return numbers
        return numbers | {
            "intensity": self.intensity,
            "by_primitive": {name: cost.as_dict() for name, cost in self.by_primitive.items()},
            "by_scope": {name: cost.as_dict() for name, cost in self.by_scope.items()},
            "uncounted": dict(self.uncounted),
        }

    def to_json(self) -> str:
        """`as_dict` as one JSON object."""
        return json.dumps(self.as_dict())

    def __str__(self) -> str:
        return cost_text(self)

    def __rich__(self) -> str:
        return for_rich(str(self))


def _merged(a: Mapping[str, Cost], b: Mapping[str, Cost]) -> dict[str, Cost]:
    return {name: sum(m[name] for m in (a, b) if name in m) for name in {**a, **b}}  # type: ignore[misc]
