"""Performance profiles: of several solvers on many problems, who is within a factor of the best, how often.

rho_s(tau) = share of the problems that solver s solves within tau times what the best solver of each takes. Height at
tau = 1: how often s is the best; height at the right: how often it solves the problem at all.
Paper: Dolan and More, Benchmarking optimization software with performance profiles, Math. Program. 91, 2002.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

Cost = float | None  # None: never solved
SOLVED = float(np.finfo(float).max)  # a tau that only an infinite ratio exceeds


def ratios(costs: Mapping[str, Sequence[Cost]]) -> dict[str, np.ndarray]:
    """Each solver's cost over the best one's, problem by problem; infinite where it never solved it.

    Errors: `ValueError` for solvers with different numbers of problems.
    """
    if len({len(row) for row in costs.values()}) > 1:
        raise ValueError(f"ratios: every solver needs the same problems, got { {s: len(c) for s, c in costs.items()} }")
    table = np.array([[math.inf if c is None else c for c in row] for row in costs.values()], float)
    best = table.min(0) if table.size else table
    # A problem that nobody solves counts against everybody: inf / inf would drop it.
    table = np.divide(table, best, out=np.full_like(table, math.inf), where=np.isfinite(table))
    return dict(zip(costs, table, strict=True))


def profile(of_one: np.ndarray, tau: float) -> float:
    """rho(tau) of one solver, from its ratios; 0 for no problems."""
    return float(np.mean(of_one <= tau)) if of_one.size else 0.0
