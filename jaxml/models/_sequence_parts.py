"""What the recurrent models share: cells by name, checks of tokens, lengths by padding, single steps."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array

from jaxml import nn
from jaxml.functional._checks import check_choice, check_positive, check_rank, check_within
from jaxml.nn._dropout import checked_rate
from jaxml.nn._recurrent_base import below_one

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True, kw_only=True)
class RecurrentOptions:
    """What the configurations of recurrent models share, of `nn.RNN`, `nn.LSTM` and `nn.GRU`.

    `dropout` is that between layers, with `variational` the same at every step there, and before the layers to the
    results; `recurrent_dropout` is that of h on its way to the next step, and `zoneout` the share of the state that
    stays as it was. `peepholes` are an LSTM's. With `checkpoint_every` k the backward pass keeps the states of every
    kth step alone: long sequences in less memory.
    """

    dropout: float = 0.0
    variational: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    peepholes: bool = False
    checkpoint_every: int | None = None


def recurrent(module: str, config: Any, in_features: int, *, bidirectional: bool = False, rngs: nnx.Rngs) -> Any:
    """The recurrent layers of a configuration that has cell, hidden_features, num_layers and `RecurrentOptions`."""
    check_choice(module, "cell", config.cell, tuple(CELLS))
    if config.peepholes and config.cell != "lstm":
        raise ValueError(f"{module}: peepholes are an LSTM's, got cell={config.cell!r}")
    if config.checkpoint_every is not None:
        check_positive(module, "checkpoint_every", (config.checkpoint_every,))
    return CELLS[config.cell](
        in_features,
        config.hidden_features,
        num_layers=config.num_layers,
        bidirectional=bidirectional,
        dropout_rate=checked_rate(f"{module}: dropout", config.dropout),
        variational=config.variational,
        recurrent_dropout_rate=below_one(module, "recurrent_dropout", config.recurrent_dropout),
        zoneout_rate=below_one(module, "zoneout", config.zoneout),
        checkpoint_every=config.checkpoint_every,
        rngs=rngs,
        **({"peepholes": True} if config.peepholes else {}),
    )


def check_padding(module: str, padding_index: int | None, num_embeddings: int) -> None:
    """Padding, if there is such a token, is one of the tokens."""
    if padding_index is not None:
        check_within(module, "padding_index", padding_index, 0, num_embeddings - 1)


def check_tokens(module: str, x: Any, num_embeddings: int, *, name: str = "x") -> None:
    """`x` is `(B, T)`, of integers that are tokens where they are known; what is traced gives NaN where it is none."""
    check_rank(module, name, x, 2, "(B, T)")
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise TypeError(f"{module}: {name} must be integers, got {x.dtype}")
    if isinstance(x, Tracer):
        return
    values = np.asarray(x)
    wrong = (values < 0) | (values >= num_embeddings)
    if wrong.any():
        raise ValueError(
            f"{module}: {name} must be tokens from 0 to {num_embeddings - 1}, got {values[wrong][0]} "
            f"({name}: {tuple(values.shape)})"
        )


def lengths_of(x: Array, padding_index: int | None) -> Array | None:
    """The number of tokens of each row up to the last that is no padding; None where nothing is padding."""
    if padding_index is None:
        return None
    steps = jnp.arange(1, x.shape[1] + 1, dtype=jnp.int32)
    return jnp.where(x != padding_index, steps[None], 0).max(axis=1, initial=0)


def inside(lengths: Array | None, x: Array) -> Array:
    """`(B, T)`: whether step t of row b is one."""
    steps = jnp.arange(x.shape[1], dtype=jnp.int32)[None]
    return jnp.ones(x.shape[:2], bool) if lengths is None else steps < lengths[:, None]


def last_hidden(state: Any, bidirectional: bool) -> Array:
    """h behind the last step of the last layer, of both directions side by side: `(B, F)`."""
    h = state[0] if isinstance(state, tuple) else state
    if h.ndim == 2:
        return h
    return jnp.concatenate([h[-2], h[-1]], axis=-1) if bidirectional else h[-1]


def one_step(cell: Any, x: Array, state: Any) -> tuple[Array, Any]:
    """One step of a unidirectional recurrent layer from x (B, I): the output (B, F) and the new state."""
    start = dict(zip(("h0", "c0"), state if isinstance(state, tuple) else (state,), strict=False))
    y, state = cell(x[:, None], **start)
    return y[:, 0], state


def zero_state(cell: Any, config: Any, batch: int, dtype: Any) -> Any:
    """The state before the first step of `batch` rows, in the form that the layer returns it."""
    several = () if config.num_layers == 1 else (config.num_layers,)
    h = jnp.zeros((*several, batch, config.hidden_features), dtype)
    return (h, h) if isinstance(cell, nn.LSTM) else h
