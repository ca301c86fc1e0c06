"""Principal components with scikit-learn's interface."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from jaxml.estimators._base import features, in_data_precision, shared
from jaxml.estimators._principal import pca
from jaxml.estimators._scatter import components, scatter, suits
from jaxml.functional._checks import check_within


class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The directions of most variance; see `pca`. Of many float32 rows the covariances are summed in float64.

    n_components: how many are kept; all, `min(N, D)`, by None.
    whiten: divide by the standard deviation along each.

    After `fit`: `components_` (K, D), `mean_`, `explained_variance_`, `explained_variance_ratio_`, `singular_values_`.

    Errors: scikit-learn's, for NaN, infinity, shapes and a call before `fit`; `ValueError` for more components than
    there are rows or columns.

    >>> PCA(1).fit_transform([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]).round(3).ravel().tolist()
    [-2.236, 0.0, 2.236]
    """

    def __init__(self, n_components: int | None = None, *, whiten: bool = False):
        self.n_components = n_components
        self.whiten = whiten

    @in_data_precision
    def fit(self, X: Any, y: Any = None) -> "PCA":
        """Find the components of `X`."""
        x = features(self, X, reset=True, minimum=2)
        kept = min(x.shape) if self.n_components is None else self.n_components
        check_within("PCA", "n_components", kept, 1, min(x.shape))
        if suits(x):
            found = components(scatter(x), rows=len(x), num_components=kept)
        else:
            found = pca(shared(x), num_components=kept)
        self.mean_, self.components_ = np.asarray(found.mean), np.asarray(found.components)
        self.explained_variance_ = np.asarray(found.variances)
        total = np.asarray(found.total)
        self.explained_variance_ratio_ = self.explained_variance_ / np.where(total > 0, total, 1)
        self.singular_values_ = np.sqrt(self.explained_variance_ * (len(x) - 1))
        self.n_components_ = self._n_features_out = kept
        return self

    def transform(self, X: Any) -> np.ndarray:
        """`(X - mean_) components_ᵀ`, (N, K)."""
        return (features(self, X) - self.mean_) @ (self.components_ / self._scale()).T

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The point of the components' plane that `transform` takes to `X`."""
        from sklearn.utils.validation import check_array, check_is_fitted

        check_is_fitted(self)
        return check_array(X) @ (self.components_ * self._scale()) + self.mean_

    def _scale(self) -> np.ndarray:
        """Of each component, (K, 1): its deviation where `whiten`."""
        deviations = np.sqrt(self.explained_variance_)[:, None]
        tiny = np.finfo(deviations.dtype).eps
        return np.where(deviations > tiny, deviations, 1) if self.whiten else np.ones_like(deviations)
