"""Linear layers with an activation between them, as pure functions: the halves of an autoencoder."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init

ACTIVATIONS = {"relu": F.relu, "tanh": F.tanh, "gelu": F.gelu, "silu": F.silu, "elu": F.elu}
Layers = list[tuple[Array, Array]]


def initial(key: Array, widths: Sequence[int], dtype: DTypeLike) -> Layers:
    """`(w, b)` from each width to the next: Glorot's uniform, and zeros."""
    keys = jax.random.split(key, len(widths) - 1)
    make = init.glorot_uniform()
    return [(make(k, (i, o), dtype), jnp.zeros(o, dtype)) for k, (i, o) in zip(keys, pairwise(widths), strict=True)]


def forward(layers: Layers, x: Float[Array, "N I"], activation: str) -> Float[Array, "N O"]:
    """`x ← activation(x w + b)` for every layer but the last, which is linear."""
    *hidden, last = layers
    for w, b in hidden:
        x = ACTIVATIONS[activation](F.linear(x, w, b))
    return F.linear(x, *last)
