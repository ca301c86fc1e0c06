"""PyTorch's and Keras's layouts of recurrent weights in jaxml's layers, and what does not fit."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn

N, H, P = 2, 3, 2
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def x_of(rng):
    return jnp.asarray(rng.normal(size=(2, 4, N)), np.float32)


def assert_alike(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GATES)
def test_torch(name, rng):
    """Each array has one place, told by the function of the same arrays."""
    more = {"projection_features": P} if name == "LSTM" else {}
    layer = getattr(nn, name)(N, H, num_layers=2, bidirectional=True, **more, rngs=nnx.Rngs(0))
    g, out = GATES[name] * H, P if more else H
    given, suffixes = {}, ["_l0", "_l0_reverse", "_l1", "_l1_reverse"]
    for n, suffix in enumerate(suffixes):
        shapes = {"weight_ih": (g, N if n < 2 else 2 * out), "weight_hh": (g, out), "bias_ih": (g,), "bias_hh": (g,)}
        shapes |= {"weight_hr": (P, H)} if more else {}
        given |= {label + suffix: rng.normal(size=s).astype(np.float32) for label, s in shapes.items()}
    nn.load_recurrent_weights(layer, given, layout="torch")
    labels = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w = [[jnp.asarray(given[label + s].T) for s in suffixes] for label in labels]
    extra = {"w_hr": [jnp.asarray(given["weight_hr" + s].T) for s in suffixes]} if more else {}
    x = x_of(rng)
    assert_alike(layer(x)[0], getattr(F, name.lower())(x, *w, bidirectional=True, **extra)[0])


@pytest.mark.parametrize("case", ["RNN", "LSTM", "GRU", "GRU before"])
def test_keras(case, rng):
    """A GRU's gates are z r h there, and one bias stands for two unless it is reset after the product."""
    name, after = case.split()[0], case == "GRU"
    layer = getattr(nn, name)(N, H, **({"reset_after": after} if name == "GRU" else {}), rngs=nnx.Rngs(0))
    gates = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}[name]
    theirs = {"GRU": "zrn"}.get(name, gates)
    part = {gate: [rng.normal(size=s).astype(np.float32) for s in ((N, H), (H, H), (H,), (H,))] for gate in gates}
    joined = [np.concatenate([part[gate][n] for gate in theirs], -1) for n in range(4)]
    given = {"kernel": joined[0], "recurrent_kernel": joined[1], "bias": np.stack(joined[2:]) if after else joined[2]}
    nn.load_recurrent_weights(layer, given, layout="keras")
    w = [jnp.asarray(np.concatenate([part[gate][n] for gate in gates], -1)) for n in range(4)]
    w = w if after else w[:3]
    x, options = x_of(rng), {"reset_after": after} if name == "GRU" else {}
    assert_alike(layer(x)[0], getattr(F, name.lower())(x, *w, **options)[0])


def test_what_does_not_fit_is_listed_and_nothing_changes():
    layer = nn.LSTM(N, H, rngs=nnx.Rngs(0))
    before = layer.w_ih[...]
    given = {"weight_ih_l0": np.ones((12, N)), "weight_hh_l0": np.ones((12, 4)), "bias_ih_l0": np.ones(12), "head": 1}
    message = (
        r"^load_recurrent_weights: the weights do not fit this LSTM: missing: bias_hh_l0; unused: head; "
        r"misshapen: weight_hh_l0 \(12, 4\), not \(12, 3\)$"
    )
    with pytest.raises(ValueError, match=message):
        nn.load_recurrent_weights(layer, given, layout="torch")
    assert (layer.w_ih[...] == before).all()
    both = nn.GRU(N, H, bidirectional=True, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"missing: kernel_l0, recurrent_kernel_l0, bias_l0, kernel_l0_reverse"):
        nn.load_recurrent_weights(both, {}, layout="keras")
    with pytest.raises(ValueError, match=r"neither PyTorch nor Keras has peepholes, and this LSTM has"):
        nn.load_recurrent_weights(nn.LSTM(N, H, peepholes=True, rngs=nnx.Rngs(0)), {}, layout="torch")
    with pytest.raises(ValueError, match=r"Keras has no projection, and this LSTM has"):
        nn.load_recurrent_weights(nn.LSTM(N, H, projection_features=P, rngs=nnx.Rngs(0)), {}, layout="keras")


@pytest.mark.parametrize(
    ("layer", "given", "error", "message"),
    [
        (nn.Linear, {}, TypeError, "layer must be an RNN, LSTM or GRU of jaxml.nn, got Linear"),
        (nn.LSTMCell, {}, TypeError, "layer must be an RNN, LSTM or GRU of jaxml.nn, got LSTMCell"),
        (nn.LSTM, [1], TypeError, "weights must be arrays by name, got list"),
        (partial(nn.GRU, reset_after=False), {}, ValueError, "PyTorch's GRU has its reset gate after the product"),
        (nn.RNN, {"weight_ih_l0": np.ones((H, N)) * 1j}, TypeError, "weight_ih_l0 must hold real numbers, got complex"),
        (nn.RNN, {"weight_ih_l0": np.full((H, N), "a")}, TypeError, "weight_ih_l0 must hold real numbers, got <U1"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_what_are_no_weights_or_no_layer(layer, given, error, message):
    with pytest.raises(error, match=f"^load_recurrent_weights: {message}"):
        nn.load_recurrent_weights(layer(N, H, rngs=nnx.Rngs(0)), given, layout="torch")
