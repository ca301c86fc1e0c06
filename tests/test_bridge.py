"""`functionalize` makes a model a pure function that loses nothing, with NNX's graph mode on and off."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def make(rate=0.5):
    rngs = nnx.Rngs(0)
    return nn.Sequential(
        nn.Conv(2, 4, 3, rngs=rngs),
        nn.BatchNorm(4),
        F.relu,
        nn.Dropout(rate, rngs=rngs),
        nn.Flatten(),
        nn.Dropout(rate, rngs=rngs),
        nn.Linear(4 * 4 * 3, 3, rngs=rngs),
    )


def batch(n=5):
    return jax.random.normal(jax.random.key(1), (n, 4, 3, 2))


def snapshot(model):
    _, params, state = nn.functionalize(model)
    return params, state


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        bool((x == y).all()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_what_is_where():
    """Trainable arrays in `params`, statistics and keys in `state`, all of them plain."""
    _, params, state = nn.functionalize(make())
    name = partial(jax.tree_util.keystr, simple=True, separator=".")
    paths = [[name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)] for tree in (params, state)]
    assert paths[0] == ["layers.0.b", "layers.0.w", "layers.1.bias", "layers.1.scale", "layers.6.b", "layers.6.w"]
    assert paths[1] == ["layers.1.mean", "layers.1.var", "layers.3.key", "layers.5.key"]
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves((params, state)))


@pytest.mark.parametrize("train", [False, True])
def test_is_the_model(train):
    """Output and state are those that the module itself comes to when called."""
    model, x = make(), batch()
    apply, params, state = nn.functionalize(model)
    before = snapshot(model)
    got, new = apply(params, state, x, train=train)
    assert same(snapshot(model), before)
    np.testing.assert_array_equal(got, model(x, train=train))
    assert same(snapshot(model), (params, new))
    assert same(new, state) is not train


@pytest.mark.parametrize("train", [False, True])
def test_jit(train):
    apply, params, state = nn.functionalize(make())
    with jax.checking_leaks():
        got = jax.jit(apply, static_argnames="train")(params, state, batch(), train=train)
    want = apply(params, state, batch(), train=train)
    assert same(jax.tree.map(lambda a: a, got[1])["layers"][3], want[1]["layers"][3])
    for i in ("mean", "var"):
        np.testing.assert_allclose(got[1]["layers"][1][i], want[1]["layers"][1][i], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-4, atol=1e-5)


def test_statistics_come_back():
    apply, params, state = nn.functionalize(nn.BatchNorm(2, momentum=0.75))
    x = jnp.array([[1.0, 4.0], [3.0, 8.0]])
    for _ in range(2):
        _, state = jax.jit(partial(apply, train=True))(params, state, x)
    np.testing.assert_allclose(state["mean"], (1 - 0.75**2) * np.array([2.0, 6.0]), rtol=1e-6)
    np.testing.assert_allclose(state["var"], 0.75**2 + (1 - 0.75**2) * np.array([1.0, 4.0]), rtol=1e-6)


def test_grad():
    """Of a linear layer in closed form: d/dw Σ (xw + b)² = 2 xᵀ(xw + b)."""
    apply, params, state = nn.functionalize(nn.Linear(3, 2, rngs=nnx.Rngs(0)))
    x = batch().reshape(-1, 3)
    with jax.checking_leaks():
        got = jax.jit(jax.grad(lambda p: (apply(p, state, x)[0] ** 2).sum()))(params)
    assert jax.tree.structure(got) == jax.tree.structure(params)
    y = x @ params["w"] + params["b"][None]
    np.testing.assert_allclose(got["w"], 2 * x.T @ y, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got["b"], 2 * y.sum(0), rtol=1e-4, atol=1e-4)


def test_grad_and_state_together():
    """The training step's form: `value_and_grad` with the state as auxiliary output, every parameter reached."""
    apply, params, state = nn.functionalize(make())

    @jax.jit
    def step(params, state, x):
        def loss(params):
            y, new = apply(params, state, x, train=True)
            return (y**2).sum(), new

        return jax.value_and_grad(loss, has_aux=True)(params)

    (value, new), grads = step(params, state, batch())
    y, want = apply(params, state, batch(), train=True)
    np.testing.assert_allclose(value, (y**2).sum(), rtol=1e-4)
    assert same(new["layers"][5], want["layers"][5]) and not same(new, state)
    # Batch norm takes the mean away again, so the bias before it has gradient 0 up to rounding.
    del grads["layers"][0]["b"]
    assert all(float(jnp.abs(g).max()) > 1e-3 for g in jax.tree.leaves(grads))


