"""`jaxml train`: what it prints, keeps, resumes and refuses."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from _processes import free_port
from PIL import Image
from typer.testing import CliRunner

from jaxml import data
from jaxml.cli._app import app
from jaxml.cli._train_data import prepare
from jaxml.cli._train_recipe import loss_for, mesh_for, optimizer_for

pytestmark = pytest.mark.loose_promotion  # optax's schedules mix integers and floats

SHORT = ("--model", "linear", "--epochs", "3", "--learning-rate", "0.05")


def run(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)], env={"COLUMNS": "80"})


def shown(result):
    """The error's words without its frame."""
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture
def table(tmp_path, rng):
    """300 rows of a price that follows size and colour, some sizes missing."""
    path = tmp_path / "houses.csv"
    sizes, colours = rng.uniform(0, 100, 300), rng.integers(0, 3, 300)
    price = 3 * sizes + np.array([10, 50, 90])[colours]
    rows = [
        f"{'' if i % 50 == 0 else round(s, 3)},{['red', 'blue', 'green'][c]},{p:.3f}"
        for i, (s, c, p) in enumerate(zip(sizes, colours, price, strict=True))
    ]
    path.write_text("\n".join(["size,colour,price", *rows]))
    return path


def test_a_run_prints_a_table_and_keeps_everything(tmp_path):
    out = tmp_path / "run"
    result = run("iris", *SHORT, "--out", out)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert "linear on iris: 120 examples, 6 steps" in result.stdout
    assert "epoch 3  step 6  loss" in result.stderr
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert json.loads((out / "config.json").read_text())["learning_rate"] == 0.05
    again = data.from_json(json.loads((out / "preprocessing.json").read_text())["x"])
    fitted = prepare("iris").preprocessing
    x = data.load("iris").x
    np.testing.assert_array_equal(again.transform(x), fitted.transform(x))


def test_json_and_a_second_run_with_resume_that_has_nothing_left(tmp_path):
    first = run("iris", *SHORT, "--out", tmp_path, "--json", "--quiet")
    assert first.stderr == ""
    found = json.loads(first.stdout)
    assert (found["data"], found["model"], found["steps"], found["stopped"]) == ("iris", "linear", 6, None)
    assert found["best"]["val_loss"] == min(found["history"]["val_loss"])
    again = json.loads(run("iris", *SHORT, "--out", tmp_path, "--json", "--quiet", "--resume").stdout)
    assert again["history"] == found["history"]


def test_regression_on_a_table(table, tmp_path):
    result = run(table, "--target", "price", *SHORT, "--epochs", 15, "--out", tmp_path / "run", "--json", "--quiet")
    found = json.loads(result.stdout)
    # In the price's own unit, of which the mean would be off by about 75.
    assert found["task"] == "regression" and found["last"]["val_absolute_error"] < 25
    saved = json.loads((tmp_path / "run" / "preprocessing.json").read_text())
    assert {data.from_json(text).__class__.__name__ for text in saved.values()} == {"Columns", "Standardize"}


