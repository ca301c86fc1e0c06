"""Mini-batch k-means with scikit-learn's interface."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils import check_random_state

from jaxml.estimators._base import features, in_data_precision, shared, weights
from jaxml.estimators._clustering import KMeans
from jaxml.estimators._kmeans import Clusters, check_points, kmeans_plus_plus
from jaxml.estimators._minibatch import Means, minibatch_kmeans, updated
from jaxml.functional._checks import check_within


class MiniBatchKMeans(KMeans):
    """`KMeans` from random batches, for many rows or for rows that come in parts; see `minibatch_kmeans`.

    init, n_init, random_state: as `KMeans` has them.
    batch_size: the rows of a step.
    max_iter: after how many times the rows of `X` it ends at the latest.
    tol, max_no_improvement, reassignment_ratio: see `minibatch_kmeans`.

    After `fit`: what `KMeans` has, `n_iter_` being passes over the rows, begun ones included, and `n_steps_`, the
    batches. `partial_fit` is one step with the rows it is given; `fit` begins anew.

    Errors: as `KMeans`.

    >>> model = MiniBatchKMeans(2, random_state=0).fit([[0.0], [1.0], [10.0], [11.0]])
    >>> model.labels_.tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int = 1,
        batch_size: int = 1024,
        max_iter: int = 100,
        tol: float = 0.0,
        max_no_improvement: int = 10,
        reassignment_ratio: float = 0.01,
        random_state: Any = None,
    ):
        super().__init__(n_clusters, init=init, n_init=n_init, max_iter=max_iter, tol=tol, random_state=random_state)
        self.batch_size = batch_size
        self.max_no_improvement = max_no_improvement
        self.reassignment_ratio = reassignment_ratio

    @in_data_precision
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "MiniBatchKMeans":
        """Find the centers; `sample_weight` counts each row so often."""
        super().fit(X, y, sample_weight)
        self.n_steps_, rows = self.n_iter_, len(self.labels_)
        self.n_iter_ = -(-self.n_steps_ * min(self.batch_size, rows) // rows)
        # To go on from with `partial_fit`: as if each row had come once.
        self._counts = np.bincount(self.labels_, weights(features(self, X), sample_weight), self.n_clusters)
        return self

    @in_data_precision
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "MiniBatchKMeans":
        """Move each center to the mean of all rows that came to it, those of `X` included; the first call seeds them.

        `labels_` and `inertia_` are those of `X` before the move.
        """
        first = not hasattr(self, "cluster_centers_")
        x = features(self, X, reset=first)
        weight = weights(x, sample_weight)
        if first:
            check_points("MiniBatchKMeans", shared(x), self.n_clusters, "n_clusters")
            start = self._centers(x)
            if start is None:
                seed = check_random_state(self.random_state).randint(2**31 - 1)
                start = kmeans_plus_plus(
                    jax.random.key(seed), jnp.asarray(x), num_clusters=self.n_clusters, weight=weight
                )
            self.cluster_centers_, self._counts = np.asarray(start), np.zeros(self.n_clusters)
            self.n_steps_, self._n_features_out = 0, self.n_clusters
        self.labels_, distances, _ = self._nearest(x)
        self.labels_ = np.asarray(self.labels_)
        self.inertia_ = float((distances if weight is None else distances * weight).sum())
        mean = x.mean(axis=0)  # taken off for rounding
        before = Means(*(jnp.asarray(a, x.dtype) for a in (self.cluster_centers_ - mean, self._counts)))
        after, _ = jax.jit(updated)(jnp.asarray(x - mean), before, weight)
        self.cluster_centers_, self._counts = np.asarray(after.centers) + mean, np.asarray(after.counts)
        self.n_steps_ += 1
        return self

    def _run(self, key: Any, x: Any, start: Any, weight: Any) -> Clusters:
        check_within("MiniBatchKMeans", "reassignment_ratio", self.reassignment_ratio, 0, 1)
        return minibatch_kmeans(
            key,
            x,
            num_clusters=self.n_clusters,
            batch_size=self.batch_size,
            centers=start,
            weight=weight,
            tol=float(self.tol),
            max_no_improvement=self.max_no_improvement,
            reassignment_ratio=float(self.reassignment_ratio),
            max_iter=self.max_iter,
        )
