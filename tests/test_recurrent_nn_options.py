"""Peepholes, recurrent and variational dropout, and zoneout of recurrent layers: what they draw, what it does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn

FUNCTIONS = {"RNN": F.rnn, "LSTM": F.lstm, "GRU": F.gru}
B, T, H = 2, 5, 4
X, LENGTHS = jax.random.normal(jax.random.key(0), (B, T, 3)), jnp.array([5, 2])


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def weights(layer):
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    return [[p[...] for p in v] if isinstance(v := getattr(layer, n), nnx.List) else v[...] for n in names]


def assert_same(got, want):
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(g, w)


def drop(key, rate, *shape):
    return jnp.where(jax.random.bernoulli(key, 1 - rate, shape), 1 / (1 - rate), 0.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_layer_is_its_function(name):
    """In training of the masks of the moved key, otherwise of the rates of zoneout alone."""
    rates = (0.25, 0.5) if name == "LSTM" else 0.25
    layer = getattr(nn, name)(3, H, recurrent_dropout_rate=0.5, zoneout_rate=rates, rngs=nnx.Rngs(0))
    apply, params, state = nn.functionalize(layer)
    run = jax.jit(apply, static_argnames="train")
    zoned = ("zoneout_h", "zoneout_c")[: 2 if name == "LSTM" else 1]
    expected = {label: jnp.full((1, 1, 1), rate) for label, rate in zip(zoned, (0.25, 0.5), strict=False)}
    function = jax.jit(FUNCTIONS[name])
    calm, after = run(params, state, X, lengths=LENGTHS)
    assert_same(calm, function(X, *weights(layer), lengths=LENGTHS, **expected))
    assert after["key"] == state["key"]

    moved, key = jax.random.split(layer.key[...])
    keys = jax.random.split(key, 1 + len(zoned))
    masks = {
        label: jax.random.bernoulli(k, rate, (B, T, H)).astype(jnp.float32)
        for label, rate, k in zip(zoned, (0.25, 0.5), keys[1:], strict=False)
    }
    masks["h_mask"] = drop(keys[0], 0.5, B, H)
    got, after = run(params, state, X, lengths=LENGTHS, train=True)
    assert_same(got, function(X, *weights(layer), lengths=LENGTHS, **masks))
    assert after["key"] == moved
    again, _ = run(params, after, X, lengths=LENGTHS, train=True)
    assert (again[0] != got[0]).any()
    assert not again[0][1, 2:].any()
    slopes = jax.jit(jax.grad(lambda p: jnp.square(apply(p, state, X, lengths=LENGTHS, train=True)[0][0]).sum()))
    for slope in jax.tree.leaves(slopes(params)):
        assert jnp.isfinite(slope).all() and slope.any()


def test_all_layers_and_directions_have_masks_of_their_own(monkeypatch):
    seen, function = {}, F.lstm
    monkeypatch.setattr(F, "lstm", lambda x, **options: seen.update(options) or function(x, **options))
    layer = nn.LSTM(
        3, H, num_layers=2, bidirectional=True, projection_features=3, dropout_rate=0.5, variational=True,
        recurrent_dropout_rate=0.25, zoneout_rate=(0.5, 0.0), peepholes=True, rngs=nnx.Rngs(0),
    )  # fmt: skip
    assert [p.shape for p in layer.peephole] == [(3, H)] * 4
    y, (h, c) = layer(X, lengths=LENGTHS, train=True)
    assert (y.shape, h.shape, c.shape) == ((B, T, 6), (4, B, 3), (4, B, H))
    first, between = seen["input_mask"]
    assert first is None and between.shape == (B, 1, 6) and set(np.unique(between)) == {0.0, 2.0}
    assert [m.shape for m in seen["h_mask"]] == [(B, 3)] * 4
    assert set(np.unique(jnp.stack(seen["h_mask"]))) == {0.0, np.float32(1 / 0.75)}
    zones = jnp.stack(seen["zoneout_h"])
    assert zones.shape == (4, B, T, 3) and set(np.unique(zones)) == {0.0, 1.0}
    assert len(np.unique(zones.reshape(4, -1), axis=0)) == 4
    assert "zoneout_c" not in seen
    seen.clear()
    layer(X)
    assert not {"input_mask", "h_mask", "zoneout_c"} & set(seen) and {float(z.item()) for z in seen["zoneout_h"]} == {
        0.5
    }


def test_recurrent_dropout_is_the_same_at_every_step():
    """Of a network that adds 0 to its own state, the masked entries vanish and the others double at every step."""
    layer = nn.RNN(3, 8, activation="relu", recurrent_dropout_rate=0.5, use_bias=False, rngs=nnx.Rngs(0))
    layer.w_ih.set_value(jnp.zeros((3, 8)))
    layer.w_hh.set_value(jnp.eye(8))
    y, h = layer(X, h0=jnp.ones((B, 8)), lengths=LENGTHS, train=True)
    kept = y[:, 0] > 0
    assert kept.any() and not kept.all() and (kept[0] != kept[1]).any()
    powers = 2.0 ** jnp.arange(1, T + 1, dtype=jnp.float32)
    inside = jnp.arange(T)[None] < LENGTHS[:, None]
    np.testing.assert_array_equal(y, jnp.where(inside[:, :, None] & kept[:, None], powers[None, :, None], 0))
    np.testing.assert_array_equal(h, jnp.where(kept, jnp.array([[32.0], [4.0]]), 0))


@pytest.mark.parametrize("variational", [False, True])
def test_variational_dropout_between_layers_is_the_same_at_every_step(variational):
    options = {"activation": "relu", "use_bias": False, "dropout_rate": 0.5, "variational": variational}
    layer = nn.RNN(8, 8, num_layers=2, **options, rngs=nnx.Rngs(0))
    for w_ih, w_hh in zip(layer.w_ih, layer.w_hh, strict=True):
        w_ih.set_value(jnp.eye(8))
        w_hh.set_value(jnp.zeros((8, 8)))
    y, _ = layer(jnp.ones((B, T, 8)), train=True)
    assert set(np.unique(y)) == {0.0, 2.0}
    assert bool((y == y[:, :1]).all()) == variational


def test_peepholes():
    layer = nn.LSTM(3, H, peepholes=True, rngs=nnx.Rngs(0))
    plain = nn.LSTM(3, H, rngs=nnx.Rngs(0))
    assert layer.peephole[...].shape == (3, H) and not layer.peephole[...].any() and plain.peephole is None
    assert nn.count_params(nn.functionalize(layer)[1]) == nn.count_params(nn.functionalize(plain)[1]) + 3 * H
    without = layer(X)
    np.testing.assert_allclose(without[0], F.lstm(X, *weights(layer))[0], rtol=1e-5, atol=1e-6)
    layer.peephole.set_value(jax.random.normal(jax.random.key(1), (3, H)))
    got = layer(X, lengths=LENGTHS)
    assert_same(got, F.lstm(X, *weights(layer), peephole=layer.peephole[...], lengths=LENGTHS))
    assert (got[0][:, 1] != without[0][:, 1]).any()
    cell = nn.LSTMCell(3, H, peepholes=True, rngs=nnx.Rngs(0))
    cell.peephole.set_value(layer.peephole[...])
    state = jnp.full((B, H), 0.5)
    want = layer(X[:, :1], h0=state, c0=state)[1]
    np.testing.assert_allclose(cell(X[:, 0], state, state), want, rtol=1e-5, atol=1e-6)


def test_half_precision_and_bidirectional():
    """Masks have the dtype of the call; two layers side by side draw each with its own key."""
    options = {"recurrent_dropout_rate": 0.5, "zoneout_rate": 0.25, "dtype": jnp.bfloat16}
    forward, backward = (nn.GRU(3, H, **options, rngs=nnx.Rngs(seed)) for seed in range(2))
    both = nn.Bidirectional(forward, backward)
    one, two = both(X, lengths=LENGTHS, train=True)[0], both(X, lengths=LENGTHS, train=True)[0]
    assert one.dtype == jnp.bfloat16
    assert (one[..., :H] != two[..., :H]).any() and (one[..., H:] != two[..., H:]).any()
    assert_same(both(X, lengths=LENGTHS), both(X, lengths=LENGTHS))


def trained(layer, x):
    """The gradient of a training step's loss, compiled, and its arguments."""
    apply, params, state = nn.functionalize(layer)

    def loss(params, state, x):
        (y, last), _ = apply(params, state, x, train=True)
        return jnp.square(y).sum() + sum(jnp.square(s).sum() for s in jax.tree.leaves(last))

    return jax.jit(jax.value_and_grad(loss, (0, 2), allow_int=True)), (params, state, x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_layer_that_keeps_every_third_step_gives_the_same(name):
    options = {"num_layers": 2, "bidirectional": True, "dropout_rate": 0.25, "zoneout_rate": 0.25}
    results = []
    for every in (None, 3):
        f, args = trained(getattr(nn, name)(3, H, checkpoint_every=every, **options, rngs=nnx.Rngs(0)), X)
        results.append(f(*args))
    for got, want in zip(*(jax.tree.leaves(r) for r in results), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_layer_that_keeps_every_eighth_step_needs_less_memory(name):
    """Both keep x's projections, the outputs and their cotangents; without it there are the gates of 64 steps, too."""
    x, needed = jnp.ones((4, 64, 16)), []
    for every in (None, 8):
        f, args = trained(getattr(nn, name)(16, 16, checkpoint_every=every, rngs=nnx.Rngs(0)), x)
        needed.append(f.lower(*args).compile().memory_analysis().temp_size_in_bytes)
    assert needed[1] < needed[0] * (0.75 if name == "RNN" else 0.5)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recurrent_dropout_rate": 1.0}, r"recurrent_dropout_rate must be in \[0, 1\), got 1\.0"),
        ({"checkpoint_every": 0}, r"checkpoint_every must be positive integers, got \(0,\)"),
        ({"checkpoint_every": 2.0}, r"checkpoint_every must be positive integers, got \(2\.0,\)"),
        ({"zoneout_rate": -0.1}, r"zoneout_rate must be in \[0, 1\), got -0\.1"),
        (
            {"implementation": "cudnn", "recurrent_dropout_rate": 0.5, "zoneout_rate": 0.1},
            "implementation='cudnn' does not go with recurrent_dropout_rate and zoneout_rate; 'scan' and",
        ),
    ],
)
def test_errors(name, options, message):
    with pytest.raises(ValueError, match=f"^{name}: {message}"):
        getattr(nn, name)(3, H, **options, rngs=nnx.Rngs(0))


@pytest.mark.usefixtures("unchecked_types")
def test_errors_of_the_lstm_alone():
    with pytest.raises(ValueError, match=r"^LSTM: zoneout_rate must be one rate or a pair \(h, c\), got \(0\.1,\)"):
        nn.LSTM(3, H, zoneout_rate=(0.1,), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"^LSTM: zoneout_rate must be in \[0, 1\), got 1$"):
        nn.LSTM(3, H, zoneout_rate=(0.5, 1), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"^LSTM: implementation='cudnn' does not go with peepholes;"):
        nn.LSTM(3, H, peepholes=True, implementation="cudnn", rngs=nnx.Rngs(0))
