"""Suite `dispatch`: what is paid besides computing: Python for each call, imports, compilation, counting FLOPs."""

from benchmarks import _dispatch_calls, _dispatch_compile, _dispatch_count, _dispatch_imports, _dispatch_report
from benchmarks._settings import Settings
from benchmarks._types import Suite, Task


def tasks(settings: Settings) -> list[Task]:
    parts = (_dispatch_calls, _dispatch_imports, _dispatch_compile, _dispatch_count)
    return [task for part in parts for task in part.tasks(settings)]


SUITE = Suite(
    "dispatch",
    "Overhead: Python for each call, imports, compilation, counting",
    tasks,
    _dispatch_report.tables,
    _dispatch_report.summary,
)
