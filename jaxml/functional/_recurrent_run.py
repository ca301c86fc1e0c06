"""One layer in one direction, by any of the implementations."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._checks import check_choice, check_positive
from jaxml.functional._dtypes import wide
from jaxml.functional._recurrence import State, Step, by_rows, recurrence, within
from jaxml.functional._recurrent_cells import (
    ACTIVATIONS,
    gru_cell,
    gru_state,
    lstm_cell,
    lstm_state,
    project,
    rnn_cell,
)
from jaxml.functional._recurrent_chunks import Shares, in_chunks
from jaxml.functional._recurrent_cudnn import cudnn_lstm
from jaxml.functional._recurrent_elman import rnn_scan
from jaxml.functional._recurrent_gru import gru_scan
from jaxml.functional._recurrent_layers import Layer, Run
from jaxml.functional._recurrent_lstm import lstm_scan

IMPLEMENTATIONS = ("scan", "cudnn", "reference")


def runner(kind: str, implementation: str | None, option: Any, checkpoint_every: int | None) -> Run:
    """How to run one layer in one direction, its options checked."""
    check_choice(kind, "implementation", implementation, (None, *IMPLEMENTATIONS))
    if checkpoint_every is not None:
        check_positive(kind, "checkpoint_every", (checkpoint_every,))

    def run(layer: Layer, x: Array, state: State, lengths: Array | None, reverse: bool) -> tuple[Array, State]:
        if checkpoint_every is None:
            return run_layer(kind, implementation or "scan", option, layer, x, state, lengths, reverse)

        def piece(x: Array, shares: Shares, state: State, lengths: Array | None, reverse: bool) -> tuple[Array, State]:
            own = layer._replace(zoneout_h=shares[0], zoneout_c=shares[1])
            return run_layer(kind, implementation or "scan", option, own, x, state, lengths, reverse)

        return in_chunks(piece, checkpoint_every, x, (layer.zoneout_h, layer.zoneout_c), state, lengths, reverse)

    def sharded(layer: Layer, x: Array, state: State, lengths: Array | None, reverse: bool) -> tuple[Array, State]:
        def one(x: Array, layer: Layer, state: State, lengths: Array | None) -> tuple[Array, State]:
            return run(layer, x, state, lengths, reverse)

        return by_rows(one, x, layer, state, lengths)

    return sharded


def run_layer(
    kind: str, implementation: str, option: Any, layer: Layer, x: Array, state: State, lengths: Any, reverse: bool
) -> tuple[Array, State]:
    """One layer in one direction; `x` and the outputs have the batch first."""
    if implementation == "cudnn":
        return cudnn_lstm(layer, x, state, lengths, reverse)
    steps = jnp.swapaxes(x, 0, 1)
    by_hand = layer.is_plain and (kind != "gru" or option)
    if implementation == "scan" and by_hand and x.size and state[0].size:
        outputs, state = _by_hand(kind, option, layer, steps, state, lengths, reverse)
    else:
        step, xs = step_of(kind, option, layer, steps, state, hoisted=implementation != "reference")
        outputs, state = recurrence(step, state, xs, lengths, reverse)
    return jnp.swapaxes(outputs, 0, 1), state


def _by_hand(
    kind: str, option: Any, layer: Layer, x: Array, state: State, lengths: Array | None, reverse: bool
) -> tuple[Array, State]:
    """The recurrences with gradients of their own; `x` has the time first."""
    inside = None if lengths is None else within(lengths, x.shape[0])[:, :, None]
    mask = None if layer.h_mask is None else jnp.broadcast_to(layer.h_mask, state[0].shape)
    varied = inside, mask, shares_of(layer, state, x.shape[0])
    w_ih, w_hh = layer.w_ih, layer.w_hh
    b_ih, b_hh = (jnp.zeros(w_ih.shape[1:], x.dtype) if b is None else b for b in (layer.b_ih, layer.b_hh))
    result: Any
    if kind == "gru":
        result = gru_scan(reverse, x, w_ih, w_hh, b_ih, b_hh, *state, *varied)
    elif kind == "lstm":
        result = lstm_scan(reverse, x, w_ih, w_hh, b_ih + b_hh, *state, *varied)
    else:
        result = rnn_scan(reverse, option, x, w_ih, w_hh, b_ih + b_hh, *state, *varied)
    y, *new = result
    return y, tuple(new)


def step_of(kind: str, option: Any, layer: Layer, x: Array, state: State, *, hoisted: bool) -> tuple[Step, Any]:
    """One step, masks and zoneout in it, and what it takes of each; `x` has the time first.

    `hoisted`, the input's products are computed for all steps at once; masks and zoneout always have it so.
    """
    make = _hoisted if hoisted or any(a is not None for a in layer[6:]) else _of_cell
    step, xs = make(kind, option, layer, x)
    if layer.zoneout_h is None and layer.zoneout_c is None:
        return step, xs
    return _with_zoneout(step, xs, layer, state, x.shape[0])


def _of_cell(kind: str, option: Any, layer: Layer, x: Array) -> tuple[Any, Array]:
    *weights, w_hr, peephole = layer[:6]

    def step(state: State, x: Array) -> tuple[State, Array]:
        if kind == "rnn":
            new = (rnn_cell(x, *state, *weights, activation=option),)
        elif kind == "gru":
            new = (gru_cell(x, *state, *weights, reset_after=option),)
        else:
            new = lstm_cell(x, *state, *weights, w_hr=w_hr, peephole=peephole)
        return new, new[0]

    return step, x


def _hoisted(kind: str, option: Any, layer: Layer, x: Array) -> tuple[Any, Array]:
    w_ih, w_hh, b_ih, b_hh, w_hr, peephole, h_mask = layer[:7]

    def step(state: State, projected: Array) -> tuple[State, Array]:
        h = state[0]
        seen = h if h_mask is None else h * jnp.broadcast_to(h_mask, h.shape)
        if kind == "rnn":
            a = wide(projected) + wide(project(seen, w_hh, b_hh))
            new = (ACTIVATIONS[option](a).astype(h.dtype),)
        elif kind == "gru":
            new = (gru_state(projected, h, w_hh, b_hh, option, seen),)
        else:
            gates = wide(projected) + wide(project(seen, w_hh, b_hh))
            new = lstm_state(gates, state[1], w_hr, peephole)
        return new, new[0]

    return step, project(x, w_ih, b_ih)


def _with_zoneout(step: Step, xs: Any, layer: Layer, state: State, steps: int) -> tuple[Step, Any]:
    """`step`, of whose new states the given shares stay as they were."""
    shares = shares_of(layer, state, steps)

    def zoned(state: State, inputs: Any) -> tuple[State, Array]:
        x, shares = inputs
        new, _ = step(state, x)
        mixed = (n if z is None else z * o + (1 - z) * n for z, o, n in zip(shares, state, new, strict=True))
        new = tuple(mixed)
        return new, new[0]

    return zoned, (xs, shares)


def shares_of(layer: Layer, state: State, steps: Any) -> tuple[Array | None, ...]:
    """What stays of each part of the state, `(T, B, H)`."""
    return tuple(
        None if z is None else jnp.broadcast_to(jnp.swapaxes(z, 0, 1), (steps, *s.shape))
        for z, s in zip((layer.zoneout_h, layer.zoneout_c), state, strict=False)
    )
