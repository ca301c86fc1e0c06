"""The triangular factor of a tall matrix: all of it that least squares and principal components need."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

# Rows that are factored at a time: with 32 columns half a mebibyte of float32, which stays in a core's cache.
BLOCK = 4096

# f(start, count) are so many rows of the matrix.
Rows = Callable[[Array | int, int], Array]


def triangle(make: Callable[..., Array], *arrays: Float[Array, "N _"]) -> Float[Array, "R D"]:
    """`R` of `A = Q R`, of `min(N, D)` rows, for the matrix A whose rows `make` computes from those of `arrays`.

    `A` need not exist: it is made block by block. The diagonal of `R` has any sign. Of many rows it is twice Cholesky's
    factor of a Gram matrix, of `A` and then of `Q = A R⁻¹`, at the speed of a matrix product, and as exact as
    Householder's reflections wherever the second matrix is near the identity. Where it is not, columns depend on each
    other but for rounding, and the reflections follow: `[R of the rows so far; the next rows]` is factored in turn.
    Neither squares the condition number.

    Cost: about `5 N D²` MACs. References: Yamamoto et al. 2015, "Roundoff error analysis of the CholeskyQR2 algorithm";
    Demmel et al. 2008, arXiv:0806.2159, the sequential TSQR.
    """
    n = arrays[0].shape[0]

    def rows(start: Array | int, count: int) -> Array:
        return make(*(lax.dynamic_slice_in_dim(a, start, count) for a in arrays))

    columns = jax.eval_shape(lambda: rows(0, 1)).shape[1] if n else 0
    if n < 2 * BLOCK or columns > BLOCK:
        return _factor(rows(0, n))
    r, exact = _by_cholesky(rows, n)
    return lax.cond(exact, lambda: r, lambda: _by_reflections(rows, n))


def _by_cholesky(rows: Rows, n: int) -> tuple[Float[Array, "D D"], Bool[Array, ""]]:
    """CholeskyQR2's factor, and whether it is one."""
    first = jnp.linalg.cholesky(_gram(rows, n), upper=True)
    inverse = lax.linalg.triangular_solve(first, jnp.eye(len(first), dtype=first.dtype))

    def orthogonal(start: Array | int, count: int) -> Array:
        """`A R⁻¹` as exact as a triangular solve, by products: one step of refinement of that with R's inverse."""
        a = rows(start, count)
        q = a @ inverse
        return q + (a - q @ first) @ inverse

    gram = _gram(orthogonal, n)
    off = gram - jnp.eye(len(gram), dtype=gram.dtype)
    return jnp.linalg.cholesky(gram, upper=True) @ first, jnp.sum(off * off) < 0.25  # NaN, and False, where one failed


def _gram(rows: Rows, n: int) -> Float[Array, "D D"]:
    """`AᵀA`, added up over blocks of rows."""

    def of(start: Array | int, count: int) -> Array:
        a = rows(start, count)
        return a.T @ a

    blocks, left = divmod(n, BLOCK)
    total, _ = lax.scan(lambda sum, i: (sum + of(i * BLOCK, BLOCK), None), of(n - left, left), jnp.arange(blocks))
    return total


def _by_reflections(rows: Rows, n: int) -> Float[Array, "D D"]:
    blocks, left = divmod(n, BLOCK)

    def step(r: Array, i: Array) -> tuple[Array, None]:
        return _factor(jnp.concatenate([r, rows(i * BLOCK, BLOCK)])), None

    r, _ = lax.scan(step, _factor(rows(0, BLOCK)), jnp.arange(1, blocks))
    return _factor(jnp.concatenate([r, rows(n - left, left)])) if left else r


def _factor(a: Array) -> Array:
    return jnp.linalg.qr(a, mode="r")
