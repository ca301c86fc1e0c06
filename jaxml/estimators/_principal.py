"""Principal components, by the singular values of the centred data's triangle."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.estimators._base import refuses_nonfinite
from jaxml.estimators._triangle import triangle
from jaxml.functional._checks import check_float, check_rank, check_within


class Components(NamedTuple):
    """What `pca` found: mean (D,), orthonormal components (K, D), the variance along each, and that of all together."""

    mean: Array
    components: Array
    variances: Array
    total: Array


@refuses_nonfinite
@partial(jax.jit, static_argnames="num_components")
def pca(x: Float[Array, "N D"], *, num_components: int) -> Components:
    """The directions of most variance: right singular vectors of `x` less its mean; variances `σ² / (N - 1)`.

    Taken from the triangle of `[1, x] = Q R`, which is read once and whose condition number is not squared, as a
    covariance matrix's would be. The largest entry of each component is positive, as in scikit-learn.

    Cost: about `N D²` MACs.

    Raises:
        TypeError: `x` that is not floating point.
        ValueError: a wrong rank, fewer than 2 rows, more components than rows or columns;
            NaN or infinity in an argument (under `jit` and `vmap` the result is NaN then).

    Reference: Pearson 1901, "On lines and planes of closest fit to systems of points in space".

    >>> found = pca(jnp.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]), num_components=1)
    >>> round(float(found.variances[0]), 4), round(float(found.total), 4)
    (5.0, 5.0)
    """
    check_float("pca", x=x)
    check_rank("pca", "x", x, 2, "(N, D)")
    n, d = x.shape
    check_within("pca", "the number of rows", n, 2)
    check_within("pca", "num_components", num_components, 1, min(n, d))
    mean = x.mean(axis=0, keepdims=True)
    # The column of ones takes off what rounding left of the mean.
    r = triangle(lambda x: jnp.concatenate([jnp.ones((len(x), 1), x.dtype), x - mean], axis=1), x)[1:, 1:]
    _, s, vt = jnp.linalg.svd(r, full_matrices=False)
    s, vt = (jnp.pad(a, [(0, max(0, min(n, d) - len(s)))] + [(0, 0)] * (a.ndim - 1)) for a in (s, vt))
    variances = s * s / (n - 1)
    return Components(mean[0], positive(vt)[:num_components], variances[:num_components], variances.sum())


def positive(vt: Float[Array, "K D"]) -> Float[Array, "K D"]:
    """Rows whose largest entry is positive."""
    largest = jnp.take_along_axis(vt, jnp.abs(vt).argmax(axis=1, keepdims=True), axis=1)
    return jnp.where(largest < 0, -vt, vt)
