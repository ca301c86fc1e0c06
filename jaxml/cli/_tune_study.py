"""A study of `jaxml tune` in its storage: opened, checked against what is asked for, and counted."""

import json
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

ASKED = "jaxml"  # the study's attribute that holds the options it is for
REASON = "reason"  # the trial's: why it ended early
EPOCHS = "epochs"  # the trial's: how many it ran
# A trial whose process does not say for so long that it lives, in seconds, is failed by whoever comes next.
HEARTBEAT, GRACE = 5, 20
# What an Optuna file has, of any version.
COLUMNS = {
    "studies": ("study_id", "study_name"),
    "trials": ("trial_id", "study_id", "state"),
    "version_info": ("schema_version", "library_version"),
}
BUSY = 60  # seconds that a worker waits while another one writes


class StudyError(ValueError):
    """A storage that cannot be used, or holds another study."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log, and without its warnings that heartbeat and plots are experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_storage(where: str) -> Any:
    """Optuna's storage at a URL, or in an SQLite file, which is made where there is none.

    Errors: `StudyError` for a file of another kind, or of an Optuna that this one cannot read.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    if "://" not in where:
        _check_file(Path(where))
    url = where if "://" in where else f"sqlite:///{where}"
    options = {"connect_args": {"timeout": BUSY}} if url.startswith("sqlite") else {}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    except (RuntimeError, SQLAlchemyError, ImportError, optuna.exceptions.OptunaError) as error:
        raise StudyError(
            f"--storage {where} cannot be opened: {in_a_line(error)}; name another file with --storage"
        ) from error


def in_a_line(error: BaseException) -> str:
    """The first line of what an error says: of Optuna's "an exception is raised", of the one that it is about."""
    import optuna

    said = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else None
    return str(said or error).strip().split("\n")[0]


def _check_file(path: Path) -> None:
    """An SQLite file with Optuna's tables, an empty one, or none yet."""
    other = "name another file with --storage"
    if path.is_dir():
        raise StudyError(f"--storage {path} is a folder; name a file in it, such as {path / 'study.db'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise StudyError(f"--storage {path} is no SQLite file; {other}")
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            lacking = _lacking(connection) if tables >= COLUMNS.keys() else []
    except (OSError, sqlite3.Error) as error:
        raise StudyError(f"--storage {path} cannot be read: {error}; {other}") from error
    if tables and not tables >= COLUMNS.keys():
        listed = ", ".join(sorted(tables)[:5])
        raise StudyError(f"--storage {path} holds no Optuna study: its tables are {listed}; {other}")
    if lacking:
        raise StudyError(f"--storage {path} holds no Optuna study: its tables lack {', '.join(lacking)}; {other}")


def _lacking(connection: sqlite3.Connection) -> list[str]:
    """The columns by which Optuna's tables are known, those that are not there."""
    there = {table: {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")} for table in COLUMNS}
    return [f"{table}.{name}" for table, names in COLUMNS.items() for name in names if name not in there[table]]


def open_study(storage: Any, name: str, asked: Mapping[str, Any], *, maximize: bool, pruner: Any, where: str) -> Any:
    """The study of this name, made where there is none.

    Errors: `StudyError` where it is there and is for other options, or is not one of `jaxml tune`.
    """
    import optuna

    direction: Literal["maximize", "minimize"] = "maximize" if maximize else "minimize"
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, direction=direction, pruner=pruner, load_if_exists=True
        )
    except ValueError as error:
        raise StudyError(f"the study {name!r} in {where}: {error}; name another with --study") from error
    before = study.user_attrs.get(ASKED)
    if before is None and not study.trials:
        study.set_user_attr(ASKED, json.dumps(asked))
        return study
    other = "repeat its options, or begin another with --study NAME"
    if before is None:
        raise StudyError(f"the study {name!r} in {where} was not made by jaxml tune; begin another with --study NAME")
    had = json.loads(before)
    changed = [
        f"--{key.replace('_', '-')} was {had.get(key)}, now {asked.get(key)}"
        for key in {**had, **asked}
        if had.get(key) != asked.get(key)
    ]
    if changed:
        raise StudyError(f"the study {name!r} in {where} is another: {'; '.join(changed)}; {other}")
    return study


def pruner_for(name: str, epochs: int) -> Any:
    """`median`, `hyperband`, or `none`."""
    import optuna

    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(epochs // 10, 1))
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
    return optuna.pruners.NopPruner()


def made(study: Any) -> int:
    """All of its trials."""
    return len(study.get_trials(deepcopy=False))


def counted(study: Any) -> int:
    """The trials that ended by themselves: complete, pruned, diverged or failed with a reason; not those killed."""
    return sum(trial.state.is_finished() and not was_killed(trial) for trial in study.get_trials(deepcopy=False))


def was_killed(trial: Any) -> bool:
    """Its process ended before it did."""
    return trial.state.name == "FAIL" and REASON not in trial.user_attrs


def state_of(trial: Any) -> str:
    """In one word."""
    if trial.state.name == "PRUNED" and REASON in trial.user_attrs:
        return "diverged"
    return "killed" if was_killed(trial) else {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
