"""One result file against an earlier one: what became slower, told from noise."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _results
from benchmarks._ranks import benjamini_hochberg, mann_whitney, smallest_p
from benchmarks._results import Measured, Report, differences

LEVEL = 0.05  # of falsely called changes
THRESHOLD = 1.10
DEVICE = ("platform", "timed_on", "cpu", "cores")
SETTINGS = ("dtype", "size", "batch", "peers")


@dataclass(frozen=True)
class Change:
    """One time in both files: medians in seconds, their ratio (above 1: slower now), p, q and the verdict."""

    suite: str
    row: str
    key: str
    old: float
    new: float
    ratio: float
    p: float
    q: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    changes: list[Change]
    drift: float  # median of the plain ratios: how much slower the machine was as a whole
    relative: bool
    threshold: float
    alone: list[str]  # what only one of the files holds
    few: int  # times of which there are too few samples for any change to be told

    def verdicts(self, verdict: str) -> list[Change]:
        return [change for change in self.changes if change.verdict == verdict]


def require_threshold(threshold: float) -> None:
    if not 1 <= threshold < math.inf:
        raise ValueError(f"--threshold must be at least 1 (1.10: 10 % slower), got {threshold}")


def load(path: Path) -> Report:
    """A report to compare with: of this schema, and with its samples."""
    report = _results.load(path)
    if report.schema != _results.SCHEMA:
        raise ValueError(f"{path}: is of schema {report.schema}, and only schema {_results.SCHEMA} can be compared")
    if not any(m.raw for result in report.suites for row in result.rows for m in row.times.values()):
        raise ValueError(f"{path}: holds no samples to compare")
    return report


def require_comparable(
    old: Report, device: dict[str, Any], settings: dict[str, Any], rows: Iterable[tuple[str, str]], path: Path
) -> None:
    """An error with every reason why `old`, of `path`, says nothing about a run of these."""
    reasons = [*differences(old.device, device, DEVICE), *differences(old.settings, settings, SETTINGS)]
    if reasons:
        raise ValueError(f"{path}: measured otherwise, {'; '.join(reasons)}")
    if set(_rows(old)).isdisjoint(rows):
        raise ValueError(f"{path}: no row in common")


def compare(new: Report, old: Report, *, threshold: float = THRESHOLD, relative: bool = False) -> Comparison:
    """Every time that both hold, by a Mann-Whitney test on the samples, corrected after Benjamini and Hochberg.

    A change is called where q < 0.05 and the ratio of medians is beyond `threshold`, or below its inverse.
    relative: ratios to the median ratio of all, which takes out that the whole machine was slower. Then what slowed
    everything alike is not seen.
    """
    before, after = _times(old), _times(new)
    keys = [key for key in after if key in before and before[key].raw and after[key].raw]
    drift = float(np.median([after[key].median / before[key].median for key in keys])) if keys else 1.0
    scale = drift if relative else 1.0
    p = [mann_whitney([s / scale for s in after[key].raw], before[key].raw) for key in keys]
    changes = []
    for key, p_value, q in zip(keys, p, benjamini_hochberg(p), strict=True):
        was, now = before[key].median, after[key].median
        ratio = now / was / scale
        changed = q < LEVEL
        verdict = (
            "slower" if changed and ratio > threshold else "faster" if changed and ratio < 1 / threshold else "same"
        )
        changes.append(Change(*key, was, now, ratio, p_value, q, verdict))
    few = sum(smallest_p(len(before[key].raw), len(after[key].raw)) >= LEVEL for key in keys)
    return Comparison(changes, drift, relative, threshold, _alone(new, old), few)


def _rows(report: Report) -> list[tuple[str, str]]:
    return [(result.name, row.name) for result in report.suites for row in result.rows]


def _times(report: Report) -> dict[tuple[str, str, str], Measured]:
    rows = ((result.name, row) for result in report.suites for row in result.rows)
    return {(suite, row.name, key): m for suite, row in rows for key, m in row.times.items()}


def _alone(new: Report, old: Report) -> list[str]:
    """What one file lacks, at the coarsest level: whole suites, then rows, then times."""
    out = []
    for where, mine, others in (("new", new, old), ("old", old, new)):
        suites, rows, times = {r.name for r in others.suites}, set(_rows(others)), _times(others)
        for result in mine.suites:
            if result.name not in suites:
                out.append(f"only in the {where} file: suite {result.name}, {len(result.rows)} rows")
                continue
            for row in result.rows:
                if (result.name, row.name) not in rows:
                    out.append(f"only in the {where} file: {result.name}/{row.name}")
                    continue
                lacking = [key for key in row.times if (result.name, row.name, key) not in times]
                out += [f"only in the {where} file: {result.name}/{row.name}, {', '.join(lacking)}"] if lacking else []
    return out
