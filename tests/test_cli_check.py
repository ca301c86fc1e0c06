"""`jaxml check`, called as a user calls it: verdicts, arguments, exit statuses, and what it says of a bad call."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxml import custom_gradients
from jaxml.cli import app
from jaxml.cli._load import LoadError, load_object

MODULE = """
import jax, jax.numpy as jnp

@jax.custom_vjp
def halved(x, w):
    return jnp.sin(x) @ w

def _forward(x, w):
    return halved(x, w), (x, w)

def _backward(kept, g):
    x, w = kept
    return (g @ w.T) * jnp.cos(x), 0.5 * (jnp.sin(x).T @ g)

halved.defvjp(_forward, _backward)

def plain(x, w):
    return jnp.sin(x) @ w

def scaled(x, n):
    return x * n.astype(x.dtype)

def fails(x):
    raise RuntimeError("no such day")

def make():
    return jnp.ones((3, 4)), jnp.ones((4, 2))

def not_a_tuple():
    return jnp.ones(3)

class Layer:
    @staticmethod
    def call(x):
        return x * x
"""


UNLOADABLE = {
    "lacks": "import json\nimport no_such_library",
    "fails": "import json\ndef start():\n    return json.loads('{')\nVALUE = start()",
    "typo": "def f(x:\n    return x",
    "leaves": "import sys\nsys.exit(3)",
}


@pytest.fixture(scope="module", autouse=True)
def user_module(tmp_path_factory):
    """A package of the user's in the working directory."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "cli_pkg").mkdir()
    (folder / "cli_pkg" / "__init__.py").write_text("")
    (folder / "cli_pkg" / "mine.py").write_text(MODULE)
    for name, text in UNLOADABLE.items():
        (folder / "cli_pkg" / f"{name}.py").write_text(text)
    np.savez(folder / "args.npz", x=np.ones((3, 4), np.float32), w=np.ones((4, 2), np.float32))
    np.savez(folder / "empty.npz")
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setenv("COLUMNS", "80")
        yield folder


def run(*arguments):
    return CliRunner().invoke(app, ["check", *arguments])


SHAPES = ("--shape", "3,4", "--shape", "4,2")


def test_right_gradient_is_ok():
    result = run("cli_pkg.mine:plain", *SHAPES)
    assert result.exit_code == 0 and "ok" in result.output


def test_wrong_gradient_names_the_leaf_and_an_element():
    result = run("cli_pkg.mine:halved", *SHAPES, "--reference", "cli_pkg.mine:plain", "--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    verdicts = {leaf["path"]: leaf for leaf in report["leaves"]}
    assert report["verdict"] == "wrong" and not report["ok"]
    (path,) = [path for path, leaf in verdicts.items() if leaf["verdict"] == "wrong"]
    assert "1" in path and len(verdicts[path]["index"]) == 2
    assert verdicts[path]["got"] == pytest.approx(verdicts[path]["want"] / 2)


def test_wrong_gradient_in_the_table():
    result = run("cli_pkg.mine:halved", "--factory", "cli_pkg.mine:make")
    assert result.exit_code == 1 and "wrong" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments", [("--npz", "args.npz"), ("--factory", "cli_pkg.mine:make")], ids=["npz", "factory"]
)
def test_other_arguments(arguments):
    assert run("cli_pkg.mine:plain", *arguments).exit_code == 0


def test_methods_scalars_integers_and_second_order():
    assert run("cli_pkg.mine:Layer.call", "--shape", "()", "--order", "2").exit_code == 0
    result = run(
        "cli_pkg.mine:scaled", "--shape", "3", "--shape", "3", "--dtype", "bfloat16", "--dtype", "int32", "--json"
    )
    assert result.exit_code == 0
    assert {leaf["verdict"] for leaf in json.loads(result.output)["leaves"]} == {"ok", "skipped"}


