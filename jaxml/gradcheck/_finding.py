"""One piece of evidence about one leaf, and how pieces make a verdict."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxml.gradcheck._report import VERDICTS


@dataclass(frozen=True)
class Finding:
    """Evidence on leaf number `leaf`: `flat` is the place of the worst element in its real view."""

    leaf: int
    verdict: str
    method: str
    reason: str = ""
    flat: int | None = None
    got: float | None = None
    want: float | None = None
    tolerance: float | None = None

    @property
    def error(self) -> float | None:
        return None if self.got is None or self.want is None else abs(self.got - self.want)

    @property
    def excess(self) -> float:
        """Error over tolerance: what orders findings of one verdict."""
        if self.error is None or self.tolerance is None or not np.isfinite(self.error):
            return np.inf if self.flat is not None else 0.0
        return self.error / max(self.tolerance, 1e-300)


# Where several pieces of evidence say the same, the one that names an element with a value to trust is shown.
STRONGEST_FIRST = ("reference", "finite differences")


def worst(findings: Iterable[Finding]) -> Finding:
    def key(f: Finding) -> tuple[float, ...]:
        strength = -STRONGEST_FIRST.index(f.method) if f.method in STRONGEST_FIRST else -len(STRONGEST_FIRST)
        return VERDICTS.index(f.verdict), strength, f.flat is not None, f.excess

    return max(findings, key=key)


def compare(leaf: int, got: Any, want: Any, tolerance: Any, method: str, reason: str) -> Finding:
    """Elementwise: "ok", "wrong" or "nan", with the element that exceeds its tolerance most."""
    got, want, tolerance = (np.asarray(a, np.float64).ravel() for a in (got, want, tolerance))
    with np.errstate(all="ignore"):
        error = np.where(got == want, 0.0, np.abs(got - want))
        excess = np.where(error <= tolerance, np.minimum(error / np.maximum(tolerance, 1e-300), 1.0), np.inf)
        excess = np.where(np.isnan(got) & np.isnan(want), 0.0, excess)
        beyond = np.where(np.isinf(excess), np.nan_to_num(error / np.maximum(tolerance, 1e-300), nan=np.inf), excess)
    k = int(np.argmax(beyond))
    if not np.isinf(excess[k]):
        return Finding(leaf, "ok", method, "", k, float(got[k]), float(want[k]), float(tolerance[k]))
    verdict = "nan" if not np.isfinite(got[k]) and np.isfinite(want[k]) else "wrong"
    return Finding(leaf, verdict, method, reason, k, float(got[k]), float(want[k]), float(tolerance[k]))
