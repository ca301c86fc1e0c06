"""The suites by name, the rows that are asked for, and the loop that measures them."""

import re
import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from benchmarks import (
    _depthwise,
    _digits,
    _dispatch,
    _estimators,
    _fit,
    _functional,
    _models,
    _optimizers,
    _recurrent,
    _separable_conv,
)
from benchmarks._measure import guarded
from benchmarks._partial import Partial
from benchmarks._results import SuiteResult
from benchmarks._settings import Settings
from benchmarks._types import Suite, Task

SUITES: dict[str, Suite] = {
    module.SUITE.name: module.SUITE
    for module in (
        _separable_conv,
        _depthwise,
        _digits,
        _models,
        _functional,
        _recurrent,
        _optimizers,
        _dispatch,
        _fit,
        _estimators,
    )
}

Plan = list[tuple[Suite, list[Task]]]
Progress = Callable[[str, str, int, int], None]


def find(names: Sequence[str]) -> list[Suite]:
    """The named suites in their usual order, or all of them for no name; an unknown name lists the near ones."""
    for name in names:
        if name not in SUITES:
            near = get_close_matches(name, SUITES, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(SUITES)}"
            raise ValueError(f"unknown suite {name!r}: {hint}")
    return [suite for suite in SUITES.values() if not names or suite.name in names]


def plan(suites: Sequence[Suite], settings: Settings, pattern: str = "") -> Plan:
    """The rows to measure: those whose `suite/row` matches `pattern` somewhere, in either case."""
    try:
        matches = re.compile(pattern, re.IGNORECASE).search
    except re.error as error:
        raise ValueError(f"--filter {pattern!r} is no regular expression: {error}") from None
    tasks = [(suite, suite.tasks(settings)) for suite in suites]
    chosen = [(suite, [task for task in rows if matches(f"{suite.name}/{task[0]}")]) for suite, rows in tasks]
    chosen = [(suite, rows) for suite, rows in chosen if rows]
    if not chosen:
        names = [f"{suite.name}/{name}" for suite, rows in tasks for name, _ in rows]
        near = get_close_matches(pattern, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "--dry-run lists them"
        raise ValueError(f"--filter {pattern!r} matches none of {len(names)} rows: {hint}")
    return chosen


def names(planned: Plan) -> list[tuple[str, str]]:
    """`(suite, row)` of every row."""
    return [(suite.name, name) for suite, tasks in planned for name, _ in tasks]


def run(planned: Plan, settings: Settings, progress: Progress, partial: Partial) -> list[SuiteResult]:
    """Measure the rows that `partial` does not hold yet, and add each as soon as it is measured.

    `progress(suite, row, done, total)` is called before each.
    """
    total, done = len(names(planned)), 0
    for suite, tasks in planned:
        for name, task in tasks:
            progress(suite.name, name, done, total)
            if (suite.name, name) not in partial.rows:
                start = time.perf_counter()
                row = guarded(name, task, settings)
                partial.add(suite.name, name, time.perf_counter() - start, row)
            done += 1
    progress("", "done", done, total)
    return [_result(suite, tasks, partial) for suite, tasks in planned]


def _result(suite: Suite, tasks: list[Task], partial: Partial) -> SuiteResult:
    found = [partial.rows[suite.name, name] for name, _ in tasks]
    return SuiteResult(suite.name, sum(seconds for seconds, _ in found), [row for _, row in found])
