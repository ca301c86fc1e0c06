"""Command line of the suites: `python -m benchmarks`."""

import os
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import _device, _readme, _results, _suites, _torch_peers
from benchmarks._settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
OUT = Path(__file__).resolve().parent / "out"


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
    list_: Annotated[bool, typer.Option("--list", help="List the suites and stop.")] = False,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    batch: Annotated[int | None, typer.Option(help="Examples per call [default: 4 or 8; digits: 64].")] = None,
    json: Annotated[Path | None, typer.Option(help="Result file [default: OUT/results.json].")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result file, plots and page.")] = OUT,
    peers: Annotated[bool, typer.Option("--peers", help="Time PyTorch beside it, in the same rounds.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of inputs and initial weights.")] = 0,
    tiny: Annotated[bool, typer.Option("--tiny", hidden=True)] = False,
) -> None:
    """Compare standard with depthwise-separable convolution: operations, bytes, and what became time."""
    if context.invoked_subcommand is not None:
        return
    if list_:
        for suite in _suites.SUITES.values():
            typer.echo(f"{suite.name:<10} {suite.title}")
        return
    with _usage_errors():
        size = "tiny" if tiny else "full" if full else "quick"
        settings = Settings(size, dtype, batch, peers, seed)
        suites = _suites.find(only or [])
        if peers:
            _torch_peers.require()
        _require("matplotlib", *(["sklearn"] if any(suite.name == "digits" for suite in suites) else []))
        target = json or out / "results.json"
        if target.is_dir():
            raise ValueError(f"the result file cannot be a folder: {target}")
        _require_writable(out, target.parent)
    console = Console()
    device = _device.describe(peers=peers)
    console.print(f"{_device.line(device)}, {dtype}, {size} run", style="bold", highlight=False)
    report = _results.Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device,
        settings=asdict(settings),
        suites=_run(suites, settings, console),
    )
    _show(report, console)
    _results.save(report, target)
    _write(report, out, console)
    console.print(f"results: {target}", highlight=False, soft_wrap=True)


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="A result file.")],
    out: Annotated[Path, typer.Option(help="Folder for the plots and the page.")] = OUT,
) -> None:
    """Print and draw an earlier run again from its result file."""
    with _usage_errors():
        _require("matplotlib")
        loaded = _results.load(results)
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


def _run(suites: list, settings: Settings, console: Console) -> list[_results.SuiteResult]:
    columns = (TextColumn("{task.fields[suite]:<9}"), BarColumn(16), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console, transient=True) as progress:
        bar = progress.add_task("starting", suite="", total=None)

        def step(suite: str, row: str, done: int, total: int) -> None:
            progress.update(bar, suite=suite, description=escape(row[:32]), completed=done, total=total)

        return _suites.run(suites, settings, step)


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
