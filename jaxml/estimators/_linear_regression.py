"""Linear regression with scikit-learn's interface."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning

from jaxml.estimators._base import features, features_and_targets, in_data_precision, shared, weights
from jaxml.estimators._least_squares import gradient_descent, least_squares
from jaxml.estimators._scatter import regression, scatter, suits
from jaxml.functional._checks import check_choice, check_within


class LinearRegression(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """`y = x w + b` with the least squared error, plus `alpha ‖w‖²`: ordinary least squares, or ridge regression.

    alpha: the penalty, as in scikit-learn's `Ridge`; 0 for none.
    solver: `"qr"`, the closed form by orthogonal factors, of many float32 rows by their products in float64; or
        `"gradient_descent"`, with `learning_rate` (None for the largest that descends everywhere), `tol` and
        `max_iter`; see `least_squares` and `gradient_descent`.

    After `fit`: `coef_` (D,) or (T, D), `intercept_`, and `n_iter_`, the steps taken.

    Errors: scikit-learn's, for NaN, infinity, shapes and a call before `fit`; `ValueError` for a negative `alpha` or an
    unknown solver. A warning (`ConvergenceWarning`) where `max_iter` steps were too few.

    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.predict([[3.0]]).round(4).tolist()
    [7.0]
    """

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        solver: str = "qr",
        learning_rate: float | None = None,
        tol: float = 1e-8,
        max_iter: int = 10_000,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.learning_rate = learning_rate
        self.tol = tol
        self.max_iter = max_iter

    @in_data_precision
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearRegression":
        """Find `coef_` and `intercept_`; `sample_weight` counts each row so often."""
        name = "LinearRegression"
        check_choice(name, "solver", self.solver, ("qr", "gradient_descent"))
        check_within(name, "alpha", self.alpha, 0.0)
        x, y = features_and_targets(self, X, y, multi_output=True, y_numeric=True)
        targets = y.reshape(len(y), -1).astype(x.dtype, copy=False)
        weight = weights(x, sample_weight)
        options = {"l2": float(self.alpha), "fit_intercept": self.fit_intercept, "sample_weight": weight}
        if self.solver == "qr" and suits(x):
            sums = scatter(x, targets, weight=weight, centered=self.fit_intercept)
            w, b, singular = regression(sums, columns=x.shape[1], rows=len(x), l2=float(self.alpha))
            self.singular_, self.n_iter_ = np.asarray(singular), 1
        elif self.solver == "qr":
            w, b, singular = least_squares(shared(x), jnp.asarray(targets), **options)
            self.singular_, self.n_iter_ = np.asarray(singular), 1
        else:
            further = {"learning_rate": self.learning_rate, "tol": float(self.tol), "max_iter": self.max_iter}
            w, b, steps = gradient_descent(shared(x), jnp.asarray(targets), **options, **further)
            self.n_iter_ = int(steps)
            self._warn(np.asarray(w))
        flat = y.ndim == 1
        self.coef_ = np.asarray(w[:, 0] if flat else w.T)
        self.intercept_ = (np.asarray(b)[0] if flat else np.asarray(b)) if self.fit_intercept else 0.0
        return self

    def predict(self, X: Any) -> np.ndarray:
        """`X coef_ᵀ + intercept_`."""
        x = features(self, X)
        return x @ self.coef_.T + self.intercept_

    def _warn(self, w: np.ndarray) -> None:
        if not np.isfinite(w).all():
            raise ValueError(
                f"LinearRegression: gradient descent diverged at learning_rate={self.learning_rate}; take a smaller "
                f"one, or None, or scale the columns of X"
            )
        if self.n_iter_ >= self.max_iter:
            warnings.warn(
                f"LinearRegression: gradient descent did not converge in max_iter={self.max_iter} steps; scale the "
                f"columns of X, or raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=4,
            )
