"""k-means from small random batches: each center is the running mean of the points that came to it."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.estimators._base import Scalar, refuses_nonfinite
from jaxml.estimators._kmeans import Clusters, assign, check_points, kmeans_plus_plus
from jaxml.functional._checks import check_equal, check_within


class Means(NamedTuple):
    """Centers (K, D) and how much weight each has had."""

    centers: Array
    counts: Array


class _Progress(NamedTuple):
    means: Means
    step: Array
    since: Array  # points drawn since idle centers were last looked for
    average: Array  # of the batches' inertia a point, the older ones weighing less
    best: Array
    unimproved: Array
    done: Array


def updated(
    x: Float[Array, "N D"], means: Means, weight: Float[Array, " N"] | None = None
) -> tuple[Means, Float[Array, " N"]]:
    """`c_k ← (v_k c_k + Σ x) / (v_k + n_k)` with the n_k points of `x` nearest to c_k, and their squared distances.

    Sculley's step of 1 / v_k for each point in turn comes to the same.
    """
    none = jnp.zeros((1, x.shape[1]), x.dtype)
    found = assign(x, none, means.centers, weight)
    counts = means.counts + found.counts
    moved = (means.counts[:, None] * means.centers + found.sums) / jnp.where(counts > 0, counts, 1)[:, None]
    return Means(jnp.where(counts[:, None] > 0, moved, means.centers), counts), found.distances(x, none)


@refuses_nonfinite
@partial(jax.jit, static_argnames=("num_clusters", "batch_size", "max_no_improvement", "max_iter"))
def minibatch_kmeans(
    key: Array,
    x: Float[Array, "N D"],
    *,
    num_clusters: int,
    batch_size: int = 1024,
    centers: Float[Array, "K D"] | None = None,
    weight: Float[Array, " N"] | None = None,
    tol: Scalar = 0.0,
    max_no_improvement: int = 10,
    reassignment_ratio: Scalar = 0.01,
    max_iter: int = 100,
) -> Clusters:
    """What `kmeans` minimises, nearly, from random batches: a step costs the same however many points there are.

    Each batch goes to its nearest centers, and each center becomes the mean of all points that ever came to it. It ends
    after `max_iter` times N points, when the running average of the batches' inertia has not fallen for
    `max_no_improvement` batches, or when the centers' squared move is at most `tol` times the mean variance of the
    columns, if that is above 0. A center with less than `reassignment_ratio` times the weight of the heaviest goes to
    a random point. `centers` are where to begin; k-means++ on `max(3 batch_size, 3 K)` points where not given. The
    result's `iterations` are batches.

    Cost: `batch_size K D` MACs a batch, and `N K D` once for the labels.

    Raises:
        TypeError: `x` that is not floating point.
        ValueError: more clusters than points, or fewer than 1; `centers` of another shape; a count below 1;
            NaN or infinity in an argument (under `jit` and `vmap` the result is NaN then).

    Reference: Sculley 2010, "Web-scale k-means clustering"; when to end and what is reassigned are scikit-learn's.

    >>> x = jnp.array([[0.0], [1.0], [10.0], [11.0]])
    >>> labels = minibatch_kmeans(jax.random.key(0), x, num_clusters=2, batch_size=4).labels.tolist()
    >>> labels in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """
    name = "minibatch_kmeans"
    check_points(name, x, num_clusters)
    check_within(name, "batch_size", batch_size, 1)
    check_within(name, "max_no_improvement", max_no_improvement, 1)
    check_within(name, "max_iter", max_iter, 1)
    (n, d), k = x.shape, num_clusters
    size = min(batch_size, n)
    mean = x.mean(axis=0, keepdims=True)  # taken off for rounding, as in `kmeans`
    enough = tol * x.var(axis=0).mean()
    x = x - mean
    seed_key, draw_key = jax.random.split(key)
    if centers is None:
        points, own = _sample(seed_key, x, weight, max(3 * batch_size, 3 * k))
        first = kmeans_plus_plus(seed_key, points, num_clusters=k, weight=own)
    else:
        check_equal(name, "the shape of centers", tuple(centers.shape), (k, d), x=x)
        first = centers - mean
    steps = max(max_iter * n // size, 1)
    newest = jnp.asarray(min(1.0, 2 * size / (n + 1)), x.dtype)

    def step(s: _Progress) -> _Progress:
        rows_key, move_key = jax.random.split(jax.random.fold_in(draw_key, s.step))
        rows = jax.random.randint(rows_key, (size,), 0, n)
        own = None if weight is None else weight[rows]
        means, distances = updated(x[rows], s.means, own)
        total = jnp.asarray(size, x.dtype) if own is None else jnp.maximum(own.sum(), jnp.finfo(x.dtype).tiny)
        inertia = (distances if own is None else distances * own).sum() / total
        # The first batch is passed over: its inertia is that of the seeds.
        average = jnp.where(s.step <= 1, inertia, s.average + newest * (inertia - s.average))
        better = average < s.best
        unimproved = jnp.where(better, 0, s.unimproved + 1)
        still = (tol > 0) & (((means.centers - s.means.centers) ** 2).sum() <= enough)
        done = (s.step > 0) & (still | (unimproved >= max_no_improvement))
        since = s.since + size
        due = (since >= 10 * k) | (means.counts == 0).any()
        means = lax.cond(due, lambda: _reassigned(move_key, x, means, reassignment_ratio), lambda: means)
        best = jnp.where(s.step == 0, s.best, jnp.minimum(average, s.best))
        return _Progress(means, s.step + 1, jnp.where(due, 0, since), average, best, unimproved, done)

    zero, infinite = jnp.zeros((), jnp.int32), jnp.asarray(jnp.inf, x.dtype)
    start = _Progress(Means(first, jnp.zeros(k, x.dtype)), zero, zero, infinite, infinite, zero, zero > 0)
    last = lax.while_loop(lambda s: ~s.done & (s.step < steps), step, start)
    none = jnp.zeros((1, d), x.dtype)
    found = assign(x, none, last.means.centers, weight)
    distances = found.distances(x, none)
    inertia = (distances if weight is None else distances * weight).sum()
    return Clusters(last.means.centers + mean, found.labels, inertia, last.step)


def _sample(key: Array, x: Array, weight: Array | None, count: int) -> tuple[Array, Array | None]:
    """So many random points, or all where there are no more."""
    if count >= len(x):
        return x, weight
    rows = jax.random.randint(jax.random.fold_in(key, 1), (count,), 0, len(x))
    return x[rows], None if weight is None else weight[rows]


def _reassigned(key: Array, x: Array, means: Means, ratio: Scalar) -> Means:
    """Idle centers at random points, with the least weight that another center has."""
    idle = means.counts < ratio * means.counts.max()
    points = x[jax.random.randint(key, means.counts.shape, 0, len(x))]
    least = jnp.where(idle, jnp.inf, means.counts).min()
    return Means(jnp.where(idle[:, None], points, means.centers), jnp.where(idle, least, means.counts))
