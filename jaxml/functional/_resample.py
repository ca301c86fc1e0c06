"""A sparse matrix applied along one axis, as a JAX primitive whose transpose is the same with the matrix transposed.

Resizing is such a product for each spatial axis. Written as a sum of `jnp.take`, one for each tap, its derivative would
be a scatter, ten times slower on a CPU than the sum of `take` that it is; a dense matrix product is five times slower
both ways, and one infinite pixel makes a row of NaN. A primitive, because a `custom_vjp` would forbid forward mode.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

# Beyond as many entries in a row, one product with the dense matrix: a sum of so many taps compiles slowly.
MAX_TAPS = 16


@dataclass(frozen=True, eq=False)
class Matrix:
    """The entries `weights[e]` at `(rows[e], columns[e])`, equal places added; by identity, so keep and share them."""

    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray

    @cached_property
    def T(self) -> "Matrix":
        transposed = Matrix((self.shape[1], self.shape[0]), self.columns, self.rows, self.weights)
        transposed.__dict__["T"] = self
        return transposed

    @cached_property
    def taps(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns and weights, `(rows, most entries in a row)`; one with fewer repeats its first with weight 0."""
        height, width = self.shape
        places, owner = np.unique(self.rows * width + self.columns, return_inverse=True)
        rows, columns, weights = places // width, places % width, np.bincount(owner, self.weights, len(places))
        count = np.bincount(rows, minlength=height)
        first = np.cumsum(count) - count
        slot = np.arange(len(rows)) - first[rows]
        table = np.zeros((2, height, max(count.max(), 1)))
        table[0] = np.append(columns, 0)[first][:, None] * (count > 0)[:, None]
        table[0, rows, slot], table[1, rows, slot] = columns, weights
        return table[0].astype(np.int32), table[1]

    @property
    def dense(self) -> np.ndarray:
        full = np.zeros(self.shape)
        np.add.at(full, (self.rows, self.columns), self.weights)
        return full


def resample(x: jax.Array, matrix: Matrix, axis: int) -> jax.Array:
    """`y[..., o, ...] = sum_i matrix[o, i] x[..., i, ...]` along `axis`."""
    return resample_p.bind(x, matrix=matrix, axis=axis)


def plain(x: jax.Array, *, matrix: Matrix, axis: int) -> jax.Array:
    """The same as a product with the dense matrix."""
    y = lax.dot_general(x, jnp.asarray(matrix.dense, x.dtype), (((axis,), (1,)), ((), ())), lax.Precision.HIGHEST)
    return jnp.moveaxis(y, -1, axis)


def _run(x: jax.Array, *, matrix: Matrix, axis: int) -> jax.Array:
    columns, weights = matrix.taps
    if weights.shape[1] > MAX_TAPS:
        return plain(x, matrix=matrix, axis=axis)
    if (places := _spread_places(matrix)) is not None:
        first, step = places
        behind = matrix.shape[0] - first - (x.shape[axis] - 1) * step - 1
        widths = [(first, behind, step - 1) if a == axis else (0, 0, 0) for a in range(x.ndim)]
        return lax.pad(x, jnp.zeros((), x.dtype), widths)
    along = [-1 if a == axis else 1 for a in range(x.ndim)]
    terms = []
    for index, weight in zip(columns.T, weights.T, strict=True):
        term = _picked(x, index, axis)
        terms.append(term if (weight == 1).all() else term * jnp.asarray(weight, x.dtype).reshape(along))
    return sum(terms[1:], terms[0])


def _picked(x: jax.Array, index: np.ndarray, axis: int) -> jax.Array:
    """`x[..., index, ...]` along `axis`; equal steps and equal repeats read no index, which is up to 3 times faster."""
    if (places := _progression(index)) is not None:
        first, step = places
        return lax.slice_in_dim(x, first, first + (len(index) - 1) * step + 1, step, axis)
    repeats, rest = divmod(len(index), x.shape[axis])
    if rest == 0 and np.array_equal(index, np.arange(len(index)) // repeats):
        shape = (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])
        copies = jnp.broadcast_to(jnp.expand_dims(x, axis + 1), shape)
        return copies.reshape(*x.shape[:axis], len(index), *x.shape[axis + 1 :])
    return x.at[(slice(None),) * axis + (index,)].get(mode="promise_in_bounds")


def _spread_places(matrix: Matrix) -> tuple[int, int] | None:
    """First row and step where the matrix spreads its input over every so manieth row, zeros in between."""
    columns, weights = matrix.T.taps
    return _progression(columns[:, 0]) if weights.shape[1] == 1 and (weights == 1).all() else None


def _progression(index: np.ndarray) -> tuple[int, int] | None:
    """First number and step of numbers that rise by the same step."""
    steps = np.diff(index)
    step = int(steps[0]) if len(steps) else 1
    return (int(index[0]), step) if step > 0 and (steps == step).all() else None


def _abstract(x: Any, *, matrix: Matrix, axis: int) -> Any:
    return x.update(shape=(*x.shape[:axis], matrix.shape[0], *x.shape[axis + 1 :]), weak_type=False)


def _batch(operands: Any, axes: Any, *, matrix: Matrix, axis: int) -> tuple[jax.Array, int]:
    return resample(jnp.moveaxis(operands[0], axes[0], 0), matrix, axis + 1), 0


resample_p = Primitive("resample")
# What it computes, in JAX's own terms: its operations are what `jaxml.flops` counts.
resample_p.plain = _run  # type: ignore[attr-defined]
resample_p.def_abstract_eval(_abstract)
resample_p.def_impl(jax.jit(resample_p.bind, static_argnames=("matrix", "axis")))
mlir.register_lowering(resample_p, mlir.lower_fun(_run, multiple_results=False))
ad.deflinear2(resample_p, lambda ct, x, *, matrix, axis: [resample_p.bind(ct, matrix=matrix.T, axis=axis)])
batching.primitive_batchers[resample_p] = _batch
