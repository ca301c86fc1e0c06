"""`jaxml tune`: what it searches, keeps, goes on with and refuses."""

import csv
import json
import math
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxml import optim
from jaxml.cli import _train_job, _tune_plots, _tune_report, _tune_study, _tune_trial
from jaxml.cli._app import app
from jaxml.cli._tune_space import SpaceError, axis
from jaxml.train import Epoch

pytestmark = pytest.mark.loose_promotion  # optax's schedules mix integers and floats

SHORT = ("iris", "--model", "linear", "--epochs", "2", "--learning-rate", "1e-3:1", "--weight-decay", "0")


def run(*arguments, command="tune"):
    return CliRunner().invoke(app, [command, *map(str, arguments)], env={"COLUMNS": "80"})


def shown(result):
    """The error's words without its frame."""
    return " ".join(result.output.replace("│", " ").split())


def found(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


class Learned:
    """What `fit` would return."""

    def __init__(self, history):
        self.history = history


@pytest.fixture
def pretended(monkeypatch):
    """In place of training, curves that rise in three epochs to what the rate is worth: most at 0.1."""
    calls = []

    def fit(module, data, *, epochs, callbacks, batch_size, optimizer, **options):
        rate = float(optim.current_learning_rate(optimizer.init({"w": np.zeros(1, np.float32)})))
        calls.append((rate, batch_size))
        history = {"val_accuracy": [], "val_loss": []}
        for epoch in range(1, epochs + 1):
            worth = 1 - abs(math.log10(rate) + 1) / 10
            history["val_accuracy"].append(worth * min(epoch, 3) / 3)
            history["val_loss"].append(1 - worth * min(epoch, 3) / 3)
            figures = {name: values[-1] for name, values in history.items()}
            if rate > 10:
                raise FloatingPointError("fit: loss is nan at step 3")
            if any([callback(Epoch(epoch, epoch, figures, history, None, None, None)) for callback in callbacks]):
                break
        return Learned(history)

    jobs, job_for = {}, _train_job.job_for

    def remembered(source, asked, recipe):
        key = str(source), asked["model"], asked["batch_size"], asked["target"]
        if key not in jobs:
            jobs[key] = job_for(source, asked, recipe)
        return jobs[key]

    monkeypatch.setattr("jaxml.train.fit", fit)
    monkeypatch.setattr(_train_job, "job_for", remembered)
    monkeypatch.setattr(_tune_report, "draw", lambda study, plan, folder: [])
    return calls


CONSTANT = ("--schedule", "constant")


def test_a_study_prints_a_table_keeps_everything_and_goes_on(pretended, tmp_path, monkeypatch):
    arguments = (*SHORT, *CONSTANT, "--optimizer", "adamw,sgd", "--out", tmp_path)
    first = run(*arguments, "--trials", 3)
    assert first.exit_code == 0, first.output
    assert all(len(line) <= 80 for line in first.stdout.split("the best one")[0].splitlines())
    assert "iris: 3 trials, 3 complete" in first.stdout
    assert "trial 0 (1/3)  complete  val_accuracy 0." in first.stderr
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete"] * 3 and float(rows[0]["learning_rate"]) > 1e-3
    monkeypatch.setattr(_tune_report, "draw", _tune_plots.draw)
    again = found(run(*arguments, "--trials", 5, "--json", "--quiet"))
    assert sorted(row["trial"] for row in again["trials"]) == [0, 1, 2, 3, 4] and len(pretended) == 5
    before = {row["trial"]: row["learning_rate"] for row in again["trials"]}
    assert len(set(before.values())) == 5  # the second run did not draw the first one's settings again
    assert {int(row["trial"]): float(row["learning_rate"]) for row in rows}.items() <= before.items()
    values = [row["value"] for row in again["trials"]]
    assert values == sorted(values, reverse=True) and again["best"] == again["trials"][0]
    for name in again["plots"]:
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert {"history.png", "epochs.png", "parallel.png", "importance.png"} == set(again["plots"])


def test_a_study_cut_in_two_is_the_study_in_one(pretended, tmp_path):
    arguments = (*SHORT, *CONSTANT, "--json", "--quiet")
    whole = found(run(*arguments, "--out", tmp_path / "whole", "--trials", 12))
    run(*arguments, "--out", tmp_path / "cut", "--trials", 11)
    cut = found(run(*arguments, "--out", tmp_path / "cut", "--trials", 12))
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in one["trials"]] for one in (whole, cut)]
    assert timeless[0] == timeless[1]


