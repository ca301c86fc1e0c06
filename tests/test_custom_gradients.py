"""Every custom gradient of jaxml against autodiff of its plain reference; and that every one is registered."""

import ast
from pathlib import Path

import pytest

from jaxml import gradcheck
from jaxml.custom_gradients import CUSTOM_GRADIENTS
from jaxml.functional import _depthwise_shift

ROOT = Path(__file__).parents[1] / "jaxml"
# What gives a function a derivative by hand.
RULES = {"custom_vjp", "custom_jvp", "defbilinear", "defjvp", "defvjp", "deflinear", "deflinear2", "primitive_jvps"}


@pytest.mark.slow
@pytest.mark.parametrize("gradient", CUSTOM_GRADIENTS, ids=lambda gradient: gradient.name)
def test_custom_gradient(gradient):
    report = gradient.check()
    report.assert_ok()
    assert {leaf.order for leaf in report.leaves} == {1, 2}


def test_every_file_with_a_rule_is_registered():
    """A file that writes a derivative by hand is imported by the table."""
    table = (ROOT / "custom_gradients.py").read_text()
    with_rules = [
        path.relative_to(ROOT)
        for path in ROOT.rglob("*.py")
        if "gradcheck" not in path.parts
        and RULES
        & {
            n.attr if isinstance(n, ast.Attribute) else getattr(n, "id", "")
            for n in ast.walk(ast.parse(path.read_text()))
        }
    ]
    assert with_rules, "the search finds nothing"
    assert [str(path) for path in with_rules if path.stem not in table] == []


def test_a_planted_bug_is_named(monkeypatch):
    """One weight of jaxml's own d/dw is 1 % off: the report says which leaf and which element."""
    right = _depthwise_shift.weight_grad
    monkeypatch.setattr(
        _depthwise_shift, "weight_grad", lambda *a, **window: right(*a, **window).at[1, 0, 0, 2].multiply(1.01)
    )
    name = "depthwise_forward shift float32"
    (gradient,) = (gradient for gradient in CUSTOM_GRADIENTS if gradient.name == name)
    report = gradient._replace(order=1).check()
    wrong = [leaf for leaf in report.leaves if leaf.verdict == "wrong"]
    assert [(leaf.path, leaf.index) for leaf in wrong] == [("args[1]", (1, 0, 0, 2))]
    assert wrong[0].got / wrong[0].want == pytest.approx(1.01)
    without = gradcheck.check(gradient.f, *gradient.make_args(0))
    assert [leaf.path for leaf in without.leaves if leaf.verdict == "wrong"] == ["args[1]"]
