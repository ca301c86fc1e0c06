"""What a suite is."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks._results import Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._tables import Table

Task = tuple[str, Callable[[Settings], Row]]  # its name, and what measures it


@dataclass(frozen=True)
class Suite:
    """`tasks` lists the rows to measure; `tables` and `summary` are drawn from the result alone, so also from JSON."""

    name: str
    title: str
    tasks: Callable[[Settings], list[Task]]
    tables: Callable[[SuiteResult], list[Table]]
    summary: Callable[[SuiteResult], list[str]]
