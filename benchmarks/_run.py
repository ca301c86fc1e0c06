"""One run of the suites: a bar, the ceilings, the rows that are still lacking, and what an interruption leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import _ceilings, _compare, _suites
from benchmarks._measure import guarded
from benchmarks._partial import Partial
from benchmarks._results import Report
from benchmarks._settings import Settings
from jaxml import flops

RETRIES = 2  # measurements after the first that must find a row slower as well


def measure(planned: _suites.Plan, settings: Settings, partial: Partial, console: Console) -> Report:
    """Measure what `partial` lacks, at the ceilings it was begun with; whatever stops it, how to go on is said."""
    header = partial.header
    try:
        if header["ceilings"] is None:
            header["ceilings"] = _ceilings.probe(settings).as_dict()
        partial.start()
        settings = replace(settings, ceilings=flops.Ceilings.from_dict(header["ceilings"]))
        with _bar(console) as step:
            suites = _suites.run(planned, settings, step, partial)
    except BaseException:
        total = len(_suites.names(planned))
        kept = f"{len(partial.rows)} of {total} rows are kept in {partial.path}"
        typer.echo(f"interrupted: {kept}; the same command with --resume goes on from there", err=True)
        raise
    return Report(header["created"], header["device"], header["settings"], suites, ceilings=header["ceilings"])


def confirm(
    report: Report, old: Report, planned: _suites.Plan, settings: Settings, *, threshold: float, relative: bool
) -> _compare.Comparison:
    """`report` against `old`; rows that seem slower are measured again, in `report` too, and again, before it is said.

    A test on the samples of one run knows nothing of a minute in which the whole machine was slow.
    """
    if report.ceilings is not None:
        settings = replace(settings, ceilings=flops.Ceilings.from_dict(report.ceilings))
    tasks = {(suite.name, name): task for suite, rows in planned for name, task in rows}
    compared = _compare.compare(report, old, threshold=threshold, relative=relative)
    for _ in range(RETRIES):
        slower = {(change.suite, change.row) for change in compared.verdicts("slower")}
        if not slower:
            break
        typer.echo(f"{len(slower)} rows seem slower and are measured again", err=True)
        for result in report.suites:
            result.rows = [
                guarded(row.name, tasks[result.name, row.name], settings) if (result.name, row.name) in slower else row
                for row in result.rows
            ]
        compared = _compare.compare(report, old, threshold=threshold, relative=relative)
    return compared


@contextmanager
def _bar(console: Console) -> Iterator[_suites.Progress]:
    """Yields what `_suites.run` calls before each row."""
    columns = (TextColumn("{task.fields[suite]:<14}"), BarColumn(16), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console, transient=True) as progress:
        task = progress.add_task("starting", suite="", total=None)

        def step(suite: str, row: str, done: int, total: int) -> None:
            progress.update(task, suite=suite, description=escape(row[:27]), completed=done, total=total)

        yield step
