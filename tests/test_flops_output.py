"""What a count says besides its totals: scopes, parameters, tables; and its errors."""

import json

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import flops
from jaxml.flops import count


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


A = S(8, 8)


# Scopes, parameters, output
def network(w, x):
    with jax.named_scope("first"):
        with jax.named_scope("inner"):
            x = x @ w["a"]
        x = jnp.tanh(x)
    with jax.named_scope("second"):
        return jax.jit(lambda x: jax.named_scope("called")(lambda x: x @ w["b"])(x))(x)


W = {"a": S(3, 5), "b": S(5, 7)}


def test_scopes_are_nested_and_include_what_is_inside():
    cost = count(network, W, S(2, 3), params="w")
    assert {k: c.macs for k, c in cost.by_scope.items()} == {
        "first": 30, "first/inner": 30, "second": 70, "second/called": 70,
    }  # fmt: skip
    assert cost.by_scope["first"].transcendentals == 10 and cost.by_scope["first/inner"].transcendentals == 0
    backward = count(jax.grad(lambda w, x: network(w, x).sum()), W, S(2, 3))
    assert set(backward.by_scope) == set(cost.by_scope)
    assert backward.by_scope["first"].macs == 2 * 30
    assert (cost.params, count(network, W, S(2, 3), params=0).params, backward.params) == (50, 50, None)


def test_parts_sum_to_the_whole():
    cost = count(jax.grad(lambda w, x: jnp.sin(network(w, x)).sum()), W, S(2, 3))
    whole = sum(cost.by_primitive.values())
    for name in ("macs", "flops", "transcendentals", "bytes", "activations"):
        assert getattr(whole, name) == getattr(cost, name)
        assert isinstance(getattr(cost, name), int)


def test_costs_add_up():
    one = count(network, W, S(2, 3), params="w")
    both = one + 2 * one
    assert (both.macs, both.flops, both.by_scope["first"].macs) == (300, 3 * one.flops, 90)
    assert sum([one, one]).by_primitive["dot_general"].macs == 200
    with pytest.raises(TypeError):
        one + 1
    with pytest.raises(TypeError):
        one * 1.5


def test_output():
    cost = count(network, W, S(2, 3), params="w")
    text = str(cost)
    assert max(map(len, text.splitlines())) <= 80
    assert all(word in text for word in ("MACs", "FLOPs", "parameters", "dot_general", "first/inner", "tanh"))
    read = json.loads(cost.to_json())
    assert (read["macs"], read["flops"], read["params"]) == (100, 200, 50)
    assert read["by_scope"]["first/inner"]["macs"] == 30
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=80)
    with console.capture() as captured:
        console.print(cost)
    assert max(map(len, captured.get().splitlines())) <= 80 and "first/inner" in captured.get()


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (9999, "9999"), (10_000, "10.0 k"), (568_740_352, "569 M"), (999_960, "1.00 M"), (4.9e9, "4.90 G")],
)
def test_quantity(n, text):
    from jaxml.flops._table import quantity

    assert quantity(n) == text


# Arguments and errors
def test_arguments_may_be_arrays_structs_and_trees():
    assert count(network, {k: np.ones(v.shape, np.float32) for k, v in W.items()}, jnp.ones((2, 3))).macs == 100
    assert count(lambda x, n: x * n, S(3), 2.0).other == 3
    assert count(lambda: jnp.ones(3)).macs == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count(jnp.matmul, S(2, 3), S(4, 5)), r"matmul\(float32\[2,3\], float32\[4,5\]\) cannot be traced"),
        (lambda: count(lambda a: bool(a), S()), "cannot be traced: TracerBoolConversionError"),
        (lambda: count(lambda a: a), "cannot be traced: TypeError"),
        (lambda: count(jnp.sin, S(*jax.export.symbolic_shape("b, 8"))), "every size must be a number, got b"),
        (lambda: count(3, A), "f must be a function, got int"),
        (lambda: count(jnp.sin, A, padding="exclud"), "padding must be.*did you mean 'exclude'"),
        (lambda: count(jnp.sin, A, branch="mx"), "branch must be.*did you mean 'max'"),
        (lambda: count(jnp.sin, A, branch=-1), "branch must be"),
        (lambda: count(jnp.sin, A, trip_count=3), "no while loop"),
        (lambda: count(jnp.sin, A, trip_count=-1), "trip_count must be"),
        (lambda: count(network, W, S(2, 3), params="ww"), r"no argument of network \(arguments: 'w', 'x'\).*mean 'w'"),
        (lambda: count(network, W, S(2, 3), params=2), r"no argument of network \(arguments: 0, 1\)"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, message):
    with pytest.raises(flops.CountError, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    if "traced" in message:
        assert caught.value.__cause__ is not None
