"""Suite `recurrent`: LSTM and GRU over time beside Flax's `nnx.RNN` and, with `--peers`, PyTorch's own."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

import jaxml.functional as F
from benchmarks import _recurrent_report, _torch_recurrent
from benchmarks._measure import compiled, measure
from benchmarks._memory import require
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._types import Suite, Task
from jaxml import nn

OURS, FLAX, TORCH = _recurrent_report.OURS, _recurrent_report.FLAX, _recurrent_report.TORCH
KINDS = {"LSTM": (F.lstm, 4), "GRU": (F.gru, 3)}
PATIENCE = 0.4


@dataclass(frozen=True)
class Shape:
    """Examples, steps, inputs, units."""

    examples: int
    steps: int
    inputs: int
    units: int

    def __str__(self) -> str:
        return f"{self.examples} x {self.steps}, {self.inputs} -> {self.units}"


MAIN = [Shape(32, 100, 128, 128), Shape(32, 100, 256, 512), Shape(128, 50, 64, 256), Shape(1, 200, 64, 64)]
SWEEP = [Shape(8, 50, 32, 32), Shape(64, 20, 128, 128), Shape(16, 200, 32, 64), Shape(256, 20, 64, 64)]


def tasks(settings: Settings) -> list[Task]:
    main = settings.pick(tiny=[Shape(2, 3, 4, 5)], quick=MAIN[::3], full=MAIN)
    sweep = settings.pick(tiny=[], quick=[], full=SWEEP)
    listed = [("main", shape) for shape in main] + [("sweep", shape) for shape in sweep]
    return [(f"{kind} {shape}", partial(_row, kind, shape, part)) for part, shape in listed for kind in KINDS]


def _row(kind: str, shape: Shape, part: str, settings: Settings) -> Row:
    examples = min(shape.examples, settings.examples(tiny=2, quick=shape.examples, full=shape.examples))
    f, gates = KINDS[kind]
    rng, columns = np.random.default_rng(settings.seed), gates * shape.units
    bound = shape.units**-0.5
    shapes = [(shape.inputs, columns), (shape.units, columns), (columns,)]
    x = jnp.asarray(rng.standard_normal((examples, shape.steps, shape.inputs)), settings.dtype)
    weights = [jnp.asarray(rng.uniform(-bound, bound, s), settings.dtype) for s in shapes]
    dy = jnp.asarray(rng.standard_normal((examples, shape.steps, shape.units)), settings.dtype)
    require(40 * dy.nbytes)
    macs = examples * shape.steps * columns * (shape.inputs + shape.units)
    row = Row(f"{kind} {shape}", {"kind": kind, "part": part, "examples": examples, "macs": macs})
    forms = {OURS: _ours(f), FLAX: _flax(kind, shape, settings.dtype)}
    for what, wrap, more in (("forward", lambda g: g, ()), ("gradient", _pulled, (dy,))):
        candidates = {who: partial(compiled, wrap(g), x, *weights, *more) for who, g in forms.items()}
        if settings.peers:
            candidates[TORCH] = partial(_torch_recurrent.candidate, kind, what, x, *weights, dy)
        pairs = [(OURS, who) for who in candidates if who != OURS]
        measure(row, what, candidates, settings, speedups=pairs, reference=FLAX, patience=PATIENCE)
    return row


def _ours(f: Any) -> Any:
    return lambda x, w_ih, w_hh, b: f(x, w_ih, w_hh, b)[0]


def _flax(kind: str, shape: Shape, dtype: str) -> Any:
    """The same of the same arrays: both cells have one bias, the LSTM's on its recurrent product."""
    made = {"LSTM": nnx.OptimizedLSTMCell, "GRU": nnx.GRUCell}[kind]
    cell = made(shape.inputs, shape.units, dtype=jnp.dtype(dtype), rngs=nnx.Rngs(0))
    apply, params, state = nn.functionalize(nnx.RNN(cell))
    tree = jax.tree.structure(params)  # dense_h before dense_i, bias before kernel

    def call(x: Array, w_ih: Array, w_hh: Array, b: Array) -> Array:
        given = jax.tree.unflatten(tree, [b, w_hh, w_ih] if kind == "LSTM" else [w_hh, b, w_ih])
        zero = jnp.zeros((x.shape[0], shape.units), x.dtype)
        carry = (zero, zero) if kind == "LSTM" else zero
        return apply(given, state, x, initial_carry=carry)[0]

    return call


def _pulled(f: Any) -> Any:
    """The outputs and all gradients, as a training step has them."""

    def call(*args: Array) -> Any:
        *inputs, dy = args
        y, back = jax.vjp(f, *inputs)
        return y, *back(dy)

    return call


SUITE = Suite("recurrent", "LSTM and GRU over time", tasks, _recurrent_report.tables, _recurrent_report.summary)
