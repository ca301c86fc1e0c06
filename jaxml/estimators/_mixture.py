"""Mixtures of Gaussians by expectation-maximisation."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from jaxml.estimators._base import Scalar, refuses_nonfinite
from jaxml.functional._checks import check_choice, check_equal, check_float, check_rank, check_within

COVARIANCES = ("full", "tied", "diag", "spherical")
# Points whose responsibilities are held at a time.
BLOCK = 8192


class Mixture(NamedTuple):
    """Weights (K,), means (K, D), covariances (K, D, D) of a mixture, whatever their kind."""

    weights: Array
    means: Array
    covariances: Array


class Fitted(NamedTuple):
    """What `gaussian_mixture` found: the mixture, the mean log likelihood of a point, the iterations taken, whether
    they were enough."""

    mixture: Mixture
    log_likelihood: Array
    iterations: Array
    converged: Array


class Moments(NamedTuple):
    """Sums over points, weighted by their responsibilities: 1, x, x xᵀ; and of their log likelihoods."""

    counts: Array
    sums: Array
    products: Array
    log_likelihood: Array


def log_densities(x: Float[Array, "N D"], mixture: Mixture) -> Float[Array, "N K"]:
    """`log(weight_k N(x_n; mean_k, covariance_k))`."""
    d = x.shape[1]
    lower = jnp.linalg.cholesky(mixture.covariances)
    inverse = jax.vmap(lambda a: solve_triangular(a, jnp.eye(d, dtype=x.dtype), lower=True))(lower)

    def component(weight: Array, mean: Array, inverse: Array) -> Array:
        z = (x - mean[None]) @ inverse.T
        log_det = jnp.log(jnp.diagonal(inverse)).sum()
        return jnp.log(weight) + log_det - 0.5 * ((z * z).sum(axis=1) + d * jnp.log(2 * jnp.pi).astype(x.dtype))

    return jax.vmap(component, out_axes=1)(mixture.weights, mixture.means, inverse)


def moments(x: Float[Array, "N D"], mixture: Mixture) -> Moments:
    """The expectation step, block by block of points."""

    def block(rows: Array) -> Moments:
        logs = log_densities(rows, mixture)
        log_p = jax.nn.logsumexp(logs, axis=1)
        r = jnp.exp(logs - log_p[:, None])
        return weighted(rows, r, log_p.sum())

    blocks, left = divmod(len(x), BLOCK)
    total = block(x[len(x) - left :])
    if blocks:
        parts = lax.scan(
            lambda total, i: (jax.tree.map(jnp.add, total, block(lax.dynamic_slice_in_dim(x, i * BLOCK, BLOCK))), None),
            total,
            jnp.arange(blocks),
        )
        total = parts[0]
    return total


def weighted(x: Float[Array, "N D"], r: Float[Array, "N K"], log_likelihood: Array) -> Moments:
    """The moments of points with given responsibilities."""
    products = lax.map(lambda own: (own[:, None] * x).T @ x, r.T)
    return Moments(r.sum(axis=0), r.T @ x, products, log_likelihood)


def maximised(found: Moments, covariance: str, floor: Scalar) -> Mixture:
    """The maximisation step; `floor` is added to the variances."""
    eps = jnp.finfo(found.sums.dtype).eps
    counts = found.counts + 10 * eps
    means = found.sums / counts[:, None]
    full = found.products / counts[:, None, None] - means[:, :, None] * means[:, None, :]
    d, eye = means.shape[1], jnp.eye(means.shape[1], dtype=means.dtype)
    if covariance == "tied":
        one = (counts[:, None, None] * full).sum(axis=0) / counts.sum()
        full = jnp.broadcast_to(one, full.shape)
    elif covariance == "diag":
        full = full * eye[None]
    elif covariance == "spherical":
        full = (jnp.trace(full, axis1=1, axis2=2) / d)[:, None, None] * eye[None]
    return Mixture(counts / counts.sum(), means, full + floor * eye[None])


@refuses_nonfinite
@partial(jax.jit, static_argnames=("covariance", "max_iter"))
def gaussian_mixture(
    x: Float[Array, "N D"],
    responsibilities: Float[Array, "N K"],
    *,
    covariance: str = "full",
    floor: Scalar = 1e-6,
    tol: Scalar = 1e-3,
    max_iter: int = 100,
) -> Fitted:
    """`argmax Σ_n log Σ_k π_k N(x_n; μ_k, Σ_k)`, a local maximum by expectation-maximisation.

    `responsibilities` are where to begin: rows that sum to 1, such as the one-hot labels of `kmeans`. It ends when the
    mean log likelihood changes by less than `tol`. `floor` is added to every variance.

    covariance: `"full"`, `"tied"` (one for all), `"diag"`, or `"spherical"` (one variance a component).
    Cost: `2 N K D²` MACs an iteration.

    Raises:
        TypeError: arrays that are not floating point, or of mixed dtypes.
        ValueError: wrong ranks, other rows in one than in the other, more components than points, an unknown kind;
            NaN or infinity in an argument (under `jit` and `vmap` the result is NaN then).

    Reference: Dempster, Laird and Rubin 1977, "Maximum likelihood from incomplete data via the EM algorithm".

    >>> x = jnp.array([[0.0], [1.0], [10.0], [11.0]])
    >>> found = gaussian_mixture(x, jnp.repeat(jnp.eye(2), 2, axis=0))
    >>> found.mixture.means.round(2).ravel().tolist()
    [0.5, 10.5]
    """
    name = "gaussian_mixture"
    check_float(name, x=x, responsibilities=responsibilities)
    check_rank(name, "x", x, 2, "(N, D)")
    check_rank(name, "responsibilities", responsibilities, 2, "(N, K)")
    check_equal(name, "the rows of responsibilities", len(responsibilities), len(x), x=x)
    check_within(name, "max_iter", max_iter, 1)
    check_choice(name, "covariance", covariance, COVARIANCES)
    if responsibilities.shape[1] > len(x):
        raise ValueError(f"{name}: {responsibilities.shape[1]} components are more than the {len(x)} points")
    shift = x.mean(axis=0, keepdims=True)  # so that covariances are no difference of large numbers
    x = x - shift
    start = maximised(weighted(x, responsibilities, jnp.zeros((), x.dtype)), covariance, floor)

    def unfinished(carry: tuple[Mixture, Array, Array, Array]) -> Array:
        _, _, i, converged = carry
        return ~converged & (i < max_iter)

    def step(carry: tuple[Mixture, Array, Array, Array]) -> tuple[Mixture, Array, Array, Array]:
        mixture, before, i, _ = carry
        found = moments(x, mixture)
        now = found.log_likelihood / len(x)
        return maximised(found, covariance, floor), now, i + 1, jnp.abs(now - before) < tol

    carry = (start, -jnp.asarray(jnp.inf, x.dtype), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.bool_))
    mixture, before, iterations, converged = lax.while_loop(unfinished, step, carry)
    return Fitted(mixture._replace(means=mixture.means + shift), before, iterations, converged)