@pytest.mark.slow
def test_the_best_trial_is_what_jaxml_train_makes_of_its_command(tmp_path):
    """On real data, with the real training."""
    tuned = found(run(*SHORT, "--batch-size", "16,32", "--out", tmp_path / "t", "--trials", 2, "--json", "--quiet"))
    program, command, *arguments = shlex.split(tuned["command"])
    assert (program, command) == ("jaxml", "train")
    trained = found(run(*arguments, "--out", tmp_path / "run", "--json", "--quiet", command="train"))
    assert trained["history"]["val_accuracy"][-1] == tuned["best"]["value"]


def test_a_regression_is_judged_by_its_loss(pretended, tmp_path):
    rows = "\n".join(f"{i},{2 * i + 1}" for i in range(60))
    (tmp_path / "line.csv").write_text(f"x,y\n{rows}\n")
    options = ("--target", "y", *SHORT[1:], *CONSTANT, "--batch-size", "16", "--trials", 3)
    tuned = found(run(tmp_path / "line.csv", *options, "--out", tmp_path / "t", "--json", "--quiet"))
    values = [row["value"] for row in tuned["trials"]]
    assert tuned["metric"] == "val_loss" and values == sorted(values)
    assert "--target y" in tuned["command"]


def test_losses_that_are_not_finite_are_shown_and_not_fatal(pretended, tmp_path):
    arguments = (*SHORT, *CONSTANT, "--learning-rate", "0.01,1e3", "--out", tmp_path, "--trials", 8)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "diverged" in result.stdout and "    fit: loss is nan at step 3" in result.stderr
    tuned = found(run(*arguments, "--json"))
    assert {row["state"]: row["learning_rate"] for row in tuned["trials"]} == {"complete": 0.01, "diverged": 1e3}
    assert tuned["best"]["learning_rate"] == 0.01 and len(pretended) == 8
    assert {row["reason"] for row in tuned["trials"]} == {None, "fit: loss is nan at step 3"}
    alone = run(*arguments[:-6], "--learning-rate", "1e3,1e4", "--out", tmp_path / "alone", "--trials", 2)
    assert alone.exit_code == 0 and "no trial was complete: lower the rates" in alone.stdout


@pytest.mark.slow
def test_a_real_loss_that_is_not_finite(tmp_path):
    (tmp_path / "line.csv").write_text("x,y\n" + "\n".join(f"{i},{2 * i + 1}" for i in range(60)))
    arguments = (tmp_path / "line.csv", "--target", "y", "--model", "linear", "--epochs", 30, "--batch-size", 16)
    options = ("--learning-rate", "1e11,1e12", "--optimizer", "sgd", "--weight-decay", "0", *CONSTANT)
    tuned = found(run(*arguments, *options, "--out", tmp_path / "t", "--trials", 1, "--json", "--quiet"))
    assert tuned["best"] is None and tuned["trials"][0]["state"] == "diverged"
    assert "fit: loss is" in tuned["trials"][0]["reason"]


@pytest.mark.parametrize("pruner", ["median", pytest.param("hyperband", marks=pytest.mark.slow)])
def test_pruned_trials_end_early(pruner, pretended, tmp_path):
    options = (*SHORT, *CONSTANT, "--learning-rate", "1e-6:1", "--epochs", 5, "--json", "--quiet")
    tuned = found(run(*options, "--trials", 15, "--pruner", pruner, "--out", tmp_path / "t"))
    pruned = [row for row in tuned["trials"] if row["state"] == "pruned"]
    assert pruned and all(row["epochs"] < 5 and row["value"] is not None for row in pruned)
    assert tuned["best"]["epochs"] == 5 and tuned["best"]["value"] > 0.9
    without = found(run(*options, "--trials", 6, "--no-prune", "--out", tmp_path / "w"))
    assert {row["epochs"] for row in without["trials"]} == {5}


def test_ctrl_c_keeps_what_there_is(pretended, tmp_path, monkeypatch):
    import jaxml.train

    fit = jaxml.train.fit

    def interrupted(*arguments, **options):
        if len(pretended) == 2:
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    monkeypatch.setattr(jaxml.train, "fit", interrupted)
    arguments = (*SHORT, *CONSTANT, "--out", tmp_path, "--trials", 4)
    result = run(*arguments, "--quiet")
    assert result.exit_code == 130
    assert f"tune: 2 of 4 trials are in {tmp_path / 'study.db'}; the same command goes on" in result.stderr
    monkeypatch.setattr(jaxml.train, "fit", fit)
    tuned = found(run(*arguments, "--json", "--quiet"))
    states = {row["trial"]: row["state"] for row in tuned["trials"]}
    assert states == {0: "complete", 1: "complete", 2: "killed", 3: "complete", 4: "complete"}


