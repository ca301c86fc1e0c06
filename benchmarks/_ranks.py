"""Telling a change from noise: a rank test, which needs no normal distribution, and its correction for many tests."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

EXACT = 60  # samples together, up to which every arrangement is counted; all counts fit 64 bits


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p-value of the Mann-Whitney test: how likely samples from one distribution are ranked so unevenly.

    Exact for few samples without ties; else the normal approximation with corrections for ties and continuity.

    >>> mann_whitney([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])  # 2 of the 20 arrangements
    0.1
    """
    if not len(a) or not len(b):
        raise ValueError("mann_whitney: both need at least one sample")
    n, m = len(a), len(b)
    _, inverse, counts = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # equal samples share their mean rank
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    larger = max(u, n * m - u)
    if len(counts) == n + m <= EXACT:
        arrangements = _arrangements(n, m)
        return min(1.0, 2 * int(arrangements[int(larger) :].sum()) / int(arrangements.sum()))
    ties = float((counts**3 - counts).sum()) / ((n + m) * (n + m - 1))
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - ties))
    if deviation == 0:  # all are equal
        return 1.0
    return min(1.0, math.erfc((larger - n * m / 2 - 0.5) / deviation / math.sqrt(2)))


def smallest_p(n: int, m: int) -> float:
    """What `mann_whitney` gives at least for so many samples."""
    return min(1.0, 2 / math.comb(n + m, n))


@lru_cache
def _arrangements(n: int, m: int) -> np.ndarray:
    """Of n + m ranks, how many have the statistic u, for each u from 0 to n m: a Gaussian binomial's coefficients."""
    counts = np.zeros(n * m + 1, np.int64)
    counts[0] = 1
    for i in range(1, n + 1):
        for at in range(n * m, m + i - 1, -1):  # times 1 - q^(m + i)
            counts[at] -= counts[at - m - i]
        for at in range(i, n * m + 1):  # over 1 - q^i
            counts[at] += counts[at - i]
    return counts


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """The q-values: calling everything with q < 0.05 changed is wrong in at most 5 % of the calls, on average.

    >>> benjamini_hochberg([0.01, 0.5, 0.02, 0.5])
    [0.04, 0.5, 0.04, 0.5]
    """
    order = np.argsort(p)[::-1]  # the largest first
    q = np.asarray(p, float)[order] * len(order) / np.arange(len(order), 0, -1)
    out = np.empty(len(order))
    out[order] = np.minimum.accumulate(np.minimum(q, 1.0))
    return out.tolist()
