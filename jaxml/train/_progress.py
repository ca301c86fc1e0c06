"""The progress bar of a training run."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 0.1  # seconds between two drawings of the bar: a step costs it next to nothing

Advance = Callable[[str, Mapping[str, float]], None]


@contextmanager
def progress_bar(show: bool, total: int | None, done: int = 0) -> Iterator[Advance]:
    """Gives `advance(description, figures)`, to be called for every step. Silent where standard error is no terminal.

    The bar shows the steps done of `total` (None where only the data's end will tell), the figures of the last step,
    steps a second and the time left.
    """
    console = Console(stderr=True)
    if not (show and console.is_terminal):
        yield lambda description, figures: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}  {task.fields[rate]:.1f} steps/s"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task("compiling", total=total, completed=done, figures="", rate=0.0)
        steps, drawn, drawn_steps = done, time.perf_counter(), done

        def advance(description: str, figures: Mapping[str, float]) -> None:
            nonlocal steps, drawn, drawn_steps
            steps += 1
            now = time.perf_counter()
            if now - drawn < EVERY and steps != total and steps > done + 1:
                return
            rate = (steps - drawn_steps) / max(now - drawn, 1e-9)
            names = sorted(figures.keys() - {"examples"}, key=lambda name: (name != "loss", name))
            text = "  ".join(f"{name} {figures[name]:.4g}" for name in names)
            bar.update(task, completed=steps, description=description, figures=text, rate=rate)
            drawn, drawn_steps = now, steps

        yield advance
