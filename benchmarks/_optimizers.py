"""Suite `optimizers`: what an update costs, and how many updates small real problems take."""

from benchmarks import _optimizer_steps, _optimizer_update, _optimizers_report
from benchmarks._settings import Settings
from benchmarks._types import Suite, Task


def tasks(settings: Settings) -> list[Task]:
    return [*_optimizer_update.tasks(settings), *_optimizer_steps.tasks(settings)]


SUITE = Suite(
    "optimizers",
    "Optimizers: the cost of an update, and steps to a target",
    tasks,
    _optimizers_report.tables,
    _optimizers_report.summary,
)
