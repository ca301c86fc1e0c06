"""k-means with scikit-learn's interface."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state

from jaxml.estimators._base import features, in_data_precision, shared, weights
from jaxml.estimators._kmeans import Clusters, assign, check_points, kmeans
from jaxml.functional._checks import check_choice, check_within


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Groups of points around their means; see `kmeans`.

    init: `"k-means++"`, or the centers to begin with, `(n_clusters, D)`.
    n_init: so many runs from different seeds, of which the one of least inertia is kept.
    random_state: a number, a NumPy generator's state, or None for other seeds each time.

    After `fit`: `cluster_centers_` (K, D), `labels_` (N,), `inertia_` (the summed squared distance), `n_iter_`.

    Errors: scikit-learn's, for NaN, infinity, shapes and a call before `fit`; `ValueError` for more clusters than rows.

    >>> model = KMeans(2, random_state=0).fit([[0.0], [1.0], [10.0], [11.0]])
    >>> model.inertia_
    1.0
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: Any = None,
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @in_data_precision
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KMeans":
        """Find the centers; `sample_weight` counts each row so often."""
        check_within(type(self).__name__, "n_init", self.n_init, 1)
        x = features(self, X, reset=True)
        given = shared(x)
        check_points(type(self).__name__, given, self.n_clusters, "n_clusters")
        weight = weights(x, sample_weight)
        start = self._centers(x)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        found = None
        for i in range(self.n_init if start is None else 1):
            key = jax.random.fold_in(jax.random.key(seed), i)
            run = self._run(key, given, start, weight)
            if found is None or run.inertia < found.inertia:
                found = run
        assert found is not None
        self.cluster_centers_, self.labels_ = np.asarray(found.centers), np.asarray(found.labels)
        self.inertia_, self.n_iter_ = float(found.inertia), int(found.iterations)
        self._n_features_out = self.n_clusters
        return self

    @in_data_precision
    def predict(self, X: Any) -> np.ndarray:
        """The number of the nearest center of each row."""
        return np.asarray(self._nearest(X)[0])

    @in_data_precision
    def transform(self, X: Any) -> np.ndarray:
        """The distance of each row to each center, (N, K)."""
        x = features(self, X)
        differences = x[:, None, :] - self.cluster_centers_.astype(x.dtype)
        return np.sqrt((differences * differences).sum(axis=2))

    @in_data_precision
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Less the inertia of `X`."""
        _, distances, x = self._nearest(X)
        weight = weights(x, sample_weight)
        return -float((distances if weight is None else distances * weight).sum())

    def _run(self, key: Any, x: Any, start: Any, weight: Any) -> Clusters:
        """One run from its own seeds."""
        options = {"num_clusters": self.n_clusters, "tol": float(self.tol), "max_iter": self.max_iter}
        return kmeans(key, x, centers=start, weight=weight, **options)

    def _nearest(self, X: Any) -> tuple[Any, Any, np.ndarray]:
        x = features(self, X)
        mean, given = x.mean(axis=0, keepdims=True), shared(x)
        found = jax.jit(assign)(given, mean, self.cluster_centers_.astype(x.dtype) - mean)
        return found.labels, found.distances(given, jnp.asarray(mean)), x

    def _centers(self, x: np.ndarray) -> Any:
        if isinstance(self.init, str):
            check_choice(type(self).__name__, "init", self.init, ("k-means++",))
            return None
        centers = np.asarray(self.init, x.dtype)
        if not np.isfinite(centers).all():
            raise ValueError(f"{type(self).__name__}: init holds NaN or infinity")
        return jnp.asarray(centers)