def test_per_example_gradients():
    """`vmap` of `grad`: one gradient an example, whose sum is the batch's."""
    apply, params, state = nn.functionalize(make())

    def loss(params, x):
        return (apply(params, state, x)[0] ** 2).sum()

    each = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, batch()[:, None])
    whole = jax.grad(loss)(params, batch())
    for got, want in zip(jax.tree.leaves(each), jax.tree.leaves(whole), strict=True):
        assert got.shape == (5, *want.shape)
        np.testing.assert_allclose(got.sum(0), want, rtol=1e-3, atol=1e-4)


def test_vmap_over_models():
    """An ensemble: parameters and states stacked, each with masks of its own."""
    apply, *_ = nn.functionalize(make())
    made = [nn.functionalize(model)[1:] for model in (make(), make())]
    made[1][1]["layers"][3]["key"] = jax.random.key(99)
    params, states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
    got, _ = jax.vmap(partial(apply, train=True), in_axes=(0, 0, None))(params, states, batch())
    for i, (p, s) in enumerate(made):
        np.testing.assert_allclose(got[i], apply(p, s, batch(), train=True)[0], rtol=1e-4, atol=1e-5)
    assert (got[0] != got[1]).any()


def test_dropout_keys_advance():
    """The same state, the same masks; the returned state, new ones; no two layers share one."""
    rngs = nnx.Rngs(0)
    for model in (nn.Dropout(0.5, rngs=rngs), nn.Sequential(nn.Dropout(0.5, rngs=rngs), nn.Dropout(0.1, rngs=rngs))):
        apply, params, state = nn.functionalize(model)
        call, x = jax.jit(partial(apply, train=True)), jnp.ones(500)
        first, second = call(params, state, x)
        assert (first == call(params, state, x)[0]).all()
        assert (first != call(params, second, x)[0]).any()
        assert same(apply(params, second, x)[1], second)
        np.testing.assert_array_equal(apply(params, second, x)[0], x)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_scan(dtype):
    """The state keeps its dtypes and shapes, so it can be carried: a scan is the loop."""
    apply, params, state = nn.functionalize(make())
    xs = jnp.stack([batch(), 2 * batch(), batch() + 1]).astype(dtype)

    def body(state, x):
        y, state = apply(params, state, x, train=True)
        return state, y

    last, ys = jax.lax.scan(body, state, xs)
    for x, y in zip(xs, ys, strict=True):
        want, state = apply(params, state, x, train=True)
        tolerance = 1e-4 if dtype == jnp.float32 else 0.1
        np.testing.assert_allclose(np.float32(y), np.float32(want), rtol=tolerance, atol=tolerance)
    assert same(last["layers"][3], state["layers"][3])


def test_copies_are_independent():
    """Donated to a step or trained, what `functionalize` returned leaves the model and other copies as they were."""
    model, x = make(), batch()
    apply, params, state = nn.functionalize(model)
    other = nn.functionalize(model)
    want = apply(params, state, x)[0]
    step = lambda p, s: (jax.tree.map(lambda a: a / 2, p), apply(p, s, x, train=True)[1])  # noqa: E731
    jax.jit(step, donate_argnums=(0, 1))(params, state)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((params, state)))
    np.testing.assert_array_equal(model(x), want)
    np.testing.assert_array_equal(other[0](*other[1:], x)[0], want)
    model.layers[0].w[...] = jnp.zeros_like(model.layers[0].w[...])
    np.testing.assert_array_equal(other[0](*other[1:], x)[0], want)


def test_write_back():
    """`nnx.update` puts trained values into the model."""
    model, x = make(), batch()
    apply, params, state = nn.functionalize(model)
    params = jax.tree.map(lambda a: a + 0.5, params)
    _, state = apply(params, state, x, train=True)
    nnx.update(model, params, state)
    np.testing.assert_array_equal(model(x), apply(params, state, x)[0])


def test_arrays_from_elsewhere():
    """NumPy arrays, as a checkpoint gives them, serve as parameters."""
    apply, params, state = nn.functionalize(make())
    np.testing.assert_array_equal(
        apply(jax.tree.map(np.asarray, params), state, batch())[0], apply(params, state, batch())[0]
    )


