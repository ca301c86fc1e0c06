"""A training step as a candidate for timing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import optax
from jax import Array

import jaxml.functional as F
from benchmarks._measure import Candidate, numpy_leaves, roofline
from benchmarks._memory import require_for
from jaxml import timing
from jaxml.train import make_train_step


def step_candidate(
    apply: Callable[..., Any],
    params: Any,
    state: Any,
    optimizer: optax.GradientTransformation,
    x: Array,
    labels: Array,
) -> Candidate:
    """The library's own donated step on one batch, again and again, each call going on from the last one's result."""
    step = make_train_step(apply, F.softmax_cross_entropy_with_integer_labels, optimizer)
    carry = (params, state, optimizer.init(params))
    done = timing.compile(step, *carry, (x, labels), donate_argnums=(0, 1, 2))
    require_for(step, *carry, (x, labels), temp_bytes=done.temp_bytes)
    # Each call takes the arrays of the one before: only their shapes can be kept.
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (*carry, (x, labels)))

    def call() -> Array:
        nonlocal carry
        *kept, metrics = done.call(*carry, (x, labels))
        carry = jax.block_until_ready(tuple(kept))
        return metrics["loss"]

    roof = partial(roofline, step, shapes)
    return Candidate(call, numpy_leaves, done.trace_seconds + done.compile_seconds, done.temp_bytes, roof)
