"""What a report says and how: text, JSON, a rich table, the error of `assert_ok`; and the errors of `check` itself."""

import io
import json
import traceback

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from rich.console import Console
from test_gradcheck import broken

from jaxml import gradcheck

pytestmark = pytest.mark.loose_promotion

REPORT = gradcheck.GradReport(
    name="loss",
    leaves=(
        gradcheck.LeafReport("args[0]['w']", "ok", "float32", (2, 3), error=1e-12, tolerance=1e-10,
                             method="finite differences", probed=1.0),
        gradcheck.LeafReport("args[0]['b']", "wrong", "float32", (4,), index=(2,), got=0.0, want=1.5, error=1.5,
                             tolerance=1e-9, method="finite differences", reason="also by: jit", dead=True),
        gradcheck.LeafReport("args[1]", "nan", "float16", (), index=(), got=float("nan"), method="ulps"),
        gradcheck.LeafReport("args[2]", "skipped", "int32", (8,), reason="integer"),
    ),
    notes=("a note that is so long that it has to be wrapped " * 3,),
)  # fmt: skip


def test_text():
    assert str(REPORT).splitlines() == [
        "gradcheck loss: wrong (1 wrong, 1 nan, 1 ok, 1 skipped)",
        "  wrong        args[0]['b'][2]  float32[4], dead",
        "               got 0, want 1.5",
        "               error 1.50e+00, tolerance 1.00e-09 (finite differences)",
        "               also by: jit",
        "  nan          args[1]  float16[]",
        "               got nan",
        "               by ulps",
        "  ok           args[0]['w']  float32[2, 3]",
        "               error 1.00e-12, tolerance 1.00e-10 (finite differences)",
        "  skipped      args[2]  int32[8]: integer",
        "  note: 54.5 % of the elements were examined one by one, all of them in sums.",
        "  note: a note that is so long that it has to be wrapped a note that is so long",
        "        that it has to be wrapped a note that is so long that it has to be",
        "        wrapped",
    ]


def test_verdict_is_the_worst():
    assert (REPORT.verdict, REPORT.ok, REPORT.probed) == ("wrong", False, 6 / 11)
    with pytest.raises(gradcheck.GradientError, match="gradcheck loss: wrong") as caught:
        REPORT.assert_ok(inconclusive=True)
    assert str(caught.value) == str(REPORT) and isinstance(caught.value, AssertionError)


def test_json():
    data = json.loads(REPORT.to_json())
    assert (data["name"], data["verdict"], data["ok"], data["order"], data["seed"]) == ("loss", "wrong", False, 1, 0)
    assert data["leaves"][1] == {
        "path": "args[0]['b']", "verdict": "wrong", "dtype": "float32", "shape": [4], "order": 1, "index": [2],
        "got": 0.0, "want": 1.5, "error": 1.5, "tolerance": 1e-9, "method": "finite differences",
        "reason": "also by: jit", "dead": True, "probed": 0.0,
    }  # fmt: skip
    assert data["leaves"][2]["got"] == "nan" and data["leaves"][3]["got"] is None


def test_rich_table():
    console = Console(width=100, file=io.StringIO())
    console.print(REPORT)
    text = console.file.getvalue()
    assert "gradcheck loss: wrong" in text and "args[0]['b'][2]" in text and "also by: jit" in text


def test_text_fits_80_columns():
    f = broken(
        lambda p: jnp.sum(jax.nn.relu(p["a_long_name"]["and_another"])), lambda g: jax.tree.map(jnp.ones_like, g)
    )
    report = gradcheck.check(f, {"a_long_name": {"and_another": 1e-3 * jnp.arange(-2.0, 3.0)}})
    assert max(map(len, str(report).splitlines())) <= 80 and report.verdict == "wrong"


def two(x):
    return x, {"a": x}


@pytest.mark.parametrize(
    ("f", "args", "options", "message"),
    [
        (lambda i: i, (jnp.int32(1),), {}, r"no argument can be differentiated, .* got args\[0\] \(integer\)"),
        (lambda: 1.0, (), {}, "no argument can be differentiated, .* got none at all"),
        (lambda x: jnp.int32(1), (1.0,), {}, "f returns no floating output"),
        (lambda x, o: x, (1.0, np.array([None])), {}, r"args\[1\] is an array of objects"),
        (lambda x: 1 / 0, (1.0,), {}, "calling f raised ZeroDivisionError: division by zero"),
        (
            lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (0, x))[1], (1.0,), {},
            "f cannot be differentiated: ValueError: Reverse-mode",
        ),
        (
            lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), np.float32), x), (jnp.float32(1),), {},
            "f cannot be differentiated: ValueError: Pure callbacks do not support JVP",
        ),
        (broken(jnp.sin, lambda g: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, 2 * s[1]), (0, g))[1] / 8),
         (jnp.float32(1),), {"order": 2}, "order 2 is not available, .* raised ValueError: Reverse-mode"),
        (jnp.sin, (jnp.ones(3),), {"reference": lambda x: x[:2]}, r"out has shape \(3,\) from f and \(2,\) from the"),
        (two, (1.0,), {"reference": lambda x: (x, {"b": x})}, r"different trees: only f returns out\[1\]\['a'\]"),
        (two, (1.0,), {"reference": lambda x: (x, {"a": x}, x)}, r"only the reference returns out\[2\]"),
        (jnp.sin, (1.0,), {"reference": lambda x: 1 / 0}, "calling the reference raised ZeroDivisionError"),
        (jnp.sin, (1.0,), {"reference": broken(jnp.sin, lambda g: (g, g))}, "the reference cannot be differentiated"),
        (jnp.sin, (1.0,), {"order": 3}, "order must be 1 or 2, got 3"),
        (jnp.sin, (1.0,), {"modes": ("fwd",)}, r"modes must be .* got \('fwd',\)"),
        (jnp.sin, (1.0,), {"elements": 0}, "directions and elements must be at least 1, got 2 and 0"),
    ],
)  # fmt: skip
def test_error(f, args, options, message):
    with pytest.raises(gradcheck.CheckError, match=message):
        gradcheck.check(f, *args, **options)


def test_own_traceback_is_kept():
    def inner(x):
        raise KeyError("nothing here")

    with pytest.raises(gradcheck.CheckError, match="calling f raised KeyError: 'nothing here'") as caught:
        gradcheck.check(lambda x: inner(x), 1.0)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value.__cause__, KeyError)
    assert "inner" in [frame.name for frame in traceback.extract_tb(caught.value.__cause__.__traceback__)]


def test_registered_gradient():
    entry = gradcheck.Gradient("sine", jnp.sin, None, lambda seed: (jnp.ones(seed),))
    report = entry.check(seed=2)
    assert (report.name, report.seed, report.order) == ("sine", 2, 2)
    assert [leaf.shape for leaf in report.leaves] == [(2,), (2,)]
    report.assert_ok()
