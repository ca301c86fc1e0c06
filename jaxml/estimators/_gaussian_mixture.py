"""Mixtures of Gaussians with scikit-learn's interface."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from jaxml.estimators._base import features, in_data_precision, shared
from jaxml.estimators._kmeans import check_points, kmeans
from jaxml.estimators._mixture import Mixture, gaussian_mixture, log_densities
from jaxml.functional._checks import check_above, check_within


class GaussianMixture(DensityMixin, BaseEstimator):
    """A density of `n_components` Gaussians, and groups by the likeliest of them; see `gaussian_mixture`.

    covariance_type: `"full"`, `"tied"`, `"diag"` or `"spherical"`.
    reg_covar: added to every variance.
    n_init: so many runs, each from the clusters of a `kmeans` of its own, of which the likeliest is kept.

    After `fit`: `weights_` (K,), `means_` (K, D), `covariances_` (K, D, D) of every kind, `lower_bound_` (the mean log
    likelihood), `converged_`, `n_iter_`.

    Errors: scikit-learn's, for NaN, infinity, shapes and a call before `fit`; `ValueError` for more components than
    rows, or for a component whose covariance has no inverse. A warning (`ConvergenceWarning`) where `max_iter`
    iterations were too few.

    >>> model = GaussianMixture(2, random_state=0).fit([[0.0], [1.0], [10.0], [11.0]])
    >>> sorted(model.means_.round(2).ravel().tolist())
    [0.5, 10.5]
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state

    @in_data_precision
    def fit(self, X: Any, y: Any = None) -> "GaussianMixture":
        """Find the components."""
        name, k = "GaussianMixture", self.n_components
        check_within(name, "n_init", self.n_init, 1)
        check_above(name, "reg_covar", self.reg_covar, 0.0)
        x = shared(features(self, X, reset=True, minimum=2))
        check_points(name, x, k, "n_components")
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        options = {"covariance": self.covariance_type, "floor": float(self.reg_covar), "tol": float(self.tol)}
        best = None
        for i in range(self.n_init):
            labels = kmeans(jax.random.fold_in(jax.random.key(seed), i), x, num_clusters=k).labels
            found = gaussian_mixture(x, jax.nn.one_hot(labels, k, dtype=x.dtype), max_iter=self.max_iter, **options)
            if best is None or found.log_likelihood > best.log_likelihood:
                best = found
        assert best is not None
        if not np.isfinite(best.log_likelihood):
            raise ValueError(
                f"{name}: a component's covariance has no inverse; take fewer components or a larger reg_covar "
                f"(it is {self.reg_covar}), or scale the columns of X"
            )
        self.weights_, self.means_, self.covariances_ = (np.asarray(a) for a in best.mixture)
        self.lower_bound_, self.n_iter_ = float(best.log_likelihood), int(best.iterations)
        self.converged_ = bool(best.converged)
        if not self.converged_:
            warnings.warn(
                f"{name}: not converged in max_iter={self.max_iter} iterations; raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    @in_data_precision
    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each component for each row, (N, K)."""
        return np.asarray(jax.nn.softmax(self._log_densities(X), axis=1))

    @in_data_precision
    def predict(self, X: Any) -> np.ndarray:
        """The likeliest component of each row."""
        return np.asarray(self._log_densities(X).argmax(axis=1))

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """`fit(X).predict(X)`."""
        return self.fit(X).predict(X)

    @in_data_precision
    def score_samples(self, X: Any) -> np.ndarray:
        """The logarithm of the density at each row."""
        return np.asarray(jax.nn.logsumexp(self._log_densities(X), axis=1))

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`."""
        return float(self.score_samples(X).mean())

    def _log_densities(self, X: Any) -> Any:
        x = shared(features(self, X))
        mixture = Mixture(*(jnp.asarray(a, x.dtype) for a in (self.weights_, self.means_, self.covariances_)))
        return jax.jit(log_densities)(x, mixture)
