"""Logistic regression with scikit-learn's interface."""

import math
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.nn import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets

from jaxml.estimators._base import features, features_and_targets, in_data_precision, shared, weights
from jaxml.estimators._logistic import SOLVERS, logistic_regression
from jaxml.functional._checks import check_choice


class LogisticRegression(ClassifierMixin, BaseEstimator):
    """Classes by `softmax(x w + b)`, or `sigmoid` for two, fitted by penalised likelihood.

    C: the inverse of the L2 penalty, as in scikit-learn; `math.inf` for none.
    solver: `"newton"` or `"lbfgs"`; see `logistic_regression`.

    After `fit`: `classes_`, `coef_` (K, D), `intercept_` (K,), one row for two classes; `n_iter_`.

    Errors: scikit-learn's, for NaN, infinity, shapes, targets that are not classes, and a call before `fit`;
    `ValueError` for one class only, a `C` that is not positive or an unknown solver. A warning (`ConvergenceWarning`)
    where `max_iter` steps were too few.

    >>> model = LogisticRegression().fit([[-2.0], [-1.0], [1.0], [2.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[-3.0], [3.0]]).tolist()
    ['no', 'yes']
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "newton",
        tol: float = 1e-8,
        max_iter: int = 100,
    ):
        self.C = C
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter

    @in_data_precision
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LogisticRegression":
        """Find `coef_` and `intercept_`; `sample_weight` counts each row so often."""
        name = "LogisticRegression"
        check_choice(name, "solver", self.solver, SOLVERS)
        if not self.C > 0:
            raise ValueError(f"{name}: C must be above 0, got {self.C}")
        x, y = features_and_targets(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        weight = weights(x, sample_weight)
        counted = np.unique(labels if weight is None else labels[weight > 0])
        if len(counted) < 2:
            raise ValueError(
                f"{name}: y must hold at least two classes, it holds one class, {self.classes_[counted].tolist()}, "
                f"in the rows that count; are they sorted by class and cut?"
            )
        w, b, steps = logistic_regression(
            shared(x),
            jnp.asarray(labels),
            num_classes=len(self.classes_),
            l2=0.0 if math.isinf(self.C) else 1.0 / self.C,
            fit_intercept=self.fit_intercept,
            sample_weight=weight,
            solver=self.solver,
            tol=float(self.tol),
            max_iter=self.max_iter,
        )
        self.coef_, self.intercept_, self.n_iter_ = np.asarray(w.T), np.asarray(b), int(steps)
        if self.n_iter_ >= self.max_iter:
            warnings.warn(
                f"{name}: {self.solver} did not converge in max_iter={self.max_iter} steps; scale the columns of X, "
                f"or raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits: (N,) of class 1 for two classes, (N, K) for more."""
        logits = features(self, X) @ self.coef_.T + self.intercept_
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row."""
        logits = self.decision_function(X)
        return self.classes_[(logits > 0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)]

    @in_data_precision
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of `predict_proba`, exact where that is 0."""
        logits = self.decision_function(X)
        if logits.ndim == 1:
            logits = np.stack([np.zeros_like(logits), logits], axis=1)
        return np.asarray(log_softmax(jnp.asarray(logits)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))
