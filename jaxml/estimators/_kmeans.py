"""k-means: Lloyd's iterations from k-means++ seeds, block by block of points."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.estimators._base import Scalar, refuses_nonfinite
from jaxml.functional._checks import check_equal, check_float, check_rank, check_within

# Points whose scores of the centers are held at a time, a row for each center: a table that stays in the cache. Rows of
# 4096 bytes, or a multiple, would lie at the same place in it, and take twice the time.
BLOCK = 2000


class Clusters(NamedTuple):
    """What `kmeans` found: centers (K, D), labels (N,), the summed squared distance, the iterations taken."""

    centers: Array
    labels: Array
    inertia: Array
    iterations: Array


class Assignment(NamedTuple):
    """Points at the nearest of some centers, with the sums that the next centers need.

    scores: `‖c‖²/2 - c·(x - mean)`, of which `distances` makes the squared distance.
    """

    labels: Array
    scores: Array
    sums: Array
    counts: Array

    def distances(self, x: Array, mean: Array) -> Array:
        """Of each point from its center, squared, (N,)."""
        own = x - mean
        return jnp.maximum(2 * self.scores + (own * own).sum(axis=1), 0)


def assign(
    x: Float[Array, "N D"],
    mean: Float[Array, "1 D"],
    centers: Float[Array, "K D"],
    weight: Float[Array, " N"] | None = None,
) -> Assignment:
    """The nearest of the centers to each `x - mean`, and each center's sum and count, of these differences.

    Of centers at the same distance it is the first. The mean is taken off for rounding.
    """
    n, k = len(x), len(centers)
    numbers = jnp.arange(k, dtype=jnp.int32)[:, None]
    halves = (centers * centers).sum(axis=1, keepdims=True) / 2

    def block(start: Array | int, count: int) -> Assignment:
        rows = lax.dynamic_slice_in_dim(x, start, count) - mean
        scores = halves - centers @ rows.T
        least = scores.min(axis=0)
        # As two minima, which XLA's CPU backend vectorizes; its argmin it does not.
        labels = jnp.where(scores == least[None], numbers, k - 1).min(axis=0)
        members = (labels[None] == numbers).astype(x.dtype)
        if weight is not None:
            members = members * lax.dynamic_slice_in_dim(weight, start, count)[None]
        return Assignment(labels, least, members @ rows, members.sum(axis=1))

    blocks, left = divmod(n, BLOCK)
    if blocks == 0:
        return block(0, n)

    def step(sums: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        found = block(i * BLOCK, BLOCK)
        return (sums[0] + found.sums, sums[1] + found.counts), (found.labels, found.scores)

    start = jnp.zeros_like(centers), jnp.zeros(k, x.dtype)
    (sums, counts), (labels, scores) = lax.scan(step, start, jnp.arange(blocks))
    rest = block(n - left, left)
    return Assignment(
        jnp.concatenate([labels.ravel(), rest.labels]),
        jnp.concatenate([scores.ravel(), rest.scores]),
        sums + rest.sums,
        counts + rest.counts,
    )


@refuses_nonfinite
@partial(jax.jit, static_argnames="num_clusters")
def kmeans_plus_plus(
    key: Array, x: Float[Array, "N D"], *, num_clusters: int, weight: Float[Array, " N"] | None = None
) -> Float[Array, "K D"]:
    """Seeds for `kmeans`: points drawn one by one, with a chance in proportion to the squared distance to the nearest.

    Of `2 + ⌊log K⌋` draws each time the one that leaves the least total is taken, as in scikit-learn.

    Raises:
        TypeError: `x` that is not floating point.
        ValueError: more clusters than points, or fewer than 1; NaN or infinity in an argument (under `jit` and `vmap`
            the result is NaN then).

    Reference: Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding", with its greedy variant.
    """
    check_points("kmeans_plus_plus", x, num_clusters)
    n, d = x.shape
    trials = 2 + int(math.log(num_clusters))
    weight = jnp.ones(n, x.dtype) if weight is None else weight
    squares = (x * x).sum(axis=1)

    def draw(key: Array, chances: Array, count: int) -> Array:
        ends = jnp.cumsum(chances)
        at = jax.random.uniform(key, (count,), x.dtype) * ends[-1]
        return jnp.clip(jnp.searchsorted(ends, at, side="right"), 0, n - 1)

    def distances(chosen: Array) -> Array:
        c = x[chosen]
        return jnp.maximum(squares[None] - 2 * (c @ x.T) + (c * c).sum(axis=1)[:, None], 0)

    first_key, key = jax.random.split(key)
    first = draw(first_key, weight, 1)
    nearest = distances(first)[0]
    centers = jnp.zeros((num_clusters, d), x.dtype).at[0].set(x[first[0]])

    def step(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        centers, nearest = carry
        chosen = draw(jax.random.fold_in(key, i), weight * nearest, trials)
        reached = jnp.minimum(distances(chosen), nearest[None])
        best = (reached @ weight).argmin()
        return centers.at[i].set(x[chosen[best]]), reached[best]

    centers = lax.fori_loop(1, num_clusters, step, (centers, nearest))[0]
    return jnp.where(jnp.isfinite(squares.sum()), centers, jnp.nan)  # no chance is known beside NaN


@refuses_nonfinite
@partial(jax.jit, static_argnames=("num_clusters", "max_iter"))
def kmeans(
    key: Array,
    x: Float[Array, "N D"],
    *,
    num_clusters: int,
    centers: Float[Array, "K D"] | None = None,
    weight: Float[Array, " N"] | None = None,
    tol: Scalar = 1e-4,
    max_iter: int = 300,
) -> Clusters:
    """`argmin_c Σ_n w_n min_k ‖x_n - c_k‖²`, a local minimum by Lloyd's iterations.

    Each point goes to the nearest center, each center to the mean of its points, until no label changes or the centers'
    squared move is at most `tol` times the mean variance of the columns. A center without points goes to the point
    farthest from its own. `centers` are where to begin; k-means++ with `key` where not given.

    Cost: `2 N K D` MACs an iteration.

    Raises:
        TypeError: `x` that is not floating point.
        ValueError: more clusters than points, or fewer than 1; `centers` of another shape;
            NaN or infinity in an argument (under `jit` and `vmap` the result is NaN then).

    Reference: Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007.

    >>> x = jnp.array([[0.0], [1.0], [10.0], [11.0]])
    >>> sorted(kmeans(jax.random.key(0), x, num_clusters=2).centers.ravel().tolist())
    [0.5, 10.5]
    """
    check_points("kmeans", x, num_clusters)
    check_within("kmeans", "max_iter", max_iter, 1)
    mean = x.mean(axis=0, keepdims=True)
    enough = tol * x.var(axis=0).mean()
    if centers is None:
        first = kmeans_plus_plus(key, x - mean, num_clusters=num_clusters, weight=weight)
    else:
        check_equal("kmeans", "the shape of centers", tuple(centers.shape), (num_clusters, x.shape[1]), x=x)
        first = centers - mean

    def unfinished(carry: tuple[Array, Assignment, Array, Array]) -> Array:
        return carry[3] & (carry[2] < max_iter)

    def step(carry: tuple[Array, Assignment, Array, Array]) -> tuple[Array, Assignment, Array, Array]:
        centers, found, i, _ = carry
        sums, counts = lax.cond(
            (found.counts == 0).any(), lambda: _filled(x, mean, weight, found), lambda: (found.sums, found.counts)
        )
        moved = jnp.where(counts[:, None] > 0, sums / jnp.where(counts > 0, counts, 1)[:, None], centers)
        new = assign(x, mean, moved, weight)
        same = (new.labels == found.labels).all()
        far = ((moved - centers) ** 2).sum() > enough
        return moved, new, i + 1, far & ~same

    start = (first, assign(x, mean, first, weight), jnp.zeros((), jnp.int32), jnp.ones((), jnp.bool_))
    last, found, iterations, _ = lax.while_loop(unfinished, step, start)
    distances = found.distances(x, mean)
    inertia = (distances if weight is None else distances * weight).sum()
    return Clusters(last + mean, found.labels, inertia, iterations)


def _filled(x: Array, mean: Array, weight: Array | None, found: Assignment) -> tuple[Array, Array]:
    """Sums and counts with one point for each empty center: the farthest from their own, which give them up."""
    k = len(found.counts)
    empty = found.counts == 0
    distances = found.distances(x, mean)
    far = lax.top_k(distances if weight is None else jnp.where(weight > 0, distances, -1), k)[1]
    # The i-th empty center takes the i-th farthest point.
    point = far[jnp.clip(jnp.cumsum(empty) - 1, 0, k - 1)]
    rows, w = x[point] - mean, jnp.ones(k, x.dtype) if weight is None else weight[point]
    w = jnp.where(empty, w, 0)
    sums = found.sums.at[found.labels[point]].add(-w[:, None] * rows) + w[:, None] * rows
    counts = found.counts.at[found.labels[point]].add(-w) + w
    return sums, counts


def check_points(function: str, x: Array, k: int, name: str = "num_clusters") -> None:
    """`x` is a matrix of floating-point rows, of which there are `k` at least; `name` is what `k` is called there."""
    check_float(function, x=x)
    check_rank(function, "x", x, 2, "(N, D)")
    check_within(function, name, k, 1)
    if k > len(x):
        raise ValueError(f"{function}: {name}={k} is more than the {len(x)} points; take fewer")
