"""Sums of products of many float32 rows in float64: what least squares and principal components need of them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxml.estimators._base import Scalar
from jaxml.estimators._principal import Components, positive

# Rows that are copied from NumPy and multiplied at a time: the copy lands in memory that the one before has left.
BLOCK = 8192


class Scatter(NamedTuple):
    """In float64 the columns' means (D,), 0 where they are not taken off, and `Σ w (x - mean)(x - mean)ᵀ` (D, D)."""

    mean: Array
    products: Array


def suits(x: np.ndarray) -> bool:
    """Float32 rows, many for their columns.

    A product of float32 numbers is exact in float64, so that the squared condition number of `xᵀx` costs no digit that
    float32 has: its error, `eps64 κ²`, is below that of orthogonal factors in float32, `eps32 κ`, up to κ = 1e8.
    """
    return x.dtype == np.float32 and len(x) >= 2 * BLOCK and x.shape[1] <= 1024


def scatter(*arrays: np.ndarray, weight: np.ndarray | None = None, centered: bool = True) -> Scatter:
    """Of the columns of `arrays` (N, ...) side by side, read once; about 0 in place of the mean unless `centered`.

    Needs JAX's 64 bits. Cost: `N D²` MACs in float64.
    """
    columns = sum(a.shape[1] for a in arrays)
    # A mean of some rows, so that a large one costs no digits; the rest of it comes off at the end.
    shift = np.concatenate([a[:BLOCK].mean(axis=0, dtype=np.float64) for a in arrays])
    shift = jnp.asarray(shift if centered else np.zeros(columns))
    # Two sums, so that two cores can work.
    sums = [jnp.zeros((columns + 1, columns + 1), jnp.float64)] * 2
    for place, start in enumerate(range(0, len(arrays[0]), BLOCK)):
        rows = slice(start, start + BLOCK)
        own = None if weight is None else jnp.asarray(weight[rows])
        sums[place % 2] = _added(sums[place % 2], shift, own, *(jnp.asarray(a[rows]) for a in arrays))
    return _about_mean(sums[0] + sums[1], shift, centered=centered)


@jax.jit
def _added(sums: Array, shift: Array, weight: Array | None, *blocks: Array) -> Array:
    rows = jnp.concatenate([b.astype(sums.dtype) for b in blocks], axis=1) - shift[None]
    rows = jnp.concatenate([jnp.ones((len(rows), 1), sums.dtype), rows], axis=1)
    weighted = rows if weight is None else rows * weight.astype(sums.dtype)[:, None]
    return sums + weighted.T @ rows


@partial(jax.jit, static_argnames="centered")
def _about_mean(sums: Array, shift: Array, *, centered: bool) -> Scatter:
    off = sums[0, 1:] / sums[0, 0]
    if not centered:
        return Scatter(jnp.zeros_like(off), sums[1:, 1:])
    return Scatter(shift + off, sums[1:, 1:] - sums[0, 0] * off[:, None] * off[None])


@partial(jax.jit, static_argnames=("columns", "rows"))
def regression(
    found: Scatter, *, columns: int, rows: int, l2: Scalar
) -> tuple[Float[Array, "D T"], Float[Array, " T"], Float[Array, " D"]]:
    """`(w, b, singular values)` as of `least_squares` from so many `rows`: the first `columns` are x, the others y."""
    squares, vectors = (a[..., ::-1] for a in jnp.linalg.eigh(found.products[:columns, :columns]))
    s = jnp.sqrt(jnp.maximum(squares, 0))
    kept = s > (columns + 4 * rows**0.5) * np.finfo(np.float32).eps * s[0]
    inverse = jnp.where(kept, 1 / jnp.where(kept, squares + l2, 1), 0)
    w = vectors @ (inverse[:, None] * (vectors.T @ found.products[:columns, columns:]))
    w, b = w.astype(jnp.float32), found.mean[columns:] - found.mean[:columns] @ w
    return w, b.astype(jnp.float32), s.astype(jnp.float32)


@partial(jax.jit, static_argnames=("rows", "num_components"))
def components(found: Scatter, *, rows: int, num_components: int) -> Components:
    """What `pca` finds in so many `rows`."""
    squares, vectors = (a[..., ::-1] for a in jnp.linalg.eigh(found.products))
    variances = jnp.maximum(squares, 0) / (rows - 1)
    kept = Components(found.mean, positive(vectors.T)[:num_components], variances[:num_components], variances.sum())
    return Components(*(a.astype(jnp.float32) for a in kept))