def test_a_function_that_raises_shows_its_own_traceback():
    result = run("cli_pkg.mine:fails", "--shape", "3")
    assert result.exit_code == 2
    as_json = run("cli_pkg.mine:fails", "--shape", "3", "--json")
    assert as_json.exit_code == 2 and "no such day" in json.loads(as_json.output)["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage"),
        (("--shape", "3"), "name a function"),
        (("cli_pkg.mine:plain",), "one of --shape, --npz and --factory, got none"),
        (("cli_pkg.mine:plain", *SHAPES, "--npz", "args.npz"), "got --shape and --npz"),
        (("cli_pkg.mine:plain", "--shape", "3;4"), "must be sizes separated by commas"),
        (("cli_pkg.mine:plain", *SHAPES, "--dtype", "float33"), "'float33' is not a dtype"),
        (("cli_pkg.mine:plain", "--shape", "3", "--dtype", "float32", "--dtype", "int32"), "once or for each of the 1"),
        (("cli_pkg.mine:plain", "--npz", "nowhere.npz"), "nowhere.npz cannot be read"),
        (("cli_pkg.mine:plain", "--npz", "broken.npz"), "broken.npz cannot be read"),
        (("cli_pkg.mine:plain", "--npz", "empty.npz"), "holds no array"),
        (("cli_pkg.mine:plain", "--factory", "cli_pkg.mine:not_a_tuple"), "must return a tuple"),
        (("cli_pkg.mine:plain", *SHAPES, "--order", "3"), "--order"),
        (("cli_pkg.mine:plain", *SHAPES, "--reference", "cli_pkg.mine:plian"), "did you mean plain?"),
        (("cli_pkg.mine:plain", "--all"), "--all takes no function"),
    ],
)
def test_bad_call(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cli_pkg.mine", "must have the form pkg.module:function"),
        ("cli_pkg.mine:", "must have the form"),
        ("cli-pkg:f", "'cli-pkg' is not the name of a module"),
        ("nopkg.mine:f", "no module 'nopkg' on the path"),
        ("cli_pkg.thine:f", "no module 'thine' in the package cli_pkg"),
        ("cli_pkg.mine.deep:f", "cli_pkg.mine is not a package"),
        ("cli_pkg.mine:plian", "cli_pkg.mine has no 'plian'; did you mean plain?"),
        ("cli_pkg.mine:Layer.cal", "cli_pkg.mine:Layer has no 'cal'; did you mean call?"),
        ("cli_pkg.mine:__name__", "'cli_pkg.mine:__name__' must be a function, got str"),
        (
            "cli_pkg.lacks:f",
            "importing cli_pkg.lacks fails: ModuleNotFoundError: No module named 'no_such_library' "
            "(HERE/lacks.py, line 2: import no_such_library)",
        ),
        ("cli_pkg.fails:f", "double quotes: line 1 column 2 (char 1) (HERE/fails.py, line 3: return json.loads('{'))"),
        ("cli_pkg.typo:f", "SyntaxError: '(' was never closed (HERE/typo.py, line 1)"),
        ("cli_pkg.leaves:f", "importing cli_pkg.leaves fails: SystemExit: 3 (HERE/leaves.py, line 2: sys.exit(3))"),
    ],
)
def test_malformed_name(spec, message, user_module):
    with pytest.raises(LoadError) as caught:
        load_object(spec)
    assert message.replace("HERE", str(user_module / "cli_pkg")) in str(caught.value)


def test_module_that_fails_is_no_traceback():
    result = run("cli_pkg.fails:f", "--shape", "3")
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "importing cli_pkg.fails fails: json.decoder.JSONDecodeError" in " ".join(
        result.output.replace("│", " ").split()
    )


def test_all_reports_and_fails_with_the_worst(monkeypatch):
    """The command over two gradients; tests/test_custom_gradients.py checks them all."""
    right = next(g for g in custom_gradients.CUSTOM_GRADIENTS if g.name.startswith("finite"))
    wrong = right._replace(name="twice", f=lambda x: x + x)
    monkeypatch.setattr("jaxml.cli._check.CUSTOM_GRADIENTS", (right,))
    assert run("--all").exit_code == 0
    monkeypatch.setattr("jaxml.cli._check.CUSTOM_GRADIENTS", (right, wrong))
    result = run("--all", "--json")
    assert result.exit_code == 1
    assert [report["verdict"] for report in json.loads(result.output)] == ["ok", "wrong"]
    assert "twice" in run("--all").output
