"""Command line of the suites: `python -m benchmarks`."""

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks import (
    _compare,
    _compare_text,
    _device,
    _keras_peers,
    _partial,
    _readme,
    _results,
    _run,
    _suites,
    _torch_peers,
)
from benchmarks._settings import Settings

NEED_SKLEARN = {"digits", "optimizers", "estimators"}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
OUT = Path(__file__).resolve().parent / "out"
THRESHOLD_HELP = f"Ratio from which slower is a regression [default: {_compare.THRESHOLD:.2f}]."
RELATIVE_HELP = "Compare relative to the median ratio of all times."


@contextmanager
def _usage_errors():
    """A bad request is one line and exit code 2, not a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="More shapes and rounds, networks at 224 px; minutes.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Run this suite alone; may be repeated.")] = None,
    filter_: Annotated[str, typer.Option("--filter", help="Only rows whose suite/row matches this regex.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the suites and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the rows and stop.")] = False,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    batch: Annotated[int | None, typer.Option(help="Examples per call [default: 4 or 8; digits: 64].")] = None,
    json: Annotated[Path | None, typer.Option(help="Result file [default: OUT/results.json].")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result file, plots and page.")] = OUT,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    compare: Annotated[Path | None, typer.Option(help="An earlier result file; exit 1 if anything is slower.")] = None,
    threshold: Annotated[float | None, typer.Option(help=THRESHOLD_HELP)] = None,
    relative: Annotated[bool, typer.Option("--relative", help=RELATIVE_HELP)] = False,
    peers: Annotated[
        bool, typer.Option("--peers", help="Time PyTorch and Keras beside it, in the same rounds.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of inputs and initial weights.")] = 0,
    tiny: Annotated[bool, typer.Option("--tiny", hidden=True)] = False,
) -> None:
    """Compare standard with depthwise-separable convolution: operations, bytes, and what became time."""
    if context.invoked_subcommand is not None:
        return
    if list_:
        for suite in _suites.SUITES.values():
            typer.echo(f"{suite.name:<14} {suite.title}")
        return
    with _usage_errors():
        size = "tiny" if tiny else "full" if full else "quick"
        settings = Settings(size, dtype, batch, peers, seed)
        planned = _suites.plan(_suites.find(only or []), settings, filter_)
        if dry_run:
            return _list(planned)
        if compare is None and (threshold is not None or relative):
            raise ValueError("--threshold and --relative need --compare")
        limit = _compare.THRESHOLD if threshold is None else threshold
        _compare.require_threshold(limit)
        chosen = {suite.name for suite, _ in planned}
        if peers:
            _torch_peers.require()
        if peers and "models" in chosen:
            _keras_peers.require()
        _require("matplotlib", *(["sklearn"] if chosen & NEED_SKLEARN else []))
        target = json or out / "results.json"
        if target.is_dir():
            raise ValueError(f"the result file cannot be a folder: {target}")
        device = _device.describe(peers=peers)
        old = None if compare is None else _compare.load(compare)
        if old is not None and compare is not None:
            _compare.require_comparable(old, device, settings.as_dict(), _suites.names(planned), compare)
        header = _partial.header(datetime.now(UTC).isoformat(timespec="seconds"), device, settings.as_dict())
        partial, note = _partial.open_for(target, header, _suites.names(planned), resume=resume)
        _require_writable(out, target.parent)
    console = Console()
    console.print(f"{_device.line(device)}, {dtype}, {size} run", style="bold", highlight=False)
    if note:
        console.print(note, highlight=False, soft_wrap=True)
    try:
        report = _run.measure(planned, settings, partial, console)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    compared = None
    if old is not None:
        compared = _run.confirm(report, old, planned, settings, threshold=limit, relative=relative)
    _show(report, console)
    _results.save(report, target)
    partial.remove()
    _write(report, out, console)
    console.print(f"results: {target}", highlight=False, soft_wrap=True)
    if compared is not None:
        _verdict(compared, console)


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="A result file.")],
    out: Annotated[Path, typer.Option(help="Folder for the plots and the page.")] = OUT,
) -> None:
    """Print and draw an earlier run again from its result file."""
    with _usage_errors():
        _require("matplotlib")
        loaded = _results.load(results)
        if unknown := [result.name for result in loaded.suites if result.name not in _suites.SUITES]:
            raise ValueError(f"{results}: of an older version, with suites that are gone: {', '.join(unknown)}")
        _require_writable(out)
    console = Console()
    _show(loaded, console)
    _write(loaded, out, console)


@app.command()
def readme(results: Annotated[Path, typer.Option(help="A committed file under benchmarks/results/.")]) -> None:
    """Regenerate the table between README.md's markers from a committed result file."""
    with _usage_errors():
        _readme.update(results, _device.ROOT)
    typer.echo(f"README.md now shows {results}")


@app.command("compare")
def compare_files(
    new: Annotated[Path, typer.Argument(help="A result file.")],
    old: Annotated[Path, typer.Argument(help="An earlier one of the same device and settings.")],
    threshold: Annotated[float, typer.Option(help=THRESHOLD_HELP)] = _compare.THRESHOLD,
    relative: Annotated[bool, typer.Option("--relative", help=RELATIVE_HELP)] = False,
) -> None:
    """Tell what became slower between two result files, without running anything; exit 1 if anything did."""
    with _usage_errors():
        _compare.require_threshold(threshold)
        after, before = _compare.load(new), _compare.load(old)
        rows = [(result.name, row.name) for result in after.suites for row in result.rows]
        _compare.require_comparable(before, after.device, after.settings, rows, old)
    _verdict(_compare.compare(after, before, threshold=threshold, relative=relative), Console())


def _list(planned: _suites.Plan) -> None:
    for suite, tasks in planned:
        typer.echo(f"{suite.name}: {suite.title} ({len(tasks)})")
        for name, _ in tasks:
            typer.echo(f"  {suite.name}/{name}")
    typer.echo(f"{len(_suites.names(planned))} rows; nothing was measured")


def _verdict(comparison: _compare.Comparison, console: Console) -> None:
    console.rule("[bold]compared[/bold]", align="left")
    _compare_text.show(comparison, console)
    if comparison.verdicts("slower"):
        raise typer.Exit(1)


def _show(report: _results.Report, console: Console) -> None:
    for result in report.suites:
        suite = _suites.SUITES[result.name]
        console.rule(f"[bold]{result.name}[/bold]: {escape(suite.title)} ({result.seconds:.0f} s)", align="left")
        for table in suite.tables(result):
            console.print(table.rich())
        for row in result.rows:
            for note in row.notes:
                console.print(f"! {row.name}: {note}", style="yellow", markup=False, highlight=False)
    console.rule("[bold]in short[/bold]", align="left")
    for result in report.suites:
        for line in _suites.SUITES[result.name].summary(result):
            console.print(f"* {line}", markup=False, highlight=False)


def _write(report: _results.Report, out: Path, console: Console) -> None:
    from benchmarks import _html, _plots  # matplotlib takes a second, which --list and errors need not wait for

    page = out / "report.html"
    images = _plots.write_all(report, out)
    _html.write(report, images, page)
    plots = sum(map(len, images.values()))
    console.print(f"page:    {page} (plots beside it: {plots})", highlight=False, soft_wrap=True)


def _require(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} not installed: pip install 'jaxml-nn[bench]'")


def _require_writable(*folders: Path) -> None:
    """Find out that results cannot be written before the minutes it takes to make them."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise ValueError(f"cannot write to {folder}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
