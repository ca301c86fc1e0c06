"""`jaxml train`: a model, trained on a set by name, a CSV file or a folder. Exit status 1 where training fails, 2 for
options that do not fit, 130 after Ctrl-C and 143 after SIGTERM, with everything saved."""

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

EXAMPLES = """
Examples:

jaxml train digits

jaxml train digits --model cnn_separable --epochs 40 --out runs/small --resume

jaxml train houses.csv --target price --optimizer adam --schedule constant

jaxml train fashion_mnist --batch-size 256 --mesh 8 --json

jaxml train seattle_weather

jaxml train translate

jaxml train translate --pairs mine.tsv --vocab-size 8000 --hidden-features 512
"""
CONFIG = "config.json"


def _complete_model(incomplete: str) -> list[str]:
    from jaxml import models

    return [name for name in models.names() if name.startswith(incomplete)]


def _complete_data(incomplete: str) -> list[str]:
    from jaxml import data

    return [
        name for name in (*data.names(), "fashion_mnist", "seattle_weather", "translate") if name.startswith(incomplete)
    ]


def _complete_optimizer(incomplete: str) -> list[str]:
    from jaxml.cli._train_recipe import rule_names

    return [name for name in rule_names() if name.startswith(incomplete)]


def train(
    source: str = typer.Argument(
        ..., metavar="DATA", help="A set by name, a CSV file, a folder; or translate.", autocompletion=_complete_data
    ),
    target: str | None = typer.Option(None, help="The column of a CSV file to predict."),
    task: str | None = typer.Option(
        None, help="Of a CSV file: classification or regression; unless given, text is classified, numbers are not."
    ),
    drop: list[str] = typer.Option([], help="A column of a CSV file to leave out; may be given several times."),
    text: list[str] = typer.Option([], help="A column of a CSV file whose numbers are names; likewise."),
    drop_missing_target: bool = typer.Option(False, "--drop-missing-target", help="Leave out lines without a target."),
    model: str | None = typer.Option(
        None,
        help="See `jaxml models`; cnn for images, mlp for tables and the recipe's for fashion_mnist unless given.",
        autocompletion=_complete_model,
    ),
    optimizer: str = typer.Option("adamw", help="A rule of jaxml.optim.", autocompletion=_complete_optimizer),
    learning_rate: float | None = typer.Option(
        None, min=0.0, help="The highest rate of the schedule; 0.003 unless given, or the set's recipe's."
    ),
    schedule: str = typer.Option("cosine", help="cosine, with a warm-up, or constant."),
    weight_decay: float | None = typer.Option(
        None, min=0.0, help="Of matrices and kernels, where the rule has it; none unless given, or the recipe's."
    ),
    epochs: int | None = typer.Option(
        None, min=1, help="Passes over the data; 20 unless given, or the set's recipe's."
    ),
    batch_size: int | None = typer.Option(None, min=1, help="Examples a step; 64 unless given, or the set's recipe's."),
    validation: float = typer.Option(0.2, help="The part held out, where the set has no test examples of its own."),
    size: int = typer.Option(64, min=1, help="Height and width that a folder's images are brought to."),
    augment: bool | None = typer.Option(
        None,
        help="Shift images by up to an eighth (or as the recipe says), at random; where not given, for convolutional "
        "networks.",
        show_default=False,
    ),
    pairs: Path | None = typer.Option(
        None, help="Of translate: a sentence, a tab and its translation a line; English-Korean catalogues unless given."
    ),
    vocab_size: int | None = typer.Option(
        None, min=260, help="Of translate: tokens, of both languages; 2000 unless given."
    ),
    max_length: int | None = typer.Option(
        None, min=1, help="Of translate: the most tokens of a sentence that is trained on, or written; 48 unless given."
    ),
    hidden_features: int | None = typer.Option(None, min=1, help="Of translate: units and features; 256 unless given."),
    beam_size: int | None = typer.Option(None, min=1, help="Of translate: beams on the test part; 4 unless given."),
    early_stopping: int | None = typer.Option(None, min=1, help="Stop after so many epochs without a lower val_loss."),
    compute_dtype: str | None = typer.Option(None, help="bfloat16 or float16: compute in half precision."),
    mesh: str | None = typer.Option(None, help="Devices: 8 (data), or 4x2 (data x model)."),
    fsdp: bool = typer.Option(False, "--fsdp", help="Cut parameters and optimizer over the data axis too."),
    seed: int = typer.Option(0, min=0, help="Fixes split, initial values, order and augmentation."),
    out: Path | None = typer.Option(None, help="Folder for checkpoints and metrics; runs/DATA-MODEL unless given."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the folder's newest checkpoint."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
    quiet: bool = typer.Option(False, "--quiet", help="No bar, and no line for each epoch."),
) -> None:
    """Train a model; the result's figures are those of the held-out examples.

    Everything is saved after each epoch, and by Ctrl-C and SIGTERM: the same command with --resume goes on to the same
    bits. The folder gets metrics.csv, metrics.jsonl, config.json and preprocessing.json.

    seattle_weather is a forecast a week ahead, and is compared with simple ones on a year that it has not seen.

    translate learns from pairs of sentences, and scores by BLEU and chrF what it makes of a tenth of them, which it has
    not seen; `jaxml predict FOLDER "a sentence"` then translates.

    With JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID set, or under Slurm and the like, the same
    command on every machine trains on all their devices.
    """
    asked = {
        name: value for name, value in locals().items() if name not in ("out", "resume", "as_json", "quiet", "mesh")
    }
    start = time.perf_counter()
    # What only this command needs is imported by it alone, so that `jaxml --help` stays as fast as it was.
    import jax

    from jaxml.cli._recipes import recipe_for
    from jaxml.cli._train_job import job_for
    from jaxml.cli._train_recipe import RecipeError, mesh_for, optimizer_for
    from jaxml.train import DamagedCheckpointError, EarlyStopping, LostProcessError, initialize_distributed

    recipe = recipe_for(source)
    epochs, batch_size = epochs or recipe.epochs, batch_size or recipe.batch_size
    learning_rate = recipe.learning_rate if learning_rate is None else learning_rate
    if weight_decay is None:  # the recipe's is for the rule that it was found with
        weight_decay = recipe.weight_decay if optimizer == "adamw" else 0.0
    model = model or recipe.model
    asked |= {
        "model": model, "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
        "weight_decay": weight_decay, "pairs": None if pairs is None else str(pairs),
    }  # fmt: skip
    try:
        stdout = _stdout_for_us_alone()
        initialize_distributed()  # one of several processes, where the environment says so
        first = jax.process_index() == 0  # the one that writes and prints
        quiet = quiet or not first
        if not 0 < validation < 1:
            raise RecipeError(f"--validation must lie strictly between 0 and 1, got {validation}")
        if schedule not in ("cosine", "constant"):
            raise RecipeError(f"--schedule must be cosine or constant, got {schedule!r}")
        devices = mesh_for(mesh)
        job = job_for(source, asked, recipe)
        rule = optimizer_for(optimizer, learning_rate, weight_decay, schedule, job.steps)
        folder = out or Path("runs") / f"{job.data}-{job.model}"
        _keep(folder, asked, job, resume, write=first)
    except (ValueError, TypeError, ImportError, OSError, RuntimeError) as error:
        raise typer.BadParameter(str(error)) from error
    for library in ("absl", "asyncio"):  # Orbax writes its threads' tracebacks there; the error says it in words
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        result = job.fit(
            asked,
            rule,
            callbacks=[] if quiet or Console(stderr=True).is_terminal else [_print_epoch],
            early_stopping=None if early_stopping is None else EarlyStopping(patience=early_stopping),
            best="val_loss",
            checkpoint_dir=folder,
            resume=resume,
            mesh=devices,
            sharding="fsdp" if fsdp else None,
            progress=not quiet,
        )
        figures = job.finish(result, folder) if first else {}
    except (ValueError, TypeError) as error:
        _leave_others(2, error)
        raise typer.BadParameter(str(error)) from error
    except (FloatingPointError, OSError, DamagedCheckpointError, LostProcessError) as error:
        _leave_others(1, error)
        print(_in_words(error), file=sys.stderr)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if stdout is not None:
        os.dup2(stdout, 1)
    if first:
        _report(result, job, figures, folder, time.perf_counter() - start, as_json)


def _stdout_for_us_alone() -> int | None:
    """Where there are several processes, Gloo writes a line on standard output, which is for the result: it goes to
    standard error. Returns what gives standard output back."""
    from jaxml.train._distributed import ADDRESS, CLUSTERS

    if not any(name in os.environ for name in (ADDRESS, *CLUSTERS)):
        return None
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


def _in_words(error: BaseException) -> str:
    return "\n".join([f"error: {error}", *getattr(error, "__notes__", ())])


def _leave_others(status: int, error: BaseException) -> None:
    """In a run of several processes say it and end at once: the usual way out waits for the others, until JAX's
    heartbeat gives them up, and those that live wait for this one."""
    import jax

    if jax.process_count() > 1:
        from jaxml.train._distributed import leave_at_once

        print(_in_words(error), file=sys.stderr, flush=True)
        leave_at_once(status)


def _print_epoch(epoch: Any) -> None:
    figures = "  ".join(f"{name} {value:.4g}" for name, value in epoch.figures.items())
    print(f"epoch {epoch.epoch}  step {epoch.step}  {figures}", file=sys.stderr, flush=True)


def _keep(folder: Path, asked: dict[str, Any], job: Any, resume: bool, write: bool) -> None:
    """Write the options and the preprocessing beside the checkpoints; a resumed run must have the same options."""
    path = folder / CONFIG
    if resume and path.exists():
        before = json.loads(path.read_text())
        changed = [
            f"--{k.replace('_', '-')} was {before.get(k)}, now {v}" for k, v in asked.items() if before.get(k) != v
        ]
        if changed:
            raise ValueError(f"--resume: {'; '.join(changed)}: to go on to the same bits, nothing may change")
        return
    if not resume and any(entry.name.isdigit() for entry in folder.glob("*")):
        raise ValueError(f"{folder} holds an earlier run: add --resume to go on with it, or --out for another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if write:
            job.keep(folder)
            path.write_text(json.dumps(asked, indent=2))
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written to: {error}; make room, or name another folder with --out"
        ) from error


def _report(result: Any, job: Any, figures: dict[str, Any], folder: Path, seconds: float, as_json: bool) -> None:
    last = {metric: values[-1] for metric, values in result.history.items()}
    best = {"epoch": result.best.epoch} | {k: v[result.best.epoch - 1] for k, v in result.history.items()}
    if as_json:
        print(
            json.dumps(
                {
                    "data": job.data, "model": job.model, "task": job.task, "examples": job.examples[0],
                    "validation_examples": job.examples[1], "steps": result.step, "seconds": seconds,
                    "stopped": result.stopped, "last": last, "best": best, "folder": str(folder),
                    "history": result.history,
                }
                | ({"test": figures} if figures else {}),
                indent=2,
            )
        )  # fmt: skip
        return
    table = Table(title=f"{job.model} on {job.data}: {job.examples[0]} examples, {result.step} steps")
    for heading in ("figure", f"epoch {len(result.history['loss'])}", f"best, epoch {best['epoch']}"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for metric, value in last.items():
        table.add_row(metric, f"{value:.4g}", f"{best[metric]:.4g}")
    table.caption = f"{seconds:.0f} s; checkpoints and metrics in {folder}"
    Console().print(table)
    if figures:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in figures.items() if not isinstance(value, str))
        print(f"test  {shown}")
