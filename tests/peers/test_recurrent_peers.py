"""Live comparison of recurrent networks with PyTorch and Keras: values and gradients, with biases of their own."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytestmark = pytest.mark.peers
B, T, N, H, P = 3, 5, 4, 6, 2
LAYERS = {"rnn": ("RNN", 1), "lstm": ("LSTM", 4), "gru": ("GRU", 3)}
LENGTHS = [5, 2, 4]


def assert_close(got, want):
    np.testing.assert_allclose(got, want.detach().numpy() if hasattr(want, "detach") else want, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning:torch.*")  # which of its kernels it takes
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
@pytest.mark.parametrize("name", [*LAYERS, "projection", "relu"])
def test_torch(name, layers, bidirectional, padded, rng):
    """Outputs, last states, and all gradients, of whole and of packed sequences."""
    kind = {"projection": "lstm", "relu": "rnn"}.get(name, name)
    options = {"projection": {"proj_size": P}, "relu": {"nonlinearity": "relu"}}.get(name, {})
    theirs = getattr(torch.nn, LAYERS[kind][0])(N, H, layers, batch_first=True, bidirectional=bidirectional, **options)
    for p in theirs.parameters():
        p.data = torch.tensor(rng.uniform(-0.5, 0.5, p.shape), dtype=torch.float32)
    out = P if name == "projection" else H
    parts = layers * (1 + bidirectional)
    x = torch.tensor(rng.standard_normal((B, T, N)), dtype=torch.float32, requires_grad=True)
    states = [torch.tensor(rng.standard_normal((parts, B, f)), dtype=torch.float32) for f in (out, H)]
    start = tuple(states) if kind == "lstm" else states[0]
    pack = torch.nn.utils.rnn
    given = pack.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False) if padded else x
    y, final = theirs(given, start)
    y = pack.pad_packed_sequence(y, batch_first=True)[0] if padded else y
    mix = rng.standard_normal(y.shape).astype(np.float32)
    finals = final if kind == "lstm" else (final,)
    ((y * torch.tensor(mix)).sum() + sum(f.sum() for f in finals)).backward()

    features = {"projection": {"projection_features": P}, "relu": {"activation": "relu"}}.get(name, {})
    sizes = {"num_layers": layers, "bidirectional": bidirectional, **features}
    layer = getattr(nn, LAYERS[kind][0])(N, H, **sizes, rngs=nnx.Rngs(0))
    nn.load_recurrent_weights(layer, {k: v.numpy() for k, v in theirs.state_dict().items()}, layout="torch")
    assert_close(layer(jnp.asarray(x.detach().numpy()))[0], theirs(x)[0])

    suffixes = [f"_l{n}{d}" for n in range(layers) for d in (["", "_reverse"] if bidirectional else [""])]
    labels = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", *(["weight_hr"] if name == "projection" else [])]
    weights = [[jnp.asarray(getattr(theirs, k + s).detach().numpy().T) for s in suffixes] for k in labels]
    ours = {"h0": jnp.asarray(states[0].numpy())} | ({"c0": jnp.asarray(states[1].numpy())} if kind == "lstm" else {})
    ours |= {"activation": "relu"} if name == "relu" else {}
    ours |= {"lengths": jnp.array(LENGTHS)} if padded else {}

    def total(x, weights):
        w = weights if parts > 1 else [w[0] for w in weights]
        more = {} if parts > 1 else {k: v[0] for k, v in ours.items() if k in ("h0", "c0")}
        more |= {"w_hr": w[4]} if name == "projection" else {}
        y, final = getattr(F, kind)(x, *w[:4], bidirectional=bidirectional, **(ours | more))
        return (y * mix).sum() + sum(f.sum() for f in jax.tree.leaves(final)), (y, final)

    (_, (got, got_final)), gradients = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(
        jnp.asarray(x.detach().numpy()), weights
    )
    assert_close(got, y)
    for g, f in zip(jax.tree.leaves(got_final), finals, strict=True):
        assert_close(g if parts > 1 else g[None], f)
    assert_close(gradients[0], x.grad)
    for label, each in zip(labels, gradients[1], strict=True):
        for suffix, g in zip(suffixes, each, strict=True):
            assert_close(g, getattr(theirs, label + suffix).grad.numpy().T)


@pytest.mark.loose_promotion
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*")
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "gru before"])
def test_keras(name, rng):
    """Keras's cells keep their gates in other orders: i f c o, and z r h; backends differ, the numbers do not."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="compares with Keras, which is not installed")
    kind = name.split()[0]
    made = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[kind]
    after = {"reset_after": name == "gru"} if kind == "gru" else {}
    theirs = made(H, return_sequences=True, return_state=True, **after)
    x = rng.standard_normal((B, T, N)).astype(np.float32)
    theirs.build(x.shape)
    values = [rng.uniform(-0.5, 0.5, w.shape).astype(np.float32) for w in theirs.weights]
    theirs.set_weights(values)
    y, *final = theirs(keras.ops.convert_to_tensor(x))
    w_ih, w_hh, b = values
    if kind == "gru":
        order = np.concatenate([np.arange(H, 2 * H), np.arange(H), np.arange(2 * H, 3 * H)])
        w_ih, w_hh, b = w_ih[:, order], w_hh[:, order], b[..., order]
    b_ih, b_hh = b if name == "gru" else (b, np.zeros_like(b))
    layer = getattr(nn, LAYERS[kind][0])(N, H, **after, rngs=nnx.Rngs(0))
    named = dict(zip(("kernel", "recurrent_kernel", "bias"), values, strict=True))
    nn.load_recurrent_weights(layer, named, layout="keras")
    np.testing.assert_allclose(layer(jnp.asarray(x))[0], keras.ops.convert_to_numpy(y), rtol=1e-5, atol=1e-5)
    got, state = getattr(F, kind)(*map(jnp.asarray, (x, w_ih, w_hh, b_ih, b_hh)), **after)
    np.testing.assert_allclose(got, keras.ops.convert_to_numpy(y), rtol=1e-5, atol=1e-5)
    for g, f in zip(jax.tree.leaves(state), final, strict=True):
        np.testing.assert_allclose(g, keras.ops.convert_to_numpy(f), rtol=1e-5, atol=1e-5)
