"""Every operation of a model lies in the scope of its module, and nothing but names comes of that."""

from contextlib import nullcontext
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import flops, models, nn


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def S(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def linear(inner, out):
    return nn.Linear(inner, out, rngs=nnx.Rngs(0))


class Branch(nnx.Module):
    def __init__(self):
        self.proj = linear(3, 5)

    def __call__(self, x):
        return jnp.tanh(self.proj(x))


class Net(nnx.Module):
    """Parts in every kind of container; the same layer is called twice."""

    def __init__(self):
        self.named = nnx.data({"a": linear(3, 3), "deep": {"b": Branch()}})
        self.row = nnx.List([linear(5, 7), nn.Sequential(linear(7, 2), F.relu)])
        self.pair = nnx.data((linear(2, 2),))
        self._hidden = linear(2, 2)

    def __call__(self, x):
        x = self.named["deep"]["b"](self.named["a"](self.named["a"](x)))
        for layer in self.row:
            x = layer(x)
        return self._hidden(self.pair[0](x))


NET = {  # MACs for 4 rows
    "named/a": 2 * 4 * 9, "named/deep/b/proj": 4 * 15, "row/0": 4 * 35, "row/1/layers/0": 4 * 14, "pair/0": 4 * 4,
    "_hidden": 4 * 4,
}  # fmt: skip


def macs(cost, names=NET):
    return {name: part.macs for name, part in cost.by_scope.items() if name in names}


def test_paths():
    apply, params, state = nn.functionalize(Net())
    cost = flops.count(apply, params, state, S(4, 3))
    assert macs(cost) == NET
    assert cost.by_scope["row"].macs == NET["row/0"] + NET["row/1/layers/0"]
    assert cost.by_scope["row/1/layers/1"].other == 4 * 2  # the activation
    assert sum(NET.values()) == cost.macs


class Twice(nnx.Module):
    def __init__(self):
        self.first = linear(3, 3)
        self.again = self.first

    def __call__(self, x):
        return self.again(self.first(x))


def test_a_shared_module_has_the_path_of_its_parameters():
    with nnx.set_graph_mode(True), nnx.set_graph_updates(True):  # in tree mode NNX refuses what is shared
        apply, params, state = nn.functionalize(Twice())
        scopes = set(flops.count(apply, params, state, S(1, 3)).by_scope)
    assert scopes == set(params) == {"again"}


FORWARD = sum(NET.values())


@pytest.mark.parametrize(
    ("transformed", "times", "again"),
    [
        (jax.jit, 1, 0),
        (jax.checkpoint, 1, FORWARD - NET["_hidden"]),  # computed again, but for what nothing in it needs
        (lambda f: jax.vmap(f, (None, None, 0)), 2, 0),
        (lambda f: lambda p, s, x: jax.lax.scan(lambda c, x: (c, f(p, s, x)), 0, x)[1], 2, 0),
    ],
    ids=["jit", "remat", "vmap", "scan"],
)
def test_transformations_keep_the_scopes(transformed, times, again):
    """The gradient too: three times the forward pass, but twice in the first layer's first call: its input is data."""
    apply, params, state = nn.functionalize(Net())
    f = transformed(lambda *args: apply(*args)[0])
    x = S(4, 3) if times == 1 else S(times, 4, 3)
    assert macs(flops.count(f, params, state, x)) == {name: times * n for name, n in NET.items()}
    backward = flops.count(jax.grad(lambda *args: jnp.tanh(f(*args)).sum()), params, state, x)
    assert backward.macs == times * (3 * FORWARD - 4 * 9) + again
    assert sum(macs(backward).values()) == backward.macs
    assert macs(backward)["pair/0"] == 3 * times * NET["pair/0"] + (NET["pair/0"] if again else 0)
    assert set(backward.by_scope) == set(flops.count(f, params, state, x).by_scope)


class Stack(nnx.Module):
    """Its layers are handed to a transformation, which calls them rebuilt."""

    def __init__(self, how):
        self.how = how
        self.block = Branch()
        if how == "scan":
            self.block.proj.w = nnx.Param(jnp.ones((6, 3, 3)))
            self.block.proj.b = nnx.Param(jnp.ones((6, 3)))

    def __call__(self, x):
        if self.how == "scan":
            return jax.lax.scan(lambda x, block: (block(x), None), x, self.block)[0]
        return jax.checkpoint(lambda block, x: block(x))(self.block, x)


@pytest.mark.parametrize(("how", "exact"), [("scan", 6 * 4 * 9), ("remat", 4 * 15)])
def test_a_module_passed_through_a_transformation_is_known_again(how, exact):
    apply, params, state = nn.functionalize(Stack(how))
    cost = flops.count(apply, params, state, S(4, 3))
    assert macs(cost, {"block/proj"}) == {"block/proj": exact} and cost.macs == exact


class Two(nnx.Module):
    def __init__(self):
        self.a, self.b = linear(3, 3), linear(3, 3)

    def __call__(self, x):
        return self.b(jax.checkpoint(lambda layer, x: layer(x))(self.a, x))


def test_one_that_cannot_be_told_has_the_name_of_its_class():
    apply, params, state = nn.functionalize(Two())
    assert set(flops.count(apply, params, state, S(1, 3)).by_scope) == {"Linear", "b"}


def test_outside_a_model_the_name_is_that_of_the_class():
    layer = linear(3, 3)
    assert set(flops.count(lambda x: layer(x), S(1, 3)).by_scope) == {"Linear"}
    apply, params, state = nn.functionalize(layer)
    assert set(flops.count(apply, params, state, S(1, 3)).by_scope) == {"Linear"}


def test_scopes_of_the_user_are_around_and_inside():
    apply, params, state = nn.functionalize(Branch())

    def step(params, state, x):
        with jax.named_scope("step"):
            return apply(params, state, x)

    assert set(flops.count(step, params, state, S(1, 3)).by_scope) == {"step", "step/proj"}


def step_of(apply, **options):
    return jax.value_and_grad(lambda params, state, x: apply(params, state, x, **options)[0].sum())


@pytest.mark.parametrize("jitted", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", ["cnn", "cnn_separable"])
def test_fused_layers_are_told_apart(name, train, jitted):
    """MACs lie on the convolutions, and on them nothing else does; all else that a block does, on its norms."""
    apply, params, state = nn.abstract(lambda: models.create(name, rngs=nnx.Rngs(0)))
    x = S(2, 8, 8, 1)
    call = partial(apply, train=train)
    call = jax.jit(call) if jitted else call
    for f in (call, step_of(call)):
        cost = flops.count(f, params, state, x)
        blocks = {k: c for k, c in cost.by_scope.items() if k.split("/")[-1] in LAYERS and k.startswith(("stem", "bl"))}
        head = cost.by_scope["head"].macs
        assert len(blocks) == (2 * 4 if name == "cnn" else 2 + 3 * 4)
        assert all((c.macs > 0) is ("norm" not in k) and (c.other == 0 or "norm" in k) for k, c in blocks.items())
        assert sum(c.macs for c in blocks.values()) + head == cost.macs


LAYERS = {"conv", "norm", "depthwise", "depthwise_norm", "pointwise", "pointwise_norm"}


@pytest.mark.slow
def test_recomputing_changes_no_macs_of_any_scope():
    counts = []
    for recompute in (True, False):
        made = nn.abstract(lambda on=recompute: models.create("mobilenet_v1_025", rngs=nnx.Rngs(0), recompute=on))
        cost = flops.count(step_of(made[0], train=True), *made[1:], S(1, 32, 32, 3))
        counts.append({name: part.macs for name, part in cost.by_scope.items() if part.macs})
    assert counts[0] == counts[1] and len(counts[0]) > 40


@pytest.mark.parametrize("train", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_program_is_the_same_without_names(train, monkeypatch):
    """Word for word: the names are in the metadata alone. So values and gradients are the same too."""

    def programs():
        apply, params, state = nn.functionalize(models.create("cnn_separable", rngs=nnx.Rngs(0), dropout=0.5))
        x = jnp.ones((2, 8, 8, 1))
        return [jax.jit(f).lower(params, state, x).as_text() for f in (partial(apply, train=train), step_of(apply))]

    named = programs()
    monkeypatch.setattr(jax, "named_scope", lambda name: nullcontext())
    assert programs() == named


def test_a_compiled_call_opens_no_scope(monkeypatch):
    apply, params, state = nn.functionalize(Branch())
    opened = []
    real = jax.named_scope
    monkeypatch.setattr(jax, "named_scope", lambda name: opened.append(name) or real(name))
    call = jax.jit(apply)
    call(params, state, jnp.ones((1, 3)))
    assert opened == ["proj"]
    call(params, state, jnp.ones((1, 3)))
    assert opened == ["proj"]


def test_an_error_leaves_no_scope_open(unchecked_types):
    apply, params, state = nn.functionalize(Branch())
    with pytest.raises(ValueError, match="linear"):
        apply(params, state, jnp.ones((1, 4)))
    assert set(flops.count(lambda x: linear(3, 3)(x), S(1, 3)).by_scope) == {"Linear"}


def test_scope_of_batch_norm_conv():
    """All but the convolution is in it, in the backward pass too."""
    c, w = S(2), S(3, 3, 2, 4)

    def f(x, w, c):
        return F.batch_norm_conv(x, c, c, c, c, w, train=True, scope="before")[0].sum()

    forward, backward = (flops.count(g, S(1, 4, 4, 2), w, c) for g in (f, jax.grad(f, (0, 1, 2))))
    summed = 4 * 4 * 4 - 1  # what `f` itself does, of which the gradient has no need
    for cost, outside in ((forward, summed), (backward, 0)):
        assert (cost.macs > 0, cost.by_scope["before"].macs) == (True, 0)
        assert cost.by_scope["before"].other == cost.other - outside
    plain = flops.count(lambda x, w, c: F.batch_norm_conv(x, c, c, c, c, w, train=True), S(1, 4, 4, 2), w, c)
    assert plain.by_scope == {}
