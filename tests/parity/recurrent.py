"""Claims and coverage: recurrent cells and sequences."""

import jaxml.functional as F

from ._claim import Claim
from ._row import Row

N, STEPS, INPUTS, H = 2, 3, 3, 4
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def operands(name, *, sequence):
    """`x`, the states and one set of weights a direction; `(in, gates out)`, PyTorch's transposed."""
    states = 2 if name == "lstm" else 1

    def make(rng, options):
        directions = 2 if options.get("bidirectional") else 1
        shapes = [
            (N, STEPS, INPUTS) if sequence else (N, INPUTS),
            *[(directions, N, H) if sequence else (N, H)] * states,
        ]
        wide = GATES[name] * H
        shapes += [(INPUTS, wide), (H, wide), (wide,), (wide,)] * directions
        return [rng.standard_normal(shape) / 2 for shape in shapes]

    return make


def split(name, arrays):
    """`x`, the states, the weights."""
    states = 2 if name == "lstm" else 1
    return arrays[0], arrays[1 : 1 + states], arrays[1 + states :]


def our_cell(name):
    def run(*arrays, **options):
        x, states, weights = split(name, arrays)
        return getattr(F, f"{name}_cell")(x, *states, *weights, **options)

    return run


def transposed(weights):
    return [w.T if w.ndim == 2 else w for w in weights]


def their_cell(name):
    def run(torch, *arrays, activation=""):
        x, states, weights = split(name, arrays)
        cell = getattr(torch, f"{name}_{activation}_cell" if activation else f"{name}_cell")
        return cell(x, states if name == "lstm" else states[0], *transposed(weights))

    return run


def our_layer(name):
    def run(*arrays, bidirectional, **options):
        x, states, weights = split(name, arrays)
        sets = [list(each) for each in zip(*(weights[n : n + 4] for n in range(0, len(weights), 4)), strict=True)]
        start = dict(zip(("h0", "c0"), states, strict=False))
        return getattr(F, name)(x, *sets, **start, bidirectional=bidirectional, **options)

    return run


def their_layer(name):
    def run(torch, *arrays, bidirectional, activation=""):
        x, states, weights = split(name, arrays)
        layer = getattr(torch, f"{name}_{activation}" if activation else name)
        start = list(states) if name == "lstm" else states[0]
        y, *last = layer(x, start, transposed(weights), True, 1, 0.0, False, bidirectional, True)
        return (y, tuple(last)) if name == "lstm" else (y, last[0])

    return run


def claims(name, **grid):
    states = 2 if name == "lstm" else 1
    one, two = tuple(range(1 + states + 4)), {**grid, "bidirectional": (False, True)}
    kind = "rnn_tanh" if name == "rnn" else name
    return [
        Claim(
            f"{name}_cell", f"{kind}_cell", operands(name, sequence=False), our_cell(name), their_cell(name), grid,
            differentiable=one,
        ),
        Claim(
            name, kind, operands(name, sequence=True), our_layer(name), their_layer(name), two, differentiable=one,
        ),
    ]  # fmt: skip


CLAIMS = [*claims("lstm"), *claims("gru"), *claims("rnn", activation=("tanh", "relu"))]
LAYERS = "layers are lists of weights; `lengths` for packed sequences; dropout between layers is `input_mask`"
ROWS = [
    Row(("lstm_cell",), ("layers.LSTMCell",), "lstm_cell", reason="also with PyTorch's `proj_size` and with peepholes"),
    Row(("gru_cell",), ("layers.GRUCell",), "gru_cell", reason="`reset_after` as Keras has it"),
    Row(("rnn_tanh_cell", "rnn_relu_cell"), ("layers.SimpleRNNCell",), "rnn_cell"),
    Row(("lstm",), ("layers.LSTM", "layers.Bidirectional"), "lstm", reason=LAYERS),
    Row(("gru",), ("layers.GRU",), "gru", reason="as `lstm`"),
    Row(("rnn_tanh", "rnn_relu"), ("layers.SimpleRNN",), "rnn", reason="as `lstm`"),
    Row((), (), "layer_norm_lstm", reason="arXiv:1607.06450"),
    Row((), (), "layer_norm_lstm_cell", reason="as above"),
    Row((), (), "lstm", reason="zoneout and variational dropout are `zoneout_h`, `zoneout_c`, `h_mask`, `input_mask`"),
    Row((), ("layers.ConvLSTM2D",), reason="ConvLSTM, MGU, IndRNN: a `jax.lax.scan` of a step of `conv2d` or `linear`"),
    Row((), (), reason="minGRU is linear in its state: `jax.lax.associative_scan` of pairs is it"),
    Row((), (), "models.Seq2Seq", reason="encoder and decoder, teacher forcing, greedy and beam search"),
]  # fmt: skip
