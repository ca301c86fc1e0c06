"""The networks of the agents: two hidden layers or so, as pytrees of arrays, orthogonal at the start."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp

import jaxml.functional as F

Params = Any
ACTIVATIONS = {"tanh": F.tanh, "relu": F.relu}


def init_mlp(key: jax.Array, sizes: Sequence[int], *, last_scale: float) -> Params:
    """A layer for each pair of `sizes`: orthogonal weights times sqrt(2), the last times `last_scale`; biases zero.

    A small `last_scale` makes a policy start out uniform (Andrychowicz et al. 2021, arXiv:2006.05990).
    """
    keys, layers = jax.random.split(key, len(sizes) - 1), []
    for place, (key, (i, o)) in enumerate(zip(keys, pairwise(sizes), strict=True)):
        scale = last_scale if place == len(sizes) - 2 else math.sqrt(2)
        layers.append({"w": _orthogonal(key, (i, o), scale), "b": jnp.zeros(o, jnp.float32)})
    return tuple(layers)


def _orthogonal(key: jax.Array, shape: tuple[int, int], scale: float) -> jax.Array:
    """Under `vmap` over seeds one matrix after the other.

    A batch of QR factorizations waits, on a thread of XLA's CPU pool, for others of that pool: those of two layers at
    once wait for ever on two cores (jaxlib 0.10).
    """

    def draw(key: jax.Array) -> jax.Array:
        return jax.nn.initializers.orthogonal(scale)(key, shape, jnp.float32)

    return jax.custom_batching.sequential_vmap(draw)(key)


def mlp(params: Params, x: jax.Array, *, activation: str) -> jax.Array:
    """(..., I) -> (..., O)."""
    *hidden, last = params
    for layer in hidden:
        x = ACTIVATIONS[activation](F.linear(x, layer["w"], layer["b"]))
    return F.linear(x, last["w"], last["b"])