def test_images_that_do_not_fit_into_memory_are_read_batch_by_batch(tmp_path, rng, monkeypatch):
    """To the same figures; without resizing, which is a matter of the file alone."""
    for i in range(30):
        folder = tmp_path / "photos" / ("cat" if i % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 128 + 127 * (i % 2), (6, 6, 3), np.uint8)).save(folder / f"{i}.png")
    arguments = (tmp_path / "photos", "--size", 6, *SHORT, "--batch-size", 8, "--json")
    whole = run(*arguments, "--out", tmp_path / "whole")
    monkeypatch.setattr("jaxml.cli._train_data.available", lambda: 20_000.0)
    read = run(*arguments, "--out", tmp_path / "read")
    assert "30 images of 6 x 6 x 3 take 1.3e-05 GB, of which 2e-05 GB are free: they are read from disk" in read.stderr
    assert "images of" not in whole.stderr
    assert json.loads(read.stdout)["history"] == json.loads(whole.stdout)["history"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no set, file or folder 'nothing'; the sets are iris"),
        (["TABLE"], "is a table: name the column to predict with --target"),
        (["nothing.csv", "--target", "price"], "there is no set, file or folder 'nothing.csv'; the sets are iris"),
        (["GAPS", "--target", "price"], "fill it in, or say drop_missing_target=True (--drop-missing-target)"),
        (["GAPS", "--target", "price", "--drop-missing-target"], "line 5, column 'size': must be a number, got 'big'"),
        (
            ["GAPS", "--target", "price", "--drop-missing-target", "--text", "size"],
            "column 'width': -inf in row 5 of its data (1 such); leave the cell empty, which is filled in, or leave",
        ),
        (["iris", "--out", "TABLE"], "cannot be written to"),
        (["TABLE", "--target", "prise"], "target names 'prise', the columns are size, colour, price; did you mean"),
        (["iris", "--drop", "petal"], "--drop is for the columns of a CSV file"),
        (["TABLE", "--target", "price", "--task", "cluster"], "task must be"),
        (["iris", "--model", "lineal"], "did you mean 'linear'?"),
        (["iris", "--model", "cnn"], "--model cnn is for images; for tables there are linear, mlp"),
        (["iris", "--model", "forecaster"], "--model forecaster is for sequences; for tables there are linear, mlp"),
        (["iris", "--optimizer", "adamm"], "did you mean"),
        (["iris", "--batch-size", 121], "at most the number of examples, 120, got 121"),
        (["iris", "--schedule", "linear"], "--schedule must be cosine or constant, got 'linear'"),
        (["iris", "--validation", "1"], "--validation must lie strictly between 0 and 1, got 1.0"),
        (["iris", "--augment"], "--augment is for images; iris has examples of shape (4,)"),
        (["iris", "--mesh", "99"], "--mesh 99 needs 99 devices, there are"),
        (["iris", "--mesh", "2x"], "--mesh must be a number of devices, such as 8, or data x model, such as 4x2"),
        (["iris", "--fsdp"], "sharding needs a mesh"),
        (["iris", "--epohs", 3], "No such option: --epohs"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(arguments, message, table, tmp_path):
    gaps = tmp_path / "gaps.csv"
    rows = [f"{n},{n},{n}" for n in range(3)] + ["big,3,3", "4,4,", "5,-inf,5"]
    gaps.write_text("\n".join(["size,width,price", *rows]))
    arguments = [{"TABLE": str(table), "GAPS": str(gaps)}.get(a, a) for a in arguments]
    result = run("--out", tmp_path / "run", "--quiet", *arguments)
    assert result.exit_code == 2
    assert message in shown(result)


def test_an_earlier_run_is_not_written_over(tmp_path):
    assert run("iris", *SHORT, "--out", tmp_path, "--quiet").exit_code == 0
    again = run("iris", *SHORT, "--out", tmp_path, "--quiet")
    assert again.exit_code == 2 and "holds an earlier run: add --resume" in shown(again)
    other = run("iris", *SHORT, "--out", tmp_path, "--quiet", "--resume", "--seed", 1)
    assert other.exit_code == 2 and "--seed was 0, now 1" in shown(other)


def test_training_that_fails_exits_1(tmp_path):
    diverging = ("--optimizer", "sgd", "--learning-rate", "1e9", "--schedule", "constant", "--epochs", 60)
    result = run("diabetes", "--model", "linear", *diverging, "--out", tmp_path, "--quiet")
    assert result.exit_code == 1
    assert "error: fit: loss is " in result.stderr


def test_help_shows_examples_and_completion_knows_the_names():
    text = shown(run("--help"))
    assert "jaxml train digits" in text and "--resume" in text
    from jaxml.cli._train import _complete_data, _complete_model, _complete_optimizer

    assert _complete_data("dig") == ["digits"] and "adamw" in _complete_optimizer("ada")
    assert _complete_model("cnn") == ["cnn", "cnn_separable"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_saves_and_resume_goes_on_to_the_same_bits(number, status, tmp_path):
    arguments = ("digits", "--model", "linear", "--epochs", "16", "--batch-size", "719")
    whole = run(*arguments, "--out", tmp_path / "whole", "--json", "--quiet")
    command = [sys.executable, "-m", "jaxml.cli", "train", *arguments, "--out", str(tmp_path / "cut")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 3 "):
                process.send_signal(number)
                break
        rest = process.stderr.read()
        assert process.wait(60) == status
    assert f"is saved in {tmp_path / 'cut'}" in rest.replace("\n", " ")
    cut = run(*arguments, "--out", tmp_path / "cut", "--json", "--quiet", "--resume")
    assert json.loads(cut.stdout)["history"] == json.loads(whole.stdout)["history"]


@pytest.mark.slow
def test_of_two_processes_one_is_killed_and_the_other_leaves_with_status_1(tmp_path):
    """At once, and not when JAX's heartbeat of 100 s gives the lost one up; one process alone goes on."""
    arguments = ("iris", "--model", "linear", "--epochs", "60", "--out", str(tmp_path))
    command = [sys.executable, "-m", "jaxml.cli", "train", *arguments]
    address = {"JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}", "JAX_NUM_PROCESSES": "2"}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, env={**os.environ, **address, "JAX_PROCESS_ID": str(i)}, **pipes) for i in (0, 1)]
    with both[0] as first, both[1] as second:
        while not (line := first.stderr.readline()).startswith("epoch 3 "):
            assert line, "the run ended before its third epoch"
        second.kill()
        said = first.communicate(timeout=30)[1]
        assert first.returncode == 1
    assert "error: fit: process 0 of 2 cannot go on: another process was lost, or cannot be reached; the newest" in said
    steps = max(int(path.name) for path in tmp_path.glob("*") if path.name.isdigit())
    rest = run(*arguments, "--resume", "--quiet", "--json")
    assert rest.exit_code == 0 and json.loads(rest.stdout)["steps"] == 120 > steps


def test_recipe_functions(unchecked_types):
    assert mesh_for(None) is None
    loss, metrics = loss_for("classification", None)
    assert metrics == {} and loss.__name__ == "softmax_cross_entropy_with_integer_labels"
    tx = optimizer_for("adamw", 0.1, 0.5, "constant", 10)
    params = {"w": np.ones((2, 2), np.float32), "b": np.ones(2, np.float32)}
    updates, _ = tx.update({k: np.zeros_like(v) for k, v in params.items()}, tx.init(params), params)
    assert float(np.abs(updates["b"]).max()) == 0 and float(np.abs(updates["w"]).min()) > 0  # biases do not decay
