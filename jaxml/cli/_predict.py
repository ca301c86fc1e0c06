"""`jaxml predict`: what a network with pretrained weights sees on images, or what one that was trained here writes.
Exit status 1 where an image cannot be read, 2 for options that do not fit."""

import json
import time
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from jaxml.cli._predict_series import forecast, is_series
from jaxml.cli._predict_text import is_run, translate

EXAMPLES = """
Examples:

jaxml predict mobilenet_v2 cat.jpg dog.png --weights mobilenet_v2-b0353104.pth --labels labels.txt

jaxml predict resnet50 photographs/ --weights hub:timm/resnet50.a1_in1k --batch-size 32 --json

jaxml predict runs/translate-seq2seq "Cannot find module '{0}'."

jaxml predict runs/seattle_weather-forecaster last_weeks.csv
"""


def _complete_model(incomplete: str) -> list[str]:
    from jaxml import models

    return [name for name in models.names() if name.startswith(incomplete)]


def predict(
    model: str = typer.Argument(
        ..., help="A model, see `jaxml models`, or the folder of a run.", autocompletion=_complete_model
    ),
    images: list[str] = typer.Argument(
        ...,
        metavar="IMAGE...",
        help="Image files, or folders of them at any depth; of a run that translates, sentences, or - to "
        "read them; of one that forecasts, CSV files.",
    ),
    weights: str | None = typer.Option(
        None,
        help="A file or folder of weights (.pth, .safetensors, .h5, .pb, .npz, TensorFlow.js), or hub:owner/repo; a "
        "run has its own.",
    ),
    labels: Path | None = typer.Option(None, help="Names of the classes: a line each, or JSON."),
    top: int | None = typer.Option(None, min=1, help="So many classes an image: 5, with a folder 1, unless given."),
    batch_size: int = typer.Option(16, min=1, help="Images that go through the network at once."),
    num_classes: int | None = typer.Option(None, min=1, help="Classes of the weights; the model's own unless given."),
    ignore: list[str] = typer.Option([], help="Names in the weights to pass over, as a pattern; may be given again."),
    beam_size: int = typer.Option(4, min=1, help="Of a translation: the sequences that are kept at each step."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Classify images with pretrained weights: the likeliest classes of each, and with a folder the speed.

    Images are prepared as the weights need it, and batch norms are folded into the convolutions before them. An image
    that cannot be read is reported, the others go on.

    With the folder of a run of `jaxml train translate`, sentences are translated; with that of `jaxml train
    seattle_weather`, the week after the last day of each CSV file is forecast.
    """
    if is_run(model):
        _of_run(Path(model), images, weights, beam_size, as_json)
        return
    if weights is None:
        raise typer.BadParameter(f"{model} needs --weights: a file, a folder, or hub:owner/repo")
    # With Flax and JAX, which `jaxml --help` does without.
    from jaxml.cli._predict_images import Classifier, chunks, gather, read_labels

    try:
        files = [Path(image) for image in images]
        paths = gather(files)
        options = {} if num_classes is None else {"num_classes": num_classes}
        classifier = Classifier(model, weights, ignore=ignore, **options)
        names = classifier.labels if labels is None else read_labels(labels, classifier.num_classes)
    except (ValueError, ImportError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    folders = any(path.is_dir() for path in files)
    shown = min(top or (1 if folders else 5), classifier.num_classes)
    results: list[dict[str, Any]] = []
    seconds = []
    with _progress() as bar:
        task = bar.add_task("predicting", total=len(paths))
        start = time.perf_counter()
        for chunk in chunks(paths, min(batch_size, len(paths)), classifier.read):
            results += classifier.classify(chunk, min(batch_size, len(paths)), shown, names)
            seconds.append((len(chunk), time.perf_counter() - start))
            start = time.perf_counter()
            bar.advance(task, len(chunk))
    speed = _speed(seconds) if folders else None
    if as_json:
        print(
            json.dumps({"model": model, "weights": weights, "images_per_second": speed, "results": results}, indent=2)
        )
    else:
        _print(results, model, speed, seconds)
    if any("error" in result for result in results):
        raise typer.Exit(1)


def _of_run(folder: Path, texts: list[str], weights: str | None, beam_size: int, as_json: bool) -> None:
    try:
        if weights is not None:
            raise ValueError(f"predict: {folder} has its own weights: leave --weights out")
        if is_series(folder):
            forecast(folder, texts, as_json=as_json)
        else:
            translate(folder, texts, beam_size=beam_size, as_json=as_json)
    except (ValueError, ImportError, OSError) as error:
        raise typer.BadParameter(str(error)) from error


def _progress() -> Progress:
    """On standard error, and only where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def _speed(seconds: list[tuple[int, float]]) -> float:
    """Images a second, without the first batch, which compiles, if there are others."""
    measured = seconds[1:] or seconds
    return sum(n for n, _ in measured) / sum(s for _, s in measured)


def _print(results: list[dict[str, Any]], model: str, speed: float | None, seconds: list[tuple[int, float]]) -> None:
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    for result in results:
        if "error" in result:
            errors.print(result["error"], style="red", markup=False)
    table = Table(title=f"jaxml predict: {model}")
    for heading, justify in (("image", "left"), ("class", "right"), ("label", "left"), ("probability", "right")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for result in results:
        for place, row in enumerate(result.get("predictions", ())):
            last = 0 < place == len(result["predictions"]) - 1
            name = "" if place else result["image"]
            table.add_row(name, str(row["class"]), row["label"], f"{row['probability']:.3f}", end_section=last)
    read = sum("error" not in result for result in results)
    if read:
        Console().print(table)
    if speed is not None:
        apart = "" if len(seconds) == 1 else ", the first batch, which compiles, apart"
        Console(soft_wrap=True).print(f"{read} of {len(results)} images, {speed:.1f} images/s{apart}")
