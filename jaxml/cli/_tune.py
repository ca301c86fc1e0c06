"""`jaxml tune`: many trainings, the next one's settings chosen by Optuna from how the earlier ones went. Exit status 1
where trials cannot be made, 2 for options that do not fit, 130 after Ctrl-C and 143 after SIGTERM."""

import logging
import os
import sys
import time
from pathlib import Path

import typer

from jaxml.cli._train import _complete_data, _complete_model, _complete_optimizer

EXAMPLES = """
Examples:

jaxml tune digits

jaxml tune digits --optimizer adamw,sgd --learning-rate 1e-4:1 --trials 40 --workers 2

jaxml tune houses.csv --target price --model linear,mlp --epochs 10 --pruner hyperband

jaxml tune digits --trials 80          (the same study goes on, to 80 trials)
"""
LEARNING_RATE, WEIGHT_DECAY = "1e-4:1e-1", "1e-5:1e-1"


def tune(
    source: str = typer.Argument(
        ..., metavar="DATA", help="What `jaxml train` takes: a set, a file, a folder.", autocompletion=_complete_data
    ),
    learning_rate: str = typer.Option(LEARNING_RATE, help="The highest rate of the schedule."),
    weight_decay: str = typer.Option(WEIGHT_DECAY, help="Of matrices and kernels, where the rule has it."),
    optimizer: str = typer.Option("adamw", help="Rules of jaxml.optim.", autocompletion=_complete_optimizer),
    model: str | None = typer.Option(
        None, help="See `jaxml models`; that of `jaxml train` unless given.", autocompletion=_complete_model
    ),
    batch_size: str | None = typer.Option(None, help="Examples a step; that of `jaxml train` unless given."),
    schedule: str = typer.Option("cosine", help="cosine, with a warm-up, or constant."),
    target: str | None = typer.Option(None, help="The column of a CSV file to predict."),
    task: str | None = typer.Option(None, help="Of a CSV file: classification or regression."),
    drop: list[str] = typer.Option([], help="A column of a CSV file to leave out; may be given several times."),
    text: list[str] = typer.Option([], help="A column of a CSV file whose numbers are names; likewise."),
    drop_missing_target: bool = typer.Option(False, "--drop-missing-target", help="Leave out lines without a target."),
    size: int = typer.Option(64, min=1, help="Height and width that a folder's images are brought to."),
    augment: bool | None = typer.Option(None, help="As `jaxml train` does it.", show_default=False),
    validation: float = typer.Option(0.2, help="The part held out, where the set has no test examples of its own."),
    epochs: int | None = typer.Option(None, min=1, help="Of each trial; those of `jaxml train` unless given."),
    compute_dtype: str | None = typer.Option(None, help="bfloat16 or float16: compute in half precision."),
    seed: int = typer.Option(0, min=0, help="Of each training, and of the search."),
    trials: int = typer.Option(20, min=1, help="How many the study has in the end, those of earlier runs included."),
    workers: int = typer.Option(1, min=1, help="Processes that make trials at the same time."),
    prune: bool = typer.Option(True, help="End trials early that are worse than others were at the same epoch."),
    pruner: str = typer.Option("median", help="median or hyperband: which those are."),
    storage: str | None = typer.Option(
        None, help="The study's SQLite file, or a database's URL; study.db in the folder unless given."
    ),
    study: str | None = typer.Option(None, help="The study's name in its storage; DATA unless given."),
    out: Path | None = typer.Option(None, help="Folder for the table and plots; runs/DATA-tune unless given."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
    quiet: bool = typer.Option(False, "--quiet", help="No line for each trial."),
) -> None:
    """Search for the settings with which `jaxml train` does best on the examples held out.

    An option that says what to search takes one value, several after commas (adamw,sgd), or a range LOW:HIGH, which is
    searched on a logarithmic scale (1e-4:1e-1). What decides is the accuracy on the held-out examples after the last
    epoch; of a regression, the loss.

    Every trial is in the storage as soon as it ends: the same command again goes on with the study until it has
    --trials, also after Ctrl-C or SIGKILL, and the same command on other machines with one database's URL works on it
    together with this one. A training whose loss is not finite is shown as diverged, and the study goes on.

    The folder gets trials.csv and the plots: history.png, epochs.png, parallel.png and importance.png.
    """
    given = dict(locals())
    start = time.perf_counter()
    try:
        import optuna
    except ImportError as error:
        raise typer.BadParameter("Optuna is not installed: pip install 'jaxml-nn[tune]'") from error
    if workers > 1:  # on a GPU each would take most of the memory for itself
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    from jaxml.cli import _tune_report, _tune_study, _tune_workers
    from jaxml.cli._tune_plan import plan_for

    for library in ("absl", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    _tune_workers.on_sigterm()
    with _tune_study.quiet():
        try:
            plan = plan_for(source, given)
            folder = out or Path("runs") / f"{plan.data}-tune"
            folder.mkdir(parents=True, exist_ok=True)
            where = storage or str(folder / "study.db")
            opened = _tune_study.open_study(
                _tune_study.open_storage(where),
                study or plan.data,
                plan.described(),
                maximize=plan.maximize,
                pruner=_tune_study.pruner_for(pruner if prune else "none", plan.asked["epochs"]),
                where=where,
            )
        except (ValueError, TypeError, ImportError, OSError, RuntimeError) as error:
            raise typer.BadParameter(str(error)) from error
        tell = (lambda trial: None) if quiet else _tune_report.teller(opened, plan, trials)
        try:
            if workers == 1:
                _tune_workers.run_here(opened, plan, trials, tell)
            else:
                _tune_workers.run_workers(opened, plan, trials, tell, count=workers, where=where)
        except KeyboardInterrupt as error:
            done = _tune_study.counted(opened)
            said = f"tune: {done} of {trials} trials are in {where}; the same command goes on from there"
            print(said, file=sys.stderr)
            raise typer.Exit(143 if isinstance(error, _tune_workers.Terminated) else 130) from None
        except optuna.exceptions.OptunaError as error:  # the file is in other hands, or the disk is full
            print(f"error: {where}: {_tune_study.in_a_line(error)}", file=sys.stderr)
            raise typer.Exit(1) from error
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        _tune_report.report(opened, plan, folder, where, time.perf_counter() - start, as_json)
