"""Each reason that `explain` gives, on a program that has it."""

import json

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxml.functional as F
from jaxml import flops


def S(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def conv(x, w, groups=1):
    return lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )


def depthwise_weight_gradient(w, x):
    return jax.grad(lambda w: conv(x, w, 32).sum())(w)


def reasons(found):
    return [(gap.stage, gap.reason) for gap in found.gaps]


def test_loop():
    found = flops.explain(lambda x: lax.scan(lambda c, _: (c @ c, None), x, length=10)[0], S(32, 32))
    assert found.cost.flops == 655_360
    assert reasons(found) == [("lowered", "loop")]
    assert found.gaps[0].flops == -9 * 65_536
    assert abs(found.unexplained("lowered")) <= 4 and found.unexplained("compiled") == 0


def test_while_loop():
    found = flops.explain(lambda a: lax.while_loop(lambda c: c.sum() < 3, lambda c: c @ c, a), S(32, 32), trip_count=10)
    assert reasons(found) == [("lowered", "loop")] and found.unexplained("lowered") == 0


def test_padding():
    """jax#17912 and flax#3392: XLA skips the taps on padding."""
    found = flops.explain(conv, S(1, 16, 16, 32), S(3, 3, 32, 64))
    assert (found.cost.flops, found.lowered, found.compiled) == (9_437_184, 8_667_136, 8_667_136)
    assert reasons(found) == [("lowered", "padding")] and found.unexplained("lowered") == 0
    assert flops.explain(conv, S(1, 16, 16, 32), S(3, 3, 32, 64), padding="exclude").gaps == ()


def test_branch():
    def f(p, a):
        return lax.cond(p, lambda a: a @ a, lambda a: a + 1, a)

    p = jax.ShapeDtypeStruct((), jnp.bool_)
    assert reasons(flops.explain(f, p, S(32, 32))) == []
    found = flops.explain(f, p, S(32, 32), branch="min")
    assert (found.cost.flops, reasons(found)) == (1024, [("lowered", "branch")])


def test_library_call():
    """LAPACK factorises; XLA sees only the arithmetic around it."""
    found = flops.explain(jnp.linalg.cholesky, S(32, 32))
    assert reasons(found) == [("lowered", "library")]
    assert -found.gaps[0].flops == 32 * 33 * 65 // 6
    assert found.unexplained("lowered") == 0


def test_expansion_of_a_gradient():
    """XLA:CPU computes a depthwise weight gradient as a dense one: 32 channels cost 32 times as much."""
    found = flops.explain(depthwise_weight_gradient, S(3, 3, 1, 32), S(1, 16, 16, 32))
    assert (found.cost.macs, found.lowered) == (9 * 16 * 16 * 32, 135_424)
    if found.compiled < 2 * found.lowered:
        pytest.skip(f"this XLA does not expand it (compiled: {found.compiled})")
    (gap,) = [gap for gap in found.gaps if gap.stage == "compiled"]
    assert gap.reason == "expansion" and "dense" in gap.text
    assert abs(found.unexplained("compiled")) < 0.01 * found.compiled


def test_another_implementation():
    """jaxml's depthwise convolution is lowered to shifted products."""
    found = flops.explain(F.depthwise_conv2d, S(1, 16, 16, 32), S(3, 3, 1, 32))
    assert ("lowered", "implementation") in reasons(found)
    assert abs(found.unexplained("lowered")) < 0.05 * found.lowered


def test_no_figures(monkeypatch):
    """A GPU says None before compiling (jax#22713) and -1 for a call into cuBLAS (jax#16008): both are said, not 0."""
    monkeypatch.setattr("jaxml.flops._explain._figures", lambda f, *args: (None, "", None))
    found = flops.explain(lambda a: a @ a, S(32, 32))
    assert found.cost.flops == 65_536 and reasons(found) == [("lowered", "no figure"), ("compiled", "no figure")]
    assert found.unexplained("lowered") is found.unexplained("compiled") is None
    assert "none" in str(found)


@pytest.mark.parametrize(("analysis", "flops_"), [(None, None), ({"flops": -1.0}, None), ({}, 0), ({"flops": 6.0}, 6)])
def test_what_a_backend_says(analysis, flops_):
    from jaxml.flops._explain import _flops

    assert _flops(analysis) == flops_


def test_output():
    found = flops.explain(conv, S(1, 16, 16, 32), S(3, 3, 32, 64))
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "9,437,184" in text and "8,667,136" in text and "read padding" in text
    read = json.loads(found.to_json())
    assert read["lowered"] == 8_667_136 and read["gaps"][0]["reason"] == "padding"
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=80, record=True)
    with console.capture() as captured:
        console.print(found)
    assert max(map(len, captured.get().splitlines())) <= 80 and "9,437,184" in captured.get()


def test_cannot_be_compiled():
    with pytest.raises(flops.CountError, match="cannot be traced"):
        flops.explain(lambda a: a @ jnp.ones(7), S(32, 32))
