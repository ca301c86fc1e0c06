"""Suite `estimators`: the classical models' `fit` beside scikit-learn's, from the same NumPy arrays."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import _estimators_report
from benchmarks._measure import Candidate, measure
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._types import Suite, Task

OURS, PEER = _estimators_report.OURS, _estimators_report.PEER
GROUPS, COLUMNS = 8, 32
NAMES = (
    "linear regression",
    "ridge",
    "logistic regression",
    "k-means, 10 iterations",
    "mini-batch k-means, one pass",
    "Gaussian mixture, 3 iterations",
    "principal components",
)


class Fit(NamedTuple):
    """How a model is made of jaxml and of scikit-learn for `x`, what it is fitted to beside x, and what both must find:
    a figure of merit where draws, or the order of components, differ."""

    target: str
    ours: Callable[[np.ndarray], Any]
    peer: Callable[[np.ndarray], Any]
    found: Callable[[Any], list[np.ndarray]]


def tasks(settings: Settings) -> list[Task]:
    rows = settings.pick(tiny=200, quick=100_000, full=1_000_000)
    return [(f"{name}, {rows} x {COLUMNS}", partial(_row, name, rows)) for name in NAMES]


def data(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Eight groups of float32 points whose columns have deviations of their own, a linear target, and two classes."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, COLUMNS), np.float32) * np.linspace(0.5, 2, COLUMNS, dtype=np.float32)
    means = 3 * rng.standard_normal((GROUPS, COLUMNS), np.float32)
    x = means[rng.integers(0, GROUPS, rows)] + noise
    y = x @ rng.standard_normal(COLUMNS, np.float32) + rng.standard_normal(rows, np.float32)
    return {"x": x, "y": y, "classes": (y + 4 * rng.standard_normal(rows) > 0).astype(np.int32)}


def fits() -> dict[str, Fit]:
    """By name; iterations are fixed, so that both do the same work."""
    from sklearn import cluster, decomposition, linear_model, mixture

    from jaxml import estimators

    def coefficients(model: Any) -> list[np.ndarray]:
        return [np.append(model.coef_, model.intercept_)]  # of which the intercept is small, and differs by rounding

    def inertia(model: Any) -> list[np.ndarray]:
        return [np.asarray([model.inertia_])]

    lloyd: dict[str, Any] = {"n_clusters": GROUPS, "max_iter": 10, "tol": 0.0}
    batches: dict[str, Any] = {"n_clusters": GROUPS, "batch_size": 10_000, "max_iter": 1, "max_no_improvement": 10**9}
    batches |= {"reassignment_ratio": 0.0, "random_state": 0}
    once: dict[str, Any] = {"n_init": 1}
    mixed: dict[str, Any] = {"n_components": GROUPS // 2, "max_iter": 3, "tol": 0.0, "random_state": 0}
    made = (
        Fit("y", lambda x: estimators.LinearRegression(), lambda x: linear_model.LinearRegression(), coefficients),
        Fit("y", lambda x: estimators.LinearRegression(alpha=10.0), lambda x: linear_model.Ridge(10.0), coefficients),
        Fit(
            "classes",
            lambda x: estimators.LogisticRegression(),
            lambda x: linear_model.LogisticRegression(),
            coefficients,
        ),
        Fit(
            "",
            lambda x: estimators.KMeans(init=x[:GROUPS], **lloyd),
            lambda x: cluster.KMeans(init=x[:GROUPS], **lloyd, **once),
            inertia,
        ),
        Fit(
            "",
            lambda x: estimators.MiniBatchKMeans(init=x[:GROUPS], **batches),
            lambda x: cluster.MiniBatchKMeans(init=x[:GROUPS], **batches, **once),
            inertia,
        ),
        Fit(
            "",
            lambda x: estimators.GaussianMixture(**mixed),
            lambda x: mixture.GaussianMixture(**mixed),
            lambda model: [np.asarray([model.lower_bound_])],
        ),
        Fit(
            "",
            lambda x: estimators.PCA(8),
            lambda x: decomposition.PCA(8),
            lambda model: [model.explained_variance_, np.abs(model.components_)],
        ),
    )
    return dict(zip(NAMES, made, strict=True))


def _row(name: str, rows: int, settings: Settings) -> Row:
    chosen = fits()[name]
    given = data(rows, settings.seed)
    x, y = given["x"], given.get(chosen.target)
    row = Row(f"{name}, {rows} x {COLUMNS}", {"rows": rows, "columns": COLUMNS})

    def candidate(make: Callable[[np.ndarray], Any]) -> Candidate:
        def fit() -> list[np.ndarray]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # iterations are cut off on purpose
                model = make(x)
                model.fit(x) if y is None else model.fit(x, y)
            return chosen.found(model)

        return Candidate(fit, lambda out: [np.asarray(a, np.float64) for a in out])

    start = time.perf_counter()
    candidate(chosen.ours).call()
    row.facts["first_seconds"] = time.perf_counter() - start  # compiling included
    candidates = {OURS: partial(candidate, chosen.ours), PEER: partial(candidate, chosen.peer)}
    few = replace(settings, size="quick") if settings.size == "full" else settings  # each fit takes seconds
    measure(row, "fit", candidates, few, speedups=[(OURS, PEER)], reference=PEER)
    return row


SUITE = Suite(
    "estimators",
    "Classical models beside scikit-learn's",
    tasks,
    _estimators_report.tables,
    _estimators_report.summary,
)
