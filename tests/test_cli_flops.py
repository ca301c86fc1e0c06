"""`jaxml flops`: layers of a model, or any function; errors leave with status 2 and say what would be right."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from typer.testing import CliRunner

from jaxml import flops, models, nn
from jaxml.cli import app

FUNCTIONS = """
import jax
import jax.numpy as jnp

def layer(x, w):
    return jax.nn.relu(x @ w)

def lookup(i, table):
    return {"rows": table[i], "index": i}

def loop(x):
    return jax.lax.while_loop(lambda x: (x > 0).all(), lambda x: x - 1, x)

def index(x):
    return jnp.argmax(x)
"""


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "counted_functions.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counted_functions", raising=False)
    return lambda *args: CliRunner().invoke(app, ["flops", *args])


def S(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@pytest.mark.parametrize("options", [(), ("--backward",), ("--backward", "--train", "--depth", "1")])
def test_model(run, options):
    """The table of `nn.summary`, whose totals are those of `flops.count`."""
    result = run("cnn_separable", "--batch", "4", "--resolution", "12", "--num-classes", "7", *options)
    table = nn.summary(
        lambda: models.create("cnn_separable", rngs=nnx.Rngs(0), num_classes=7), S(4, 12, 12, 1),
        backward="--backward" in options, train="--train" in options, depth=1 if "--depth" in options else None,
    )  # fmt: skip
    assert (result.exit_code, result.stdout.strip()) == (0, str(table).strip())
    found = run("cnn_separable", "--batch", "4", "--resolution", "12", "--num-classes", "7", *options, "--json")
    assert (found.exit_code, json.loads(found.stdout)) == (0, table.as_dict())


def test_the_papers_network(run):
    """568,740,352 MACs an image; its training step's gradient three times that, less the stem's by the image."""
    result = run("mobilenet_v1", "--batch", "8", "--resolution", "224", "--backward", "--json")
    found = json.loads(result.stdout)
    assert found["total"]["macs"] == 8 * (3 * 568_740_352 - 112 * 112 * 32 * 27)
    assert found["total"]["params"] == 4_231_976
    assert sum(row["macs"] for row in found["rows"]) == found["total"]["macs"]
    text = run("mobilenet_v1").stdout
    assert "568,740,352 MACs" in text and max(map(len, text.splitlines())) <= 80


def test_padding(run):
    include, exclude = (json.loads(run("cnn", "--padding", p, "--json").stdout) for p in ("include", "exclude"))
    assert include["total"]["macs"] > exclude["total"]["macs"] == sum(row["macs"] for row in exclude["rows"])


def test_function(run):
    cost = flops.count(lambda x, w: jax.nn.relu(x @ w), S(3, 4), S(4, 5))
    result = run("counted_functions:layer", "--shape", "3,4", "--shape", "float32[4, 5]")
    assert (result.exit_code, result.stdout.strip()) == (0, str(cost))
    result = run("counted_functions:layer", "--shape", "(3,4)", "--shape", "4,5", "--json")
    assert json.loads(result.stdout) == cost.as_dict()


def test_backward_of_a_function(run):
    """By all floating arguments, of the sum of all floating outputs; others are left alone."""
    result = run("counted_functions:layer", "--shape", "3,4", "--shape", "4,5", "--backward", "--json")
    assert json.loads(result.stdout)["macs"] == 3 * 3 * 4 * 5
    result = run("counted_functions:lookup", "--shape", "int32[3]", "--shape", "10,4", "--backward", "--json")
    assert (result.exit_code, json.loads(result.stdout)["macs"]) == (0, 0)
    assert "scatter-add" in json.loads(result.stdout)["by_primitive"]


def test_what_is_not_counted_is_said_loudly(run):
    result = run("counted_functions:loop", "--shape", "3")
    assert result.exit_code == 0 and "NOT COUNTED" in result.stdout and "while" in result.stdout
    result = run("counted_functions:loop", "--shape", "3", "--json")
    assert list(json.loads(result.stdout)["uncounted"]) == ["while"]
    assert "NOT COUNTED  while: the number of steps depends on data" in result.stderr
    result = run("counted_functions:loop", "--shape", "3", "--trip-count", "5", "--json")
    assert json.loads(result.stdout)["uncounted"] == {} and result.stderr == ""
    assert json.loads(result.stdout)["by_primitive"]["sub"]["flops"] == 5 * 3


@pytest.mark.parametrize("target", [("linear",), ("counted_functions:layer", "--shape", "3,4", "--shape", "4,5")])
def test_explain(run, target):
    result = run(*target, "--explain", "--backward")
    assert result.exit_code == 0 and "XLA lowered" in result.stdout and "XLA compiled" in result.stdout
    found = json.loads(run(*target, "--explain", "--json").stdout)
    plain = json.loads(run(*target, "--json").stdout)
    assert found["cost"]["flops"] == plain.get("total", plain)["flops"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("mobilnet_v1",), "did you mean 'mobilenet_v1'"),
        (("mlp", "--resolution", "32"), "--resolution is for models of images; mlp takes examples of 64"),
        (("mlp", "--batch", "-1"), "--batch"),
        (("mlp", "--depth", "0"), "--depth"),
        (("mlp", "--shape", "3"), "mlp is a model, whose arguments are known: --shape cannot be used"),
        (("mlp", "--trip-count", "3"), "mlp is a model, whose arguments are known: --trip-count cannot be used"),
        (("mlp", "--padding", "exlude"), "did you mean 'exclude'"),
        (("mlp", "--explain", "--depth", "1"), "--explain is of the whole program: --depth cannot be used"),
        (("counted_functions:layer",), "counted_functions:layer is a function: give --shape for each"),
        (
            ("counted_functions:layer", "--shape", "3,4", "--batch", "2", "--train"),
            "--batch and --train cannot be used",
        ),
        (("counted_functions:layer", "--shape", "3,x"), "--shape must be sizes, such as 8,224,224,3 or float32[8,3]"),
        (("counted_functions:layer", "--shape", "3,,4"), "--shape must be sizes"),
        (("counted_functions:layer", "--shape", "-3"), "--shape must be sizes"),
        (("counted_functions:layer", "--shape", "float33[3]"), "'float33' is not a dtype; did you mean 'float32'?"),
        (("counted_functions:layer", "--shape", "3,4", "--shape", "5,6"), "count: layer(float32[3,4], float32[5,6])"),
        (("counted_functions:layer", "--shape", "3,4"), "count: layer(float32[3,4]) cannot be traced"),
        (("counted_functions:layer", "--shape", "3,4", "--shape", "4,5", "--trip-count", "2"), "no while loop"),
        (("counted_functions:lookup", "--shape", "int32[3]", "--backward"), "--backward needs a floating --shape"),
        (("counted_functions:index", "--shape", "3", "--backward"), "--backward needs a floating output"),
        (("counted_functions:lair", "--shape", "3"), "did you mean layer?"),
        (("nothing_like_it:f", "--shape", "3"), "there is no module 'nothing_like_it'"),
    ],
)
def test_errors(run, args, message):
    result = run(*args)
    said = " ".join(result.stderr.replace("│", " ").split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in said


def test_help_has_examples(run):
    result = run("--help")
    assert result.exit_code == 0 and "jaxml flops mobilenet_v1 --batch 8 --resolution 224 --backward" in result.stdout
    assert "--shape" in result.stdout and "pkg.module:loss" in result.stdout


def test_help_loads_neither_flax_nor_the_counter():
    code = "import sys, jaxml.cli; print(sorted({'flax', 'jaxml.flops', 'jaxml.models'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
