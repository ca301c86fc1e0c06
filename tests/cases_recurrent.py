"""Cases and float64 NumPy references: recurrent cells, and the networks over time."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from _case import Case, normal

import jaxml.functional as F

B, T, N, H, P = 3, 4, 2, 3, 2
LENGTHS = np.array([2, 4, 0])
J_LENGTHS = jnp.asarray(LENGTHS, np.int32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def np_rnn_cell(x, h, w_ih, w_hh, b_ih=0.0, b_hh=0.0, *, activation=np.tanh):
    return activation(x @ w_ih + b_ih + h @ w_hh + b_hh)


def np_lstm_cell(x, h, c, w_ih, w_hh, b_ih=0.0, b_hh=0.0, w_hr=None, peephole=None):
    i, f, g, o = np.split(x @ w_ih + b_ih + h @ w_hh + b_hh, 4, -1)
    p_i, p_f, p_o = np.zeros((3, 1)) if peephole is None else peephole
    new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    h = sigmoid(o + p_o * new) * np.tanh(new)
    return h if w_hr is None else h @ w_hr, new


def np_gru_cell(x, h, w_ih, w_hh, b_ih=0.0, b_hh=0.0, *, reset_after=True):
    size = h.shape[-1]
    b_hh = np.zeros(3 * size) + b_hh
    a_r, a_z, a_n = np.split(x @ w_ih + b_ih, 3, -1)
    w_r, w_z, w_n = np.split(w_hh, 3, -1)
    b_r, b_z, b_n = np.split(b_hh, 3)
    r, z = sigmoid(a_r + h @ w_r + b_r), sigmoid(a_z + h @ w_z + b_z)
    n = np.tanh(a_n + (r * (h @ w_n + b_n) if reset_after else (r * h) @ w_n + b_n))
    return (1 - z) * n + z * h


def over_time(cell, x, state, *, lengths=None, reverse=False):
    """Row by row, step by step; the state is a tuple, whose first part is the output."""
    rows, finals = [], []
    for b in range(x.shape[0]):
        row, length = tuple(s[b : b + 1] for s in state), T if lengths is None else lengths[b]
        outputs = np.zeros((x.shape[1], state[0].shape[-1]))
        for t in reversed(range(length)) if reverse else range(length):
            row = cell(x[b : b + 1, t], *row)
            outputs[t] = row[0][0]
        rows.append(outputs)
        finals.append([r[0] for r in row])
    return np.stack(rows), tuple(np.stack(f) for f in zip(*finals, strict=True))


def np_rnn(x, w_ih, w_hh, b_ih, b_hh, h0):
    return alone(over_time(lambda x, h: (np_rnn_cell(x, h, w_ih, w_hh, b_ih, b_hh),), x, (h0,)))


def np_gru(x, w_ih, w_hh, b_ih, b_hh, h0, **options):
    return alone(over_time(lambda x, h: (np_gru_cell(x, h, w_ih, w_hh, b_ih, b_hh),), x, (h0,), **options))


def np_lstm(x, w_ih, w_hh, b_ih, b_hh, h0, c0, w_hr=None, peephole=None, **options):
    return over_time(
        lambda x, h, c: np_lstm_cell(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, peephole), x, (h0, c0), **options
    )


def alone(result):
    y, (h,) = result
    return y, h


def np_layers(x, *weights):
    """Two layers of both directions, without lengths or biases."""
    finals = []
    for at in (0, 2):
        both = []
        for direction in (0, 1):
            w_ih, w_hh = weights[at + direction], weights[4 + at + direction]
            zero = np.zeros((B, H))
            y, (h,) = over_time(
                lambda x, h, w=w_ih, v=w_hh: (np_gru_cell(x, h, w, v),), x, (zero,), reverse=direction == 1
            )
            both.append(y)
            finals.append(h)
        x = np.concatenate(both, -1)
    return x, np.stack(finals)


def np_layer_norm(x, scale, bias=0.0):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * scale + bias


def np_layer_norm_lstm_cell(x, h, c, w_ih, w_hh, b, scale_ih, scale_hh, scale_c, bias_c):
    gates = np_layer_norm(x @ w_ih, scale_ih) + np_layer_norm(h @ w_hh, scale_hh) + b
    i, f, g, o = np.split(gates, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(np_layer_norm(c, scale_c, bias_c)), c


def np_layer_norm_lstm(x, *weights):
    zero = np.zeros((B, H))
    return over_time(
        lambda x, h, c: np_layer_norm_lstm_cell(x, h, c, *weights), x, (zero, zero), lengths=LENGTHS, reverse=True
    )


def state(f, *, lengths=None, **options):
    """`f` with its initial states, and with them the lengths, as positional arguments."""

    def called(x, w_ih, w_hh, b_ih, b_hh, h0, *more):
        names = ("c0", "w_hr", "peephole")[: len(more)]
        given = dict(zip(names, more, strict=True))
        return f(x, w_ih, w_hh, b_ih, b_hh, h0=h0, lengths=lengths, **given, **options)

    return called


def shapes(gates, out=H):
    return (B, T, N), (N, gates * H), (out, gates * H), (gates * H,), (gates * H,), (B, out)


CELL = ((B, N), (B, H))
NORMALISED = ((N, 4 * H), (H, 4 * H), (4 * H,), (4 * H,), (4 * H,), (H,), (H,))
NORMALISED_HALF = {"float32": 1e-4, "bfloat16": 0.5, "float16": 0.05}
HALF = {"bfloat16": 0.08, "float16": 0.01}
CASES: list[Case] = [
    Case(
        "rnn_cell", F.rnn_cell, normal(*CELL, (N, H), (H, H), (H,), (H,)), np_rnn_cell, None, tuple(range(6)), True,
        HALF,
    ),
    Case(
        "rnn_cell/relu", partial(F.rnn_cell, activation="relu"), normal(*CELL, (N, H), (H, H)),
        partial(np_rnn_cell, activation=lambda x: np.maximum(x, 0)), None, tuple(range(4)), True, HALF,
    ),
    Case(
        "lstm_cell", F.lstm_cell, normal(*CELL, (B, H), (N, 4 * H), (H, 4 * H), (4 * H,), (4 * H,)), np_lstm_cell, None,
        tuple(range(7)), True, HALF,
    ),
    Case(
        "lstm_cell/projection_peephole",
        lambda *a: F.lstm_cell(*a[:7], w_hr=a[7], peephole=a[8]),
        normal((B, N), (B, P), (B, H), (N, 4 * H), (P, 4 * H), (4 * H,), (4 * H,), (H, P), (3, H)), np_lstm_cell, None,
        tuple(range(9)), True, HALF,
    ),
    Case(
        "gru_cell", F.gru_cell, normal(*CELL, (N, 3 * H), (H, 3 * H), (3 * H,), (3 * H,)), np_gru_cell, None,
        tuple(range(6)), True, HALF,
    ),
    Case(
        "gru_cell/before", partial(F.gru_cell, reset_after=False),
        normal(*CELL, (N, 3 * H), (H, 3 * H), (3 * H,), (3 * H,)), partial(np_gru_cell, reset_after=False), None,
        tuple(range(6)), True, HALF,
    ),
    Case("rnn", state(F.rnn), normal(*shapes(1), scale=0.7), np_rnn, None, tuple(range(6)), True, HALF),
    Case(
        "lstm/lengths", state(F.lstm, lengths=J_LENGTHS), normal(*shapes(4), (B, H), scale=0.7),
        partial(np_lstm, lengths=LENGTHS), None, tuple(range(7)), True, HALF,
    ),
    Case(
        "lstm/reference_projection_peephole", state(F.lstm, lengths=J_LENGTHS, reverse=True,
        implementation="reference"),
        normal(*shapes(4, P), (B, H), (H, P), (3, H), scale=0.7), partial(np_lstm, lengths=LENGTHS, reverse=True),
        None, tuple(range(9)), True, HALF,
    ),
    Case(
        "gru/lengths_reverse", state(F.gru, lengths=J_LENGTHS, reverse=True), normal(*shapes(3), scale=0.7),
        partial(np_gru, lengths=LENGTHS, reverse=True), None, tuple(range(6)), True, HALF,
    ),
    Case(
        "gru/layers", lambda x, *w: F.gru(x, w[:4], w[4:], bidirectional=True),
        normal((B, T, N), *[(N, 3 * H)] * 2, *[(2 * H, 3 * H)] * 2, *[(H, 3 * H)] * 4, scale=0.7), np_layers, None,
        tuple(range(9)), True, HALF,
    ),
    Case(
        "layer_norm_lstm_cell", F.layer_norm_lstm_cell, normal(*CELL, (B, H), *NORMALISED), np_layer_norm_lstm_cell,
        None, tuple(range(10)), True, NORMALISED_HALF,
    ),
    Case(
        "layer_norm_lstm", partial(F.layer_norm_lstm, lengths=J_LENGTHS, reverse=True),
        normal((B, T, N), *NORMALISED), np_layer_norm_lstm, None, tuple(range(8)), True, NORMALISED_HALF,
    ),
]  # fmt: skip
