"""Recurrent layers are their functions, hold what they say, and move one key a call of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn

FUNCTIONS = {"RNN": F.rnn, "LSTM": F.lstm, "GRU": F.gru}
X, LENGTHS = jax.random.normal(jax.random.key(0), (2, 5, 3)), jnp.array([5, 2])


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def arrays(layer, *names):
    return [[p[...] for p in v] if isinstance(v := getattr(layer, n), nnx.List) else v[...] for n in names]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_its_function(name, several):
    options = {"bidirectional": True} if several else {}
    layer = getattr(nn, name)(3, 4, num_layers=2 if several else 1, **options, rngs=nnx.Rngs(0))
    apply, params, state = nn.functionalize(layer)
    got, _ = jax.jit(lambda p, s: apply(p, s, X, lengths=LENGTHS))(params, state)
    want = jax.jit(lambda w: FUNCTIONS[name](X, *w, lengths=LENGTHS, **options))(
        arrays(layer, "w_ih", "w_hh", "b_ih", "b_hh")
    )
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(g, w)
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[name] * 4
    one = gates * (3 + 4 + 2)
    assert nn.count_params(params) == (2 * one + 2 * gates * (8 + 4 + 2) if several else one)


def test_options():
    layer = nn.LSTM(3, 4, projection_features=2, use_bias=False, rngs=nnx.Rngs(0))
    y, (h, c) = layer(X, h0=jnp.ones((2, 2)), c0=jnp.ones((2, 4)), reverse=True)
    assert (y.shape, h.shape, c.shape) == ((2, 5, 2), (2, 2), (2, 4))
    assert layer.b_ih is None
    assert (nn.LSTM(3, 2, rngs=nnx.Rngs(0)).b_ih[...] == jnp.array([0.0, 0, 1, 1, 0, 0, 0, 0])).all()
    before = nn.GRU(3, 4, reset_after=False, rngs=nnx.Rngs(0))
    want, _ = F.gru(X, *arrays(before, "w_ih", "w_hh", "b_ih", "b_hh"), reset_after=False)
    np.testing.assert_allclose(before(X)[0], want, rtol=1e-6)
    half = nn.RNN(3, 4, activation="relu", dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    assert half(X, h0=jnp.ones((2, 4)))[0].dtype == jnp.bfloat16


def test_dropout_between_layers():
    layer = nn.GRU(3, 4, num_layers=2, dropout_rate=0.5, rngs=nnx.Rngs(0))
    calm, _ = layer(X)
    one, two = layer(X, train=True)[0], layer(X, train=True)[0]
    assert (calm == layer(X)[0]).all()
    assert (one != two).any()
    assert (one != calm).any()


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors(name):
    make = getattr(nn, name)
    with pytest.raises(ValueError, match=f"^{name}: in_features, hidden_features, num_layers must be positive"):
        make(3, 4, num_layers=0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=rf"^{name}: rate must be in \[0, 1\], got 2"):
        make(3, 4, num_layers=2, dropout_rate=2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"^LSTM: projection_features must be positive"):
        nn.LSTM(3, 4, projection_features=0, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
def test_cell_is_one_step_of_its_layer(name):
    cell, layer = (getattr(nn, n)(3, 4, rngs=nnx.Rngs(0)) for n in (name, name.removesuffix("Cell")))
    states = [jnp.full((2, 4), 0.5)] * (2 if name == "LSTMCell" else 1)
    got = cell(X[:, 0], *states)
    want = layer(X[:, :1], **dict(zip(("h0", "c0"), states, strict=False)))[1]
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-6)


def test_bidirectional_is_its_layers():
    forward, backward = nn.GRU(3, 4, rngs=nnx.Rngs(0)), nn.LSTM(3, 2, rngs=nnx.Rngs(1))
    y, (h, (g, c)) = nn.Bidirectional(forward, backward)(X, lengths=LENGTHS)
    z, _ = backward(X, lengths=LENGTHS, reverse=True)
    np.testing.assert_array_equal(y, jnp.concatenate([forward(X, lengths=LENGTHS)[0], z], -1))
    assert (h.shape, g.shape, c.shape) == ((2, 4), (2, 2), (2, 2))
    with pytest.raises(TypeError, match=r"^Bidirectional: layers must be of RNN, LSTM or GRU, got Linear"):
        nn.Bidirectional(forward, nn.Linear(3, 4, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match=r"^GRUCell: in_features, hidden_features must be positive integers, got"):
        nn.GRUCell(3, 0, rngs=nnx.Rngs(0))


def test_layer_norm_lstm_is_the_function_on_its_parameters():
    layer = nn.LayerNormLSTM(3, 4, rngs=nnx.Rngs(1))
    held = ("w_ih", "w_hh", "b", "scale_ih", "scale_hh", "scale_c", "bias_c")
    for place, name in enumerate(held):  # none of them where it started
        value = getattr(layer, name)
        value.set_value(value[...] + jax.random.normal(jax.random.key(place), value[...].shape) / 4)
    params = [getattr(layer, name)[...] for name in held]
    x, state = jax.random.normal(jax.random.key(9), (2, 5, 3)), jnp.full((2, 4), 0.5)
    options = {"h0": state, "c0": state, "lengths": jnp.array([5, 2]), "reverse": True}
    got, want = layer(x, **options), F.layer_norm_lstm(x, *params, **options)
    assert all((a == b).all() for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True))
    h, c = nn.LayerNormLSTMCell.__call__(layer, x[:, 0], state, state)
    _, (last, last_c) = layer(x[:, :1], h0=state, c0=state)
    np.testing.assert_allclose([h, c], [last, last_c], rtol=1e-6)
    with pytest.raises(ValueError, match="LayerNormLSTM: in_features, hidden_features"):
        nn.LayerNormLSTM(0, 4, rngs=nnx.Rngs(0))
