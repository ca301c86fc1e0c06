"""A function of `jaxml.functional` beside the form that one writes by hand in `jnp`, and the inputs of both."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks._measure import compiled, measure
from benchmarks._memory import require
from benchmarks._results import Row
from benchmarks._settings import Settings

OURS, PLAIN = "jaxml", "plain"
# Bytes of all inputs: in the cache of one core, and beyond that of all.
CACHED, LARGE = "cached", "large"
BYTES = {CACHED: 2**20, LARGE: 40 * 2**20}
# Of the four seconds that a full run gives a comparison: there are some 280 of them.
PATIENCE = 0.1
# Seconds that the shortest are timed for: 25 samples of 0.2 ms put half of the ratios at random on either side of 1.
LEAST = 0.1

Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Case:
    """`ours(*inputs)` and `plain(*inputs)` do the same job; floating-point inputs are differentiated.

    inputs: each draws an array for so many examples.
    examples: how many by the size, where `BYTES` is no measure.
    """

    name: str
    ours: Callable[..., Any]
    plain: Callable[..., Any]
    inputs: tuple[Draw, ...]
    examples: dict[str, int] | None = None

    def count(self, size: str) -> int:
        """How many examples an input of this size has."""
        if self.examples is not None:
            return self.examples[size]
        one, two = (sum(a.nbytes for a in self.arrays(n)) for n in (1, 2))
        return max(1, (BYTES[size] - (2 * one - two)) // (two - one))

    def arrays(self, examples: int, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [draw(rng, examples) for draw in self.inputs]


def normal(*shape: int) -> Draw:
    """Standard normal, `(N, *shape)`."""
    return lambda rng, n: rng.standard_normal((n, *shape), np.float32)


def uniform(*shape: int) -> Draw:
    """In (0, 1), `(N, *shape)`, ends left out."""
    return lambda rng, n: rng.random((n, *shape), np.float32) * np.float32(0.98) + np.float32(0.01)


def probabilities(*shape: int) -> Draw:
    """Positive, of sum 1 along the last axis, `(N, *shape)`."""

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        p = uniform(*shape)(rng, n)
        return p / p.sum(-1, keepdims=True)

    return draw


def signs(*shape: int) -> Draw:
    """1 or -1, `(N, *shape)`."""
    return lambda rng, n: (2 * rng.integers(0, 2, (n, *shape)) - 1).astype(np.float32)


def labels(classes: int, *shape: int) -> Draw:
    """Whole numbers below `classes`, `(N, *shape)`."""
    return lambda rng, n: rng.integers(0, classes, (n, *shape)).astype(np.int32)


def weights(*shape: int) -> Draw:
    """Normal over the root of the inputs, `shape`, however many examples there are."""
    return lambda rng, n: (rng.standard_normal(shape) / math.prod(shape[:-1]) ** 0.5).astype(np.float32)


def key() -> Draw:
    """A random key's two words: an argument, or XLA would draw while it compiles."""
    return lambda rng, n: rng.integers(0, 2**32, 2, np.uint32)


def task(case: Case, size: str) -> Callable[[Settings], Row]:
    return partial(_row, case, size)


def title(case: Case, size: str) -> str:
    return f"{case.name}, {size}"


def _row(case: Case, size: str, settings: Settings) -> Row:
    full = case.count(size)
    examples = settings.examples(tiny=2, quick=full, full=full)
    drawn = case.arrays(examples, settings.seed)
    require(2 * sum(a.nbytes for a in drawn))
    inputs = [_as(a, settings.dtype) for a in drawn]
    row = Row(title(case, size), {"size": size, "examples": examples, "bytes": sum(a.nbytes for a in inputs)})
    forms = {OURS: case.ours, PLAIN: case.plain}
    pairs = [(OURS, PLAIN)]
    forward = {who: partial(compiled, f, *inputs) for who, f in forms.items()}
    measure(row, "forward", forward, settings, speedups=pairs, reference=PLAIN, patience=PATIENCE, least=LEAST)
    if gradient := differentiated(inputs):
        out = jax.eval_shape(case.plain, *inputs)
        rng = np.random.default_rng(settings.seed + 1)
        cotangent = jax.tree.map(lambda a: jnp.asarray(rng.standard_normal(a.shape), a.dtype), out)
        candidates = {who: partial(compiled, pulled(f, gradient), cotangent, *inputs) for who, f in forms.items()}
        measure(row, "gradient", candidates, settings, speedups=pairs, reference=PLAIN, patience=PATIENCE, least=LEAST)
    return row


def differentiated(inputs: Sequence[Array]) -> list[int]:
    """Positions of what has a derivative."""
    return [i for i, a in enumerate(inputs) if jnp.issubdtype(a.dtype, jnp.floating)]


def pulled(f: Callable[..., Any], positions: Sequence[int]) -> Callable[..., Any]:
    """From `f(*inputs)`, the value and the gradients by those at `positions`, as a training step has both."""

    def value_and_gradients(cotangent: Any, *inputs: Array) -> Any:
        def of(*chosen: Array) -> Any:
            given = list(inputs)
            for position, a in zip(positions, chosen, strict=True):
                given[position] = a
            return f(*given)

        value, back = jax.vjp(of, *(inputs[i] for i in positions))
        return value, back(cotangent)

    return value_and_gradients


def _as(a: np.ndarray, dtype: str) -> Array:
    return jnp.asarray(a, dtype if a.dtype == np.float32 else a.dtype)
