"""Suite `fit`: what the training loop costs beside a loop written by hand, and beside Keras's `fit` on JAX.

The other loops run inside a callback of `fit`, one epoch each after every epoch of its own: all are interleaved in one
process, on the same arrays, batches of one size in a fresh order each epoch.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import jaxml.functional as F
from benchmarks import _keras_loops
from benchmarks._results import Measured, Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._tables import MISSING, Table, milliseconds, times
from benchmarks._types import Suite, Task
from jaxml import models, nn, optim
from jaxml.train import fit

LOSS = F.softmax_cross_entropy_with_integer_labels
MODELS = ("mlp", "cnn", "cnn_separable")
Epoch = Callable[[], None]


def tasks(settings: Settings) -> list[Task]:
    return [(name, partial(_time, name)) for name in settings.pick(tiny=MODELS[:1], quick=MODELS[:2], full=MODELS)]


def _time(name: str, settings: Settings) -> Row:
    size = settings.examples(tiny=16, quick=64, full=64)
    steps = settings.pick(tiny=2, quick=20, full=40)
    rounds = settings.pick(tiny=2, quick=6, full=20)
    rng = np.random.default_rng(settings.seed)
    x = rng.standard_normal((steps * size, 8, 8, 1)).astype(np.float32)
    y = rng.integers(0, 10, steps * size).astype(np.int32)
    model, tx = models.create(name, rngs=nnx.Rngs(0)), optim.adam(1e-3)
    loops = {"hand": _by_hand(model, tx, x, y, size), "bare": _bare(model, tx, x, y, size)}
    if settings.peers:
        loops["keras"] = _keras_loops.epoch(name, x, y, size)
    seconds: dict[str, list[float]] = {who: [] for who in loops}

    def others(epoch: Any) -> None:
        for who, run in loops.items():
            start = time.perf_counter()
            run()
            seconds[who].append((time.perf_counter() - start) / steps)

    result = fit(
        model, (x, y), loss=LOSS, optimizer=tx, epochs=rounds + 1, batch_size=size, callbacks=[others], progress=False
    )
    own = np.asarray(result.step_seconds).reshape(rounds + 1, steps).mean(1)
    kept = {"fit": own.tolist(), **seconds}
    row = Row(name, {"batch": size, "steps": steps})
    for who, samples in kept.items():
        row.times[f"step.{who}"] = _measured(samples[1:])  # the first of each compiles
    for who in loops:
        ratios = np.asarray(kept[who][1:]) / np.asarray(kept["fit"][1:])
        row.speedups[f"step.fit/{who}"] = tuple(float(q) for q in np.quantile(ratios, [0.5, 0.25, 0.75]))  # type: ignore
    # Within each round: what slows a round down slows both, and the medians of all rounds may be of different ones.
    row.facts["overhead_us"] = 1e6 * float(np.median(np.subtract(kept["fit"], kept["bare"])[1:]))
    return row


def _measured(samples: list[float]) -> Measured:
    median, q25, q75 = (float(q) for q in np.quantile(samples, [0.5, 0.25, 0.75]))
    return Measured(median, q25, q75, min(samples), len(samples), raw=list(samples))


def _step(model: Any, tx: Any) -> tuple[Any, Any]:
    """What a user writes: value_and_grad, update, jit with donation."""
    apply, params, state = nn.functionalize(model)
    carry = (params, state, tx.init(params))

    def step(carry: Any, x: Any, y: Any) -> tuple[Any, Any]:
        params, state, opt_state = carry

        def mean_loss(params: Any) -> Any:
            logits, new_state = apply(params, state, x, train=True)
            return LOSS(logits, y).mean(), (new_state, (logits.argmax(1) == y).mean())

        (loss, (state, accuracy)), gradients = jax.value_and_grad(mean_loss, has_aux=True)(params)
        updates, opt_state = tx.update(gradients, opt_state, params)
        return (optax.apply_updates(params, updates), state, opt_state), (loss, accuracy)

    return step, carry


def _by_hand(model: Any, tx: Any, x: np.ndarray, y: np.ndarray, size: int) -> Epoch:
    """The loop a user would write: shuffled, a jitted and donated step, the figures read at the epoch's end."""
    step, carry = _step(model, tx)
    run, rng = jax.jit(step, donate_argnums=0), np.random.default_rng(0)

    def epoch() -> None:
        nonlocal carry
        order, measured = rng.permutation(len(x)), []
        for start in range(0, len(x), size):
            rows = order[start : start + size]
            carry, figures = run(carry, x[rows], y[rows])
            measured.append(figures)
        np.mean(jax.device_get(measured), axis=0)

    return epoch


def _bare(model: Any, tx: Any, x: np.ndarray, y: np.ndarray, size: int) -> Epoch:
    """The same step and nothing else: a flat list of arrays, one batch that is on the device, no figure read."""
    step, carry = _step(model, tx)
    leaves, tree = jax.tree.flatten(carry)
    batch = jax.device_put((x[:size], y[:size]))
    run = jax.jit(lambda leaves, x, y: jax.tree.flatten(step(tree.unflatten(leaves), x, y))[0], donate_argnums=0)
    steps = len(x) // size

    def epoch() -> None:
        nonlocal leaves
        for _ in range(steps):
            *leaves, _, _ = run(leaves, *batch)
        jax.block_until_ready(leaves)

    return epoch


def tables(result: SuiteResult) -> list[Table]:
    cells = []
    for row in result.rows:
        if not row.times:
            continue
        medians = [milliseconds(row.median(f"step.{who}")) for who in ("bare", "hand", "fit", "keras")]
        ratios = [times(row.speedup("step", "fit", who)) for who in ("hand", "keras")]
        cells.append([row.name, *medians, f"{row.facts['overhead_us']:.0f}", *ratios])
    columns = ("model", "bare ms", "hand ms", "fit ms", "Keras ms", "fit - bare, us", "fit vs hand", "fit vs Keras")
    caption = (
        "One training step. bare: the jitted step alone; hand: a loop written by hand; both ratios above 1: fit is "
        f"faster. {MISSING}: not asked for."
    )
    return [Table("Training loops", columns, cells, caption)] if cells else []


def summary(result: SuiteResult) -> list[str]:
    rows = [row for row in result.rows if row.times]
    if not rows:
        return []
    overheads = ", ".join(f"{row.name} {row.facts['overhead_us']:.0f} us" for row in rows)
    return [f"fit: beside the bare step, {overheads}"]


SUITE = Suite("fit", "The training loop beside a bare step, a loop by hand, and Keras", tasks, tables, summary)
