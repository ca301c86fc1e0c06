"""Microseconds of a call on a network so small that hardly anything else is in it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

import jaxml.functional as F
from benchmarks._measure import Candidate, measure, numpy_leaves
from benchmarks._random import normal
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._types import Task
from jaxml import models, nn, optim
from jaxml.train import make_train_step

PART = "calls"
SIZES = (16, 16, 16, 10)
BATCH = 4
BARE, OURS, NNX = "bare", "jaxml", "nnx"
LOSS = F.softmax_cross_entropy_with_integer_labels


def tasks(settings: Settings) -> list[Task]:
    return [("forward", partial(_row, "forward", _forward)), ("training step", partial(_row, "training step", _step))]


def _row(name: str, build: Callable[..., dict[str, Callable[[], Candidate]]], settings: Settings) -> Row:
    (x,) = normal(settings.seed, [(BATCH, SIZES[0])], settings.dtype)
    row = Row(name, {"part": PART, "batch": BATCH, "sizes": list(SIZES)})
    measure(row, "call", build(x), settings, speedups=[(BARE, OURS), (BARE, NNX)], reference=BARE)
    return row


def _model() -> Any:
    return models.create("mlp", rngs=nnx.Rngs(0), in_features=SIZES[0], hidden=SIZES[1:-1], num_classes=SIZES[-1])


def _weights() -> list[tuple[Array, Array]]:
    """The weights of `_model()` in a plain list, as one would write it without a library."""
    model = _model()
    return [(jnp.array(layer.w[...]), jnp.array(layer.b[...])) for layer in (*model.layers, model.head)]


def _mlp(weights: list[tuple[Array, Array]], x: Array) -> Array:
    *hidden, (w, b) = weights
    for layer in hidden:
        x = jax.nn.relu(x @ layer[0].astype(x.dtype) + layer[1].astype(x.dtype))
    return x @ w.astype(x.dtype) + b.astype(x.dtype)


def _candidate(call: Callable[[], Any]) -> Candidate:
    # Through `jax.jit` itself and not compiled ahead of time: its dispatch is what is timed.
    return Candidate(call, numpy_leaves)


def _forward(x: Array) -> dict[str, Callable[[], Candidate]]:
    def bare() -> Candidate:
        f, weights = jax.jit(_mlp), _weights()
        return _candidate(lambda: f(weights, x))

    def ours() -> Candidate:
        apply, params, state = nn.functionalize(_model())
        f = jax.jit(apply)
        return _candidate(lambda: f(params, state, x)[0])

    def flax() -> Candidate:
        model = _model()
        f = nnx.jit(lambda model, x: model(x))
        return _candidate(lambda: f(model, x))

    return {BARE: bare, OURS: ours, NNX: flax}


def _step(x: Array) -> dict[str, Callable[[], Candidate]]:
    """Momentum on the same batch again and again; each returns its loss."""
    labels, tx = jnp.arange(BATCH) % SIZES[-1], optim.momentum(0.0)  # at rate 0 all of them stay comparable

    def bare() -> Candidate:
        def step(weights: Any, state: Any, x: Array, labels: Array) -> Any:
            loss, grads = jax.value_and_grad(lambda weights: LOSS(_mlp(weights, x), labels).mean())(weights)
            updates, state = tx.update(grads, state, weights)
            return optax.apply_updates(weights, updates), state, loss

        f, weights = jax.jit(step, donate_argnums=(0, 1)), _weights()
        return _carried(lambda *carry: f(*carry, x, labels), weights, tx.init(weights))

    def ours() -> Candidate:
        apply, params, state = nn.functionalize(_model())
        f = make_train_step(apply, LOSS, tx)

        def step(*carry: Any) -> Any:
            *kept, metrics = f(*carry, (x, labels))
            return *kept, metrics["loss"]

        return _carried(step, params, state, tx.init(params))

    def flax() -> Candidate:
        model = _model()
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

        @nnx.jit
        def step(model: Any, optimizer: Any, x: Array, labels: Array) -> Array:
            loss, grads = nnx.value_and_grad(lambda model: LOSS(model(x), labels).mean())(model)
            optimizer.update(model, grads)
            return loss

        return _candidate(lambda: step(model, optimizer, x, labels))

    return {BARE: bare, OURS: ours, NNX: flax}


def _carried(step: Callable[..., Any], *carry: Any) -> Candidate:
    """`step(*carry)` returns the next carry and the loss."""

    def call() -> Any:
        nonlocal carry
        *kept, loss = step(*carry)
        carry = tuple(kept)
        return loss

    return _candidate(call)
