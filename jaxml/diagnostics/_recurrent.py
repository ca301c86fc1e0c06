"""Recurrent layers, step by step, with something added to each h_t on its way to the output and to the next step."""

from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from jaxml import nn
from jaxml.functional._recurrence import State, recurrence
from jaxml.functional._recurrent_layers import Layer, layers_of, run_layers
from jaxml.functional._recurrent_run import step_of

RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)


def hidden_shape(method: Any) -> jax.ShapeDtypeStruct:
    """All h_t of a call: (layers * directions, T, B, H)."""
    layer, x = _layer_and_input(method)
    w_hh = layer.w_hh if isinstance(layer.w_hh, nnx.List) else [layer.w_hh]
    return jax.ShapeDtypeStruct((len(w_hh), x.shape[1], x.shape[0], w_hh[0].shape[0]), x.dtype)


def with_taps(method: Any, taps: Array) -> Any:
    """The call `method` of a recurrent layer, a `functools.partial`, with `taps[n, t]` added to h_t of its nth part."""
    layer, x = _layer_and_input(method)
    options = {name: value for name, value in method.keywords.items() if name != "x"}
    train, reverse = options.pop("train", False), options.pop("reverse", False)
    lengths = options.pop("lengths", None)
    states = ("h0", "c0") if isinstance(layer, nn.LSTM) else ("h0",)
    x, given = layer._arrays(x, {name: options.get(name) for name in states}, train)
    kind = next(cls.__name__.lower() for cls in RECURRENT if isinstance(layer, cls))
    option = {"rnn": getattr(layer, "activation", None), "gru": getattr(layer, "reset_after", None)}.get(kind)
    number = count()

    def run(part: Layer, x: Array, state: State, lengths: Array | None, reverse: bool) -> tuple[Array, State]:
        step, xs = step_of(kind, option, part, jnp.swapaxes(x, 0, 1), state, hoisted=False)

        def tapped(state: State, inputs: tuple[Any, Array]) -> tuple[State, Array]:
            x, tap = inputs
            (h, *more), y = step(state, x)
            return (h + tap.astype(h.dtype), *more), y + tap.astype(y.dtype)

        y, state = recurrence(tapped, state, (xs, taps[next(number)]), lengths, reverse)
        return jnp.swapaxes(y, 0, 1), state

    y, state = run_layers(
        kind,
        run,
        layer.gates,
        x,
        layers_of(kind, **{name: given.get(name) for name in Layer._fields}),
        {name: given[name] for name in states},
        stacked=isinstance(given["w_ih"], list),
        lengths=lengths,
        reverse=reverse,
        bidirectional=given["bidirectional"],
        input_mask=given.get("input_mask"),
    )
    return y, state if isinstance(layer, nn.LSTM) else state[0]


def _layer_and_input(method: Any) -> tuple[Any, Array]:
    layer, *more = method.args
    return layer, more[0] if more else method.keywords["x"]
