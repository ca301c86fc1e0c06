"""cuDNN's long short-term memory, by `jax.experimental.rnn`, for what it can do."""

import importlib
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._recurrence import State, within
from jaxml.functional._recurrent_layers import Layer


def check_cudnn(name: str, x: Any, *variants: Any) -> None:
    """What cuDNN needs, and where it is; the message names the implementations that run everywhere."""
    needs = {
        "an LSTM": name == "lstm",
        "no projection, peephole, mask of h or zoneout": all(a is None for a in variants),
        "float32": getattr(x, "dtype", None) == jnp.float32,
        "one step and one example or more": 0 not in getattr(x, "shape", ()),
        "an NVIDIA GPU": jax.default_backend() == "gpu",
    }
    missing = [what for what, there in needs.items() if not there]
    if missing:
        raise ValueError(
            f"{name}: implementation='cudnn' needs {' and '.join(missing)}; 'scan' and 'reference' run everywhere"
        )


def cudnn_lstm(layer: Layer, x: Array, state: State, lengths: Array | None, reverse: bool) -> tuple[Array, State]:
    """One layer in one direction; `x` is `(B, T, I)`, and 0 past the lengths.

    cuDNN reads forwards, so that rows are turned round for it, and fails on a row of no steps (jax-ml/jax#17966): such
    a row is given one, whose results are dropped.
    """
    rnn: Any = importlib.import_module("jax.experimental.rnn")
    batch, steps, features = x.shape
    h0, c0 = state
    given = jnp.full(batch, steps, jnp.int32) if lengths is None else jnp.clip(lengths.astype(jnp.int32), 1, steps)
    turn = _turned(given, steps) if reverse else None
    if turn is not None:
        x = jnp.take_along_axis(x, turn, 1)
    y, h, c = rnn.lstm(x, h0[None], c0[None], packed(layer), given, features, h0.shape[1], 1, 0.0, False)
    h, c = h[0], c[0]
    if turn is not None:
        y = jnp.take_along_axis(y, turn, 1)
    if lengths is None:
        return y, (h, c)
    some = (lengths > 0)[:, None]
    y = jnp.where(within(lengths, steps).T[:, :, None], y, 0)
    return y, (jnp.where(some, h, h0), jnp.where(some, c, c0))


def packed(layer: Layer) -> Array:
    """cuDNN's one vector of weights: `w_ihᵀ`, `w_hhᵀ`, and the two biases."""
    zero = jnp.zeros(layer.w_ih.shape[1], layer.w_ih.dtype)
    biases = [zero if b is None else b for b in (layer.b_ih, layer.b_hh)]
    return jnp.concatenate([layer.w_ih.T.reshape(-1), layer.w_hh.T.reshape(-1), *biases])


def _turned(lengths: Array, steps: int) -> Array:
    """`(B, T, 1)`: which step stands at each place once rows are read from their ends."""
    t, last = jnp.arange(steps, dtype=jnp.int32).reshape(1, -1), lengths.reshape(-1, 1) - 1
    return jnp.where(t <= last, last - t, t)[:, :, None]
