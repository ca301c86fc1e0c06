"""The suites by name, and the loop that runs them."""

import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from benchmarks import _depthwise, _digits, _layers, _networks, _sweep
from benchmarks._measure import guarded
from benchmarks._results import SuiteResult
from benchmarks._settings import Settings
from benchmarks._types import Suite

SUITES: dict[str, Suite] = {
    module.SUITE.name: module.SUITE for module in (_layers, _depthwise, _sweep, _digits, _networks)
}


def find(names: Sequence[str]) -> list[Suite]:
    """The named suites in their usual order, or all of them for no name; an unknown name lists the near ones."""
    for name in names:
        if name not in SUITES:
            near = get_close_matches(name, SUITES, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(SUITES)}"
            raise ValueError(f"unknown suite {name!r}: {hint}")
    return [suite for suite in SUITES.values() if not names or suite.name in names]


Progress = Callable[[str, str, int, int], None]


def run(suites: Sequence[Suite], settings: Settings, progress: Progress) -> list[SuiteResult]:
    """Measure every row of every suite; `progress(suite, row, done, total)` is called before each."""
    planned = [(suite, suite.tasks(settings)) for suite in suites]
    total, done, results = sum(len(tasks) for _, tasks in planned), 0, []
    for suite, tasks in planned:
        start, rows = time.perf_counter(), []
        for name, task in tasks:
            progress(suite.name, name, done, total)
            rows.append(guarded(name, task))
            done += 1
        results.append(SuiteResult(suite.name, time.perf_counter() - start, rows))
    progress("", "done", done, total)
    return results
