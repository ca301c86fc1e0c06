"""The command line, called as a user calls it."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import jaxml
from jaxml import models
from jaxml.cli import app, main


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *args: CliRunner().invoke(app, list(args))


def test_version(run):
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"jaxml {jaxml.__version__}\n")


def test_models(run):
    result = run("models")
    assert result.exit_code == 0
    lines = {line.split()[1]: line for line in result.output.splitlines() if line.startswith("│")}
    assert list(lines) == list(models.names())
    assert "4,231,976" in lines["mobilenet_v1"] and "224x224x3" in lines["mobilenet_v1"]
    assert "29,294,088" in lines["conv_mobilenet_v1"] and "arXiv:1704.04861" in lines["conv_mobilenet_v1"]


def test_models_json(run):
    result = run("models", "--json")
    assert result.exit_code == 0
    rows = json.loads(result.output)
    assert [row["name"] for row in rows] == list(models.names())
    assert {row["name"]: row["params"] for row in rows}["mobilenet_v1_050"] == 1_331_592
    assert set(rows[0]) == {"name", "family", "paper", "input_shape", "num_classes", "params", "input_dtype"}


def test_unknown_command(run):
    result = run("modles")
    assert result.exit_code == 2 and "models" in result.output


def test_no_arguments_print_help(run):
    assert "models" in run().output


def test_as_a_program(monkeypatch, capsys):
    done = subprocess.run(
        [sys.executable, "-m", "jaxml.cli", "--version"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == f"jaxml {jaxml.__version__}\n"
    monkeypatch.setattr(sys, "argv", ["jaxml", "--version"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert capsys.readouterr().out == done.stdout
