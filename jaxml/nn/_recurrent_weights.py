"""Weights of PyTorch's and Keras's recurrent layers in those of jaxml."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml.functional._checks import check_choice
from jaxml.nn._recurrent_base import NAMES, Recurrent

TORCH = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh", "w_hr": "weight_hr"}


def load_recurrent_weights(layer: Recurrent, weights: Mapping[str, Any], *, layout: Literal["torch", "keras"]) -> None:
    """Give an `RNN`, `LSTM` or `GRU` the weights of the same layer of PyTorch or Keras, arrays by name.

        "torch"   weight_ih_l0 (G, I), weight_hh_l0 (G, H), bias_ih_l0, bias_hh_l0 (G,), with a projection weight_hr_l0
                  (P, H); _l0_reverse of the other direction, _l1 of the next layer: a `state_dict` of NumPy arrays
        "keras"   kernel (I, G), recurrent_kernel (H, G), bias (G,), of a GRU with reset_after (2, G); where there are
                  several layers or two directions, each name with the suffix _l0, _l0_reverse, _l1, ... of PyTorch's

    G is H of an RNN, 4 H of an LSTM, 3 H of a GRU. Matrices are transposed, gates put in jaxml's order i f g o and
    r z n (a Keras GRU's is z r n), and where the library has one bias for two, b_hh is 0. The layer's sizes,
    `reset_after` and `activation` are to be those of the other.
    Errors: `ValueError` that lists what is missing, what the layer has no place for, and what has another shape, and
    then nothing is changed; for a layer with peepholes, which neither library has, and for a GRU with its reset gate
    before the product, which PyTorch does not have. `TypeError` for another layer, weights that are no mapping, and an
    array of anything but real numbers.

    >>> import numpy as np; from flax import nnx; from jaxml import nn
    >>> rnn = nn.RNN(2, 3, use_bias=False, rngs=nnx.Rngs(0))
    >>> given = {"weight_ih_l0": np.ones((3, 2)), "weight_hh_l0": np.eye(3)}
    >>> nn.load_recurrent_weights(rnn, given, layout="torch"); float(rnn.w_ih[...].sum())
    6.0
    """
    name = "load_recurrent_weights"
    check_choice(name, "layout", layout, ("torch", "keras"))
    if not isinstance(layer, Recurrent):
        raise TypeError(f"{name}: layer must be an RNN, LSTM or GRU of jaxml.nn, got {type(layer).__name__}")
    if not isinstance(weights, Mapping):
        raise TypeError(f"{name}: weights must be arrays by name, got {type(weights).__name__}")
    if layout == "torch" and not getattr(layer, "reset_after", True):
        raise ValueError(f"{name}: PyTorch's GRU has its reset gate after the product, and this GRU has it before")
    if layer.peephole is not None:
        raise ValueError(f"{name}: neither PyTorch nor Keras has peepholes, and this {type(layer).__name__} has")
    parts = _parts(layer)
    found: list[tuple[Any, np.ndarray]] = []
    missing, misshapen, used = [], [], set()
    for suffix, params in parts.items():
        for label, shape, into in (_of_torch if layout == "torch" else _of_keras)(layer, params):
            key = label + (suffix if layout == "torch" or len(parts) > 1 else "")
            used.add(key)
            if key not in weights:
                missing.append(key)
                continue
            given = np.asarray(weights[key])
            if not (jnp.issubdtype(given.dtype, jnp.floating) or jnp.issubdtype(given.dtype, jnp.integer)):
                raise TypeError(f"{name}: {key} must hold real numbers, got {given.dtype}")
            if given.shape != shape:
                misshapen.append(f"{key} {given.shape}, not {shape}")
                continue
            found += into(given)
    faults = {"missing": missing, "unused": [key for key in weights if key not in used], "misshapen": misshapen}
    if any(faults.values()):
        listed = "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in faults.items() if keys)
        raise ValueError(f"{name}: the weights do not fit this {type(layer).__name__}: {listed}")
    for param, value in found:
        param.set_value(jnp.asarray(value, param.dtype))


# A name of the other library, the shape there, and from that array to parameters and their values.
Entry = tuple[str, tuple[int, ...], Callable[[np.ndarray], list[tuple[Any, np.ndarray]]]]


def _parts(layer: Recurrent) -> dict[str, dict[str, Any]]:
    """The parameters of each layer and direction, by PyTorch's suffix."""
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    suffixes = [f"_l{n}{direction}" for n in range(layer.num_layers) for direction in directions]
    held = {name: p for name in NAMES if (p := getattr(layer, name)) is not None}
    each = {name: p if isinstance(p, nnx.List) else [p] for name, p in held.items()}
    return {suffix: {name: p[n] for name, p in each.items()} for n, suffix in enumerate(suffixes)}


def _of_torch(layer: Recurrent, params: dict[str, Any]) -> list[Entry]:
    return [(TORCH[n], p.shape[::-1], lambda a, p=p: [(p, a.T)]) for n, p in params.items()]


def _of_keras(layer: Recurrent, params: dict[str, Any]) -> list[Entry]:
    columns = params["w_hh"].shape[1]
    order = np.arange(columns)
    if layer.gates == 3:
        z, r, n = np.split(order, 3)
        order = np.concatenate([r, z, n])
    entries: list[Entry] = [
        ("kernel", params["w_ih"].shape, lambda a: [(params["w_ih"], a[:, order])]),
        ("recurrent_kernel", params["w_hh"].shape, lambda a: [(params["w_hh"], a[:, order])]),
    ]
    if "b_ih" in params:
        two = getattr(layer, "reset_after", False)

        def both(a: np.ndarray) -> list[tuple[Any, np.ndarray]]:
            b_ih, b_hh = a if two else (a, np.zeros_like(a))
            return [(params["b_ih"], b_ih[order]), (params["b_hh"], b_hh[order])]

        entries.append(("bias", (2, columns) if two else (columns,), both))
    if "w_hr" in params:
        raise ValueError("load_recurrent_weights: Keras has no projection, and this LSTM has")
    return entries
