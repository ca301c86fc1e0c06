"""The directions in which a convolution is timed: a fast forward pass says nothing about its derivatives."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks._results import Row
from benchmarks._settings import Settings

TITLES = {"forward": "forward", "dx": "d/dx", "dw": "d/dw", "gradient": "whole gradient"}
Weights = tuple[Array, ...]


def chosen(settings: Settings) -> list[str]:
    """All of them; a quick run leaves out the whole gradient, which is little but the other three after each other."""
    return [what for what in TITLES if what != "gradient" or settings.size != "quick"]


def measured(rows: Iterable[Row]) -> list[str]:
    """Those of which `rows` hold a time; the forward pass at least, to say that there is none."""
    keys = {key.split(".")[0] for row in rows for key in row.times}
    return [what for what in TITLES if what in keys] or ["forward"]


def programs(f: Callable[..., Array]) -> dict[str, Callable[[Array, Weights, Array], Any]]:
    """From `f(x, *weights)`, for each direction a function of the image, the weights and the output's cotangent."""

    def forward(x: Array, weights: Weights, g: Array) -> Array:
        return f(x, *weights)

    # XLA drops what these two do not need of the forward pass: for one convolution, all of it.
    def dx(x: Array, weights: Weights, g: Array) -> Array:
        return jax.vjp(lambda x: f(x, *weights), x)[1](g)[0]

    def dw(x: Array, weights: Weights, g: Array) -> Weights:
        return jax.vjp(lambda weights: f(x, *weights), weights)[1](g)[0]

    def gradient(x: Array, weights: Weights, g: Array) -> tuple[Array, Weights]:
        return jax.grad(lambda x, weights: jnp.sum(jnp.square(f(x, *weights))), (0, 1))(x, weights)

    return {"forward": forward, "dx": dx, "dw": dw, "gradient": gradient}