def test_abstract():
    """Shapes and dtypes are those of the real thing, nothing is drawn, and `apply` works on real values."""
    apply, params, state = nn.abstract(make)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves((params, state)))
    _, *real = nn.functionalize(make())
    described = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), real)
    assert jax.tree.leaves((params, state)) == jax.tree.leaves(tuple(described))
    assert nn.count_params(params) == 9 * 2 * 4 + 4 + 4 + 4 + 48 * 3 + 3
    out, new = jax.eval_shape(partial(apply, train=True), params, state, batch())
    assert out.shape == (5, 3) and jax.tree.structure(new) == jax.tree.structure(state)
    assert apply(*real, batch())[0].shape == (5, 3)


def test_abstract_allocates_nothing():
    terabytes = nn.abstract(lambda: nn.Linear(1_000_000, 1_000_000, rngs=nnx.Rngs(0)))
    assert nn.count_params(terabytes[1]) == 10**12 + 10**6


class MovesParam(nnx.Module):
    def __init__(self):
        self.w = nnx.Param(jnp.ones(2))

    def __call__(self, x):
        self.w[...] = self.w[...] * 2
        return x * self.w[...]


class MovesAttribute(nnx.Module):
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x * self.calls


class AddsVariable(nnx.Module):
    def __call__(self, x):
        self.seen = nnx.Variable(x)
        return x


class CountsInState(nnx.Module):
    def __init__(self):
        self.calls = nnx.Variable(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        self.calls[...] += 1
        return x


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MovesParam, "MovesParam changed an nnx.Param when called"),
        (MovesAttribute, "MovesAttribute changed its own structure when called"),
        (AddsVariable, "AddsVariable changed its own structure when called"),
    ],
)
def test_what_would_be_lost_is_an_error(model, message, wrap):
    apply, params, state = nn.functionalize(model())
    with pytest.raises(RuntimeError, match=message):
        wrap(apply)(params, state, jnp.ones(2))


def test_any_variable_is_kept():
    apply, params, state = nn.functionalize(CountsInState())
    for _ in range(3):
        _, state = jax.jit(apply)(params, state, jnp.ones(2))
    assert state["calls"] == 3 and not jax.tree.leaves(params)


def test_wrong_trees():
    """Swapped arguments would pass by NNX unseen, which pairs leaves with variables by their order alone."""
    apply, params, state = nn.functionalize(make())
    with pytest.raises(ValueError, match="apply: params must have the tree"):
        apply(state, params, batch())
    with pytest.raises(ValueError, match="apply: state must have the tree"):
        apply(params, params, batch())


def test_no_retracing():
    """A state that comes back has the types of the one that went in: one trace serves all steps."""
    apply, params, state = nn.functionalize(make())
    traces = []

    @jax.jit
    def step(params, state, x):
        traces.append(None)
        return apply(params, state, x, train=True)

    for _ in range(3):
        _, state = step(params, state, batch())
    assert len(traces) == 1


def test_environment_switches_modes():
    """The switch users have, `NNX_GRAPH_MODE=false NNX_GRAPH_UPDATES=false`, in a process of its own."""
    code = (
        "import jax, jax.numpy as jnp; from flax import nnx; from jaxml import nn\n"
        "assert not (nnx.set_graph_mode.current_value() or nnx.set_graph_updates.current_value())\n"
        "rngs = nnx.Rngs(0)\n"
        "net = nn.Sequential(nn.Linear(3, 4, rngs=rngs), nn.BatchNorm(4), nn.Dropout(0.5, rngs=rngs))\n"
        "apply, params, state = nn.functionalize(net)\n"
        "x = jnp.arange(6.0).reshape(2, 3)\n"
        "loss = lambda p, s: (lambda y, s: (y.sum(), s))(*apply(p, s, x, train=True))\n"
        "grads, new = jax.jit(jax.grad(loss, has_aux=True))(params, state)\n"
        "print(jax.tree.structure(grads) == jax.tree.structure(params), float(new['layers'][1]['var'][0]) != 1.0)"
    )
    env = os.environ | {"NNX_GRAPH_MODE": "false", "NNX_GRAPH_UPDATES": "false", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=env,
        timeout=120,
        cwd=Path(__file__).resolve().parents[1],
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True True"), done.stderr
