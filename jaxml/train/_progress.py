"""The progress bar of a training run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(show: bool, total: int) -> Iterator[Callable[[str, float, float], None]]:
    """Gives `advance(description, loss, steps_per_second)`. Silent where standard error is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:.1f} steps/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bar:
        task = bar.add_task("", total=total, loss=float("nan"), rate=0.0)

        def advance(description: str, loss: float, steps_per_second: float) -> None:
            bar.update(task, advance=1, description=description, loss=loss, rate=steps_per_second)

        yield advance