def test_a_trial_whose_process_is_gone_is_failed_by_the_next(pretended, tmp_path, monkeypatch):
    """As Optuna's heartbeat has it; here with a patience of a second."""
    monkeypatch.setattr(_tune_study, "GRACE", 1)
    arguments = (*SHORT, *CONSTANT, "--out", tmp_path, "--json", "--quiet")
    found(run(*arguments, "--trials", 1))
    with _tune_study.quiet():
        storage = _tune_study.open_storage(str(tmp_path / "study.db"))
        storage.record_heartbeat(storage.create_new_trial(storage.get_study_id_from_name("iris")))
    time.sleep(2.1)
    tuned = found(run(*arguments, "--trials", 2))
    assert {row["trial"]: row["state"] for row in tuned["trials"]} == {0: "complete", 1: "killed", 2: "complete"}


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on_with_two_workers_of_which_one_is_killed(tmp_path):
    command = [sys.executable, "-m", "jaxml.cli", "tune", *SHORT, "--no-prune", "--out", str(tmp_path), "--trials"]
    with subprocess.Popen([*command, "60"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        for line in process.stderr:
            if line.startswith("trial 1 "):
                process.kill()
                break
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "6", "--workers", "2", "--json"], **pipes) as process:
        for line in process.stderr:
            if line.startswith("trial "):
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(workers[0]), signal.SIGKILL)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    rows = json.loads(out)["trials"]
    states = [row["state"] for row in rows]
    assert states.count("complete") == 6
    # Of what SIGKILL ended nobody knows for a while that it will not end.
    assert set(states) <= {"complete", "killed", "running"}
    assert len({row["learning_rate"] for row in rows}) == len(rows)  # no two drew the same


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "0.1"], "there is nothing to search, as each of --model, --optimizer, --learning-rate"),
        (["--learning-rate", "0:1"], "--learning-rate must be finite and above 0, got 0"),
        (["--learning-rate", "-0.1,0.1"], "--learning-rate must be finite and above 0, got -0.1"),
        (["--learning-rate", "1:0.1"], "--learning-rate 1:0.1: the range must grow; 0.1:1 is the other way round"),
        (["--learning-rate", "small"], "--learning-rate must be numbers, such as 0.001,0.01 or 1e-4:1e-1, got 'small'"),
        (["--learning-rate", "0.1,"], "--learning-rate '0.1,' has an empty value"),
        (["--learning-rate", ""], "--learning-rate '' has an empty value; give values, such as 0.001,0.01"),
        (["--learning-rate", "1e-4:1e-2:1"], "must be values, or one range LOW:HIGH"),
        (["--weight-decay", "0:0.1"], "a range is searched by its logarithm and must begin above 0"),
        (["--batch-size", "16.5"], "--batch-size must be whole numbers, such as 32,64 or 16:256, got '16.5'"),
        (["--batch-size", "32,500"], "--batch-size: there are 120 examples to learn from, got 500"),
        (["--optimizer", "adamw,adamm"], "did you mean"),
        (["--model", "linear,cnn"], "--model cnn is for images; for tables there are linear, mlp"),
        (["--schedule", "cosine,linear"], "--schedule must be one of 'cosine', 'constant', got 'linear'"),
        (["--pruner", "medain"], "did you mean 'median'?"),
        (["--validation", "1"], "--validation must lie strictly between 0 and 1, got 1.0"),
        (["--storage", "TEXT"], "is no SQLite file; name another file with --storage"),
        (["--storage", "OTHER"], "holds no Optuna study: its tables are customers; name another file with --storage"),
        (["--storage", "LIKE"], "its tables lack studies.study_id, trials.study_id, trials.state; name another file"),
        (["--storage", "FOLDER"], "is a folder; name a file in it, such as"),
        (["--storage", "nosuch://host/db"], "--storage nosuch://host/db cannot be opened"),
        (["--storage", "FOREIGN", "--study", "other"], "was not made by jaxml tune; begin another with --study NAME"),
        (["--trials", 0], "Invalid value for '--trials'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(arguments, message, tmp_path):
    (tmp_path / "notes.txt").write_text("a study, some day")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE customers (name TEXT)")
    shop.close()
    with sqlite3.connect(tmp_path / "like.db") as like:  # of a course, say
        like.execute("CREATE TABLE studies (study_name TEXT)")
        like.execute("CREATE TABLE trials (trial_id INTEGER)")
        like.execute("CREATE TABLE version_info (schema_version INTEGER, library_version TEXT)")
    like.close()
    if "FOREIGN" in arguments:
        import optuna

        with _tune_study.quiet():
            study = optuna.create_study(
                storage=_tune_study.open_storage(str(tmp_path / "study.db")), study_name="other", direction="maximize"
            )
            study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    places = {"TEXT": "notes.txt", "OTHER": "shop.db", "LIKE": "like.db", "FOLDER": "", "FOREIGN": "study.db"}
    arguments = [str(tmp_path / places[a]) if a in places else a for a in arguments]
    result = run(*SHORT, "--out", tmp_path / "out", "--trials", 1, "--quiet", *arguments)
    assert result.exit_code == 2, result.output
    assert message in shown(result)
    with closing(sqlite3.connect(tmp_path / "like.db")) as like:  # nothing is written to what is no study
        assert like.execute("SELECT count(*) FROM sqlite_master").fetchone() == (3,)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_that_cannot_be_written_to_ends_in_a_line(workers, pretended, tmp_path):
    assert run(*SHORT, *CONSTANT, "--out", tmp_path, "--trials", 1, "--quiet").exit_code == 0
    with closing(sqlite3.connect(tmp_path / "study.db")) as file:
        file.execute("DROP TABLE trial_params")
        file.execute("CREATE TABLE trial_params (x INTEGER)")
        file.commit()
    result = run(*SHORT, *CONSTANT, "--out", tmp_path, "--trials", 2, "--quiet", "--workers", workers)
    assert result.exit_code == 1 and not isinstance(result.exception, sqlite3.Error), result.output
    assert "error: " in result.stderr and "trial_params" in result.stderr and "Traceback" not in result.stderr


def test_a_study_of_another_space_is_not_gone_on_with(pretended, tmp_path):
    arguments = ("--out", tmp_path, "--trials", 1, "--quiet", *CONSTANT)
    assert run(*SHORT, *arguments).exit_code == 0
    other = run(*SHORT, *arguments, "--learning-rate", "1e-2:1", "--epochs", 3)
    assert other.exit_code == 2
    said = shown(other)
    assert "--learning-rate was 1e-3:1, now 1e-2:1" in said and "--epochs was 2, now 3" in said
    assert "repeat its options, or begin another with --study NAME" in said
    assert run(*SHORT, *arguments, "--learning-rate", "1e-2:1", "--study", "narrow").exit_code == 0


def test_a_study_of_another_version_of_optuna_is_refused(pretended, tmp_path):
    assert run(*SHORT, *CONSTANT, "--out", tmp_path, "--trials", 1, "--quiet").exit_code == 0
    with sqlite3.connect(tmp_path / "study.db") as file:
        file.execute("UPDATE version_info SET schema_version = 1")
        file.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    file.close()
    result = run(*SHORT, *CONSTANT, "--out", tmp_path, "--trials", 2, "--quiet")
    assert result.exit_code == 2 and "cannot be opened: The runtime optuna version" in shown(result)


def test_a_device_out_of_memory_fails_a_trial_and_not_the_study(pretended, tmp_path, monkeypatch):
    import jaxml.train

    fit = jaxml.train.fit

    def failing(module, data, **options):
        if options["batch_size"] == 64:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 byte\nof many")
        return fit(module, data, **options)

    monkeypatch.setattr(jaxml.train, "fit", failing)
    tuned = found(
        run(*SHORT, *CONSTANT, "--batch-size", "32,64", "--out", tmp_path, "--trials", 6, "--json", "--quiet")
    )
    reasons = {row["state"]: row["reason"] for row in tuned["trials"]}
    assert reasons == {"complete": None, "failed": "RESOURCE_EXHAUSTED: Out of memory allocating 1 byte"}


def test_without_optuna_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = run(*SHORT, "--out", tmp_path)
    assert result.exit_code == 2 and "Optuna is not installed: pip install 'jaxml-nn[tune]'" in shown(result)


def test_parts(unchecked_types):
    assert axis("batch_size", "16:256").values == (16, 256)
    assert axis("learning_rate", "0.1, 0.1").fixed
    with pytest.raises(SpaceError, match="has an empty value"):
        axis("optimizer", "adam,,sgd")
    first, second = (_tune_trial.sampler_for(0, n)._rng.rng.random() for n in (0, 1))
    assert first != second
