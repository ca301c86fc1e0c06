"""Command line of the mutation suite: `python -m tests.gradient_mutations`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import CORRECT, MUTANTS, scores
from .peers import CHECKERS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    only: Annotated[str, typer.Option(help="Only cases whose name or group holds this text; writes no page.")] = "",
    checker: Annotated[list[str] | None, typer.Option(help="Only this checker; may be repeated.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Keeps verdicts in this file, and goes on where it ends.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = scores.PAGE,
) -> None:
    """Let every checker judge every mutant and every correct case, and write the page of the docs."""
    unknown = set(checker or ()) - set(CHECKERS)
    if unknown:
        raise typer.BadParameter(f"no checker {', '.join(sorted(unknown))}; there are {', '.join(CHECKERS)}")
    cases = [case for case in [*MUTANTS, *CORRECT] if only in case.name or only in case.group]
    checkers = checker or list(CHECKERS)
    console = Console()
    columns = (TextColumn("{task.description:60.60}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(cases) * len(checkers))

        def tell(case: object, name: str) -> None:
            progress.update(task, advance=1, description=str(case))

        known = scores.load(results)
        verdicts = scores.run(cases, checkers, known, results, tell)
    console.print("\n".join(scores.summary(verdicts)), highlight=False, soft_wrap=True)
    if only or checker:
        for name in checkers:
            console.print("\n".join([f"\n{name}", *scores.failures(verdicts, name)]), markup=False, highlight=False)
    else:
        kept = sum((verdict.case, verdict.checker) in known for verdict in verdicts)
        scores.write(scores.page(cases, verdicts, kept), out)
        console.print(f"written: {out}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
