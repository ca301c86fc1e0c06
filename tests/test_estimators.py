"""The classical models against scikit-learn: its own estimator checks, the same numbers on real data, clear errors."""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import cluster, datasets, decomposition, linear_model, mixture, preprocessing
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from jaxml import estimators

pytestmark = pytest.mark.loose_promotion  # optax's L-BFGS

# What scikit-learn's own k-means fails as well: a weight of 2 is not the same draw as a point twice.
DRAWS = {"check_sample_weight_equivalence_on_dense_data": "random draws differ from those for repeated rows"}
# It passes types that the run-time checker of these tests refuses; users have no such checker.
TYPED = {"check_do_not_raise_errors_in_init_or_set_params": "types are checked in tests"}
ESTIMATORS = {
    "least squares": (estimators.LinearRegression(), {}),
    "ridge, gradient descent": (
        estimators.LinearRegression(alpha=1.0, solver="gradient_descent", max_iter=300),
        {},
    ),
    "logistic, newton": (estimators.LogisticRegression(), {}),
    "logistic, lbfgs": (estimators.LogisticRegression(solver="lbfgs"), {}),
    "k-means": (estimators.KMeans(), DRAWS),
    "mini-batch k-means": (estimators.MiniBatchKMeans(), DRAWS),
    "mixture": (estimators.GaussianMixture(), {}),
    "components": (estimators.PCA(), {}),
    "autoencoder": (estimators.Autoencoder(max_iter=2), {}),
    "variational autoencoder": (estimators.VariationalAutoencoder(max_iter=2), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::UserWarning")
def test_scikit_learns_own_checks(name: str):
    estimator, expected = ESTIMATORS[name]
    results = check_estimator(estimator, expected_failed_checks={**TYPED, **expected}, on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    # All others ran and passed; those that are passed over are scikit-learn's, for its own optional packages.
    missed = {r["check_name"] for r in results if r["status"] == "xfail"}
    assert missed == {*TYPED, *expected}
    assert sum(r["status"] == "passed" for r in results) >= len(results) - len(missed) - 3


def scaled(name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return preprocessing.StandardScaler().fit_transform(x), y


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_linear_regression_is_scikit_learns(alpha: float, fit_intercept: bool):
    x, y = scaled("diabetes")
    weight = np.random.default_rng(0).uniform(size=len(x))
    peer = linear_model.Ridge(alpha, fit_intercept=fit_intercept) if alpha else None
    peer = peer or linear_model.LinearRegression(fit_intercept=fit_intercept)
    peer.fit(x, y, weight)
    for options in ({}, {"solver": "gradient_descent", "tol": 1e-10, "max_iter": 20_000}):
        ours = estimators.LinearRegression(alpha=alpha, fit_intercept=fit_intercept, **options).fit(x, y, weight)
        np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-5)
        np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-9)
        assert abs(ours.score(x, y) - peer.score(x, y)) < 1e-9
    ours = estimators.LinearRegression(alpha=alpha, fit_intercept=fit_intercept, solver="gradient_descent")
    far = np.abs(ours.fit(x, y, weight).coef_ - peer.coef_).max()
    assert far < 1e-5 * np.abs(peer.coef_).max()
    single = ours.fit(x.astype(np.float32), y, weight)  # arrives, where `tol` is below the rounding of the gradient
    assert single.n_iter_ < 6000 and np.abs(single.coef_ - peer.coef_).max() < 1e-3 * np.abs(peer.coef_).max()


def test_collinear_and_constant_columns_have_the_least_norm():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3))
    x = np.concatenate([x, x[:, :1] - x[:, 1:2], np.full((50, 1), 3.0)], axis=1)
    y = rng.normal(size=(50, 2))
    ours = estimators.LinearRegression().fit(x, y)
    np.testing.assert_allclose(ours.coef_, linear_model.LinearRegression().fit(x, y).coef_, atol=1e-10)
    assert np.abs(ours.coef_[:, -1]).max() < 1e-12
    wide = rng.normal(size=(4, 9))
    np.testing.assert_allclose(
        estimators.LinearRegression().fit(wide, y[:4]).coef_,
        linear_model.LinearRegression().fit(wide, y[:4]).coef_,
        atol=1e-10,
    )


def test_many_rows_are_factored_in_blocks():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(10_001, 3)) + 100.0
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=len(x))
    ours, peer = estimators.LinearRegression().fit(x, y), linear_model.LinearRegression().fit(x, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-9)
    single = estimators.LinearRegression().fit(x.astype(np.float32), y.astype(np.float32))
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, peer.coef_, rtol=1e-4)


def test_many_rows_in_float32_drop_no_direction():
    """Of columns whose deviations are as 1 to 0.02: were n eps the limit, the second would count as rounding."""
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(300_000, 2)) * [1.0, 0.02]).astype(np.float32)
    single = estimators.LinearRegression().fit(x, (x @ np.float32([2.0, 10.0]) + 0.5).astype(np.float32))
    np.testing.assert_allclose(single.coef_, [2.0, 10.0], rtol=1e-3)
    np.testing.assert_allclose(single.intercept_, 0.5, atol=1e-3)
    w, b, _ = estimators.least_squares(jnp.asarray(x), jnp.asarray(x @ np.float32([[2.0], [10.0]]) + np.float32(0.5)))
    np.testing.assert_allclose(w[:, 0], [2.0, 10.0], rtol=1e-3)
    np.testing.assert_allclose(b, [0.5], atol=1e-3)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_many_rows_of_float32_are_as_exact_as_their_numbers(fit_intercept: bool):
    """At a condition of 1,000, beside scikit-learn on the same numbers in float64: to float32's last digits."""
    rng = np.random.default_rng(5)
    left, right = np.linalg.qr(rng.normal(size=(17_001, 4)))[0], np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x = (130 * left * np.geomspace(1, 1e-3, 4) @ right + 3.0 * fit_intercept).astype(np.float32)
    y, weight = (
        (x @ rng.normal(size=(4, 2)) + rng.normal(size=(len(x), 2))).astype(np.float32),
        rng.uniform(size=len(x)),
    )
    for alpha, peer in ((0.0, linear_model.LinearRegression()), (0.5, linear_model.Ridge(0.5, solver="svd"))):
        peer.set_params(fit_intercept=fit_intercept).fit(x.astype(np.float64), y.astype(np.float64), weight)
        ours = estimators.LinearRegression(alpha=alpha, fit_intercept=fit_intercept).fit(x, y, weight)
        assert ours.coef_.dtype == ours.singular_.dtype == np.float32
        np.testing.assert_allclose(ours.coef_, peer.coef_, atol=3e-7 * np.abs(peer.coef_).max())
        np.testing.assert_allclose(ours.intercept_, peer.intercept_, atol=1e-5 * np.abs(peer.coef_).max())
    if not fit_intercept:
        return
    peer, ours = decomposition.PCA(3).fit(x.astype(np.float64)), estimators.PCA(3).fit(x)
    assert ours.mean_.dtype == ours.components_.dtype == np.float32
    np.testing.assert_allclose(ours.singular_values_, peer.singular_values_, rtol=1e-6)
    np.testing.assert_allclose(ours.explained_variance_ratio_, peer.explained_variance_ratio_, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ours.components_, peer.components_, atol=1e-5)
    np.testing.assert_allclose(ours.mean_, peer.mean_, rtol=1e-6)


def test_many_collinear_and_constant_rows_of_float32_have_the_least_norm():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(16_400, 2)).astype(np.float32)
    x = np.concatenate([x, x[:, :1] - x[:, 1:], np.full((len(x), 1), 3, np.float32)], axis=1)
    y = x[:, 0] + 2 * x[:, 1] + rng.normal(size=len(x)).astype(np.float32)
    peer = linear_model.LinearRegression().fit(x[:, :3].astype(np.float64), y)
    ours = estimators.LinearRegression().fit(x, y)
    np.testing.assert_allclose(ours.coef_[:3], peer.coef_, atol=1e-6)
    assert abs(ours.coef_[3]) < 1e-12


def test_a_rate_that_is_too_large_and_too_few_steps():
    x, y = scaled("diabetes")
    with pytest.raises(ValueError, match=r"diverged at learning_rate=10\.0; take a smaller"):
        estimators.LinearRegression(solver="gradient_descent", learning_rate=10.0).fit(x, y)
    with pytest.warns(ConvergenceWarning, match=r"did not converge in max_iter=3 steps"):
        estimators.LinearRegression(solver="gradient_descent", max_iter=3).fit(x, y)


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_logistic_regression_is_scikit_learns(name: str, solver: str):
    x, y = scaled(name)
    peer = linear_model.LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, y)
    ours = estimators.LogisticRegression(solver=solver).fit(x, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(x), peer.predict_proba(x), atol=1e-5)
    assert ours.score(x, y) == peer.score(x, y)


def test_logistic_regression_without_a_penalty_and_in_float32():
    x, y = (a[:100] for a in scaled("diabetes"))
    y = y > np.median(y)
    peer = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(x, y)
    ours = estimators.LogisticRegression(C=np.inf).fit(x, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # where rounding ends the descent, it has converged
        single = estimators.LogisticRegression().fit(x.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, estimators.LogisticRegression().fit(x, y).coef_, atol=1e-4)


def test_kmeans_is_scikit_learns_from_the_same_centers():
    x, _ = datasets.load_iris(return_X_y=True)
    start = x[[0, 70, 140]]
    peer = cluster.KMeans(3, init=start, n_init=1, tol=0).fit(x)
    ours = estimators.KMeans(3, init=start, tol=0).fit(x)
    np.testing.assert_allclose(ours.cluster_centers_, peer.cluster_centers_, rtol=1e-10)
    np.testing.assert_array_equal(ours.labels_, peer.labels_)
    np.testing.assert_allclose(ours.inertia_, peer.inertia_, rtol=1e-10)
    np.testing.assert_array_equal(ours.predict(x), ours.labels_)
    np.testing.assert_allclose(ours.transform(x), peer.transform(x), rtol=1e-10)
    np.testing.assert_allclose(ours.score(x), -ours.inertia_, rtol=1e-10)


def test_kmeans_in_blocks_with_weights_is_that_of_repeated_rows(monkeypatch: pytest.MonkeyPatch):
    from jaxml.estimators import _kmeans

    rng = np.random.default_rng(3)
    x = rng.normal(size=(57, 4)).astype(np.float32)
    weight = rng.integers(0, 3, len(x))
    start = x[:5] * 2
    repeated = np.repeat(x, weight, axis=0)
    whole = _kmeans.kmeans(jax.random.key(0), jnp.asarray(repeated), num_clusters=5, centers=jnp.asarray(start))
    monkeypatch.setattr(_kmeans, "BLOCK", 8)
    # Its trace depends on BLOCK, and it is the weights that make it another one.
    part = _kmeans.kmeans(
        jax.random.key(0), jnp.asarray(x), num_clusters=5, centers=jnp.asarray(start), weight=jnp.float32(weight)
    )
    np.testing.assert_allclose(part.centers, whole.centers, atol=1e-5)
    np.testing.assert_allclose(part.inertia, whole.inertia, rtol=1e-5)


def test_an_empty_center_takes_the_farthest_point():
    x = jnp.array([[0.0], [1.0], [2.0], [50.0]])
    found = estimators.kmeans(jax.random.key(0), x, num_clusters=2, centers=jnp.array([[1.0], [1e4]]))
    assert sorted(found.centers.ravel().tolist()) == [1.0, 50.0]
    same = estimators.kmeans(jax.random.key(0), jnp.ones((6, 2)), num_clusters=3)
    assert float(same.inertia) == 0 and bool(jnp.isfinite(same.centers).all())


def test_kmeans_finds_the_groups_of_the_digits():
    x, y = datasets.load_digits(return_X_y=True)
    ours = estimators.KMeans(10, n_init=3, random_state=0).fit(x)
    peer = cluster.KMeans(10, n_init=3, random_state=0).fit(x)
    assert ours.inertia_ < 1.02 * peer.inertia_
    most = [np.bincount(y[ours.labels_ == k]).max() for k in range(10)]
    assert sum(most) / len(y) > 0.7


def test_pca_is_scikit_learns():
    x, _ = datasets.load_digits(return_X_y=True)
    for kept, rows, whiten in ((5, x, True), (None, x[:20], False)):
        peer = decomposition.PCA(kept, whiten=whiten, svd_solver="full").fit(rows)
        ours = estimators.PCA(kept, whiten=whiten).fit(rows)
        shown = slice(0, 19)  # the twentieth direction of twenty points is noise
        np.testing.assert_allclose(ours.components_[shown], peer.components_[shown], atol=1e-8)
        np.testing.assert_allclose(ours.explained_variance_ratio_, peer.explained_variance_ratio_, atol=1e-12)
        np.testing.assert_allclose(ours.singular_values_[shown], peer.singular_values_[shown], rtol=1e-9)
        np.testing.assert_allclose(ours.transform(x)[:, shown], peer.transform(x)[:, shown], atol=1e-7)
        back, peers = ours.inverse_transform(ours.transform(rows)), peer.inverse_transform(peer.transform(rows))
        np.testing.assert_allclose(back, peers, atol=1e-8)


def test_components_of_constant_columns_are_none():
    found = estimators.PCA().fit(np.ones((5, 3)))
    assert found.explained_variance_.max() < 1e-20 and (found.explained_variance_ratio_ == 0).all()


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_gaussian_mixture_is_scikit_learns_from_the_same_responsibilities(kind: str, monkeypatch: pytest.MonkeyPatch):
    x, y = datasets.load_iris(return_X_y=True)
    start = np.eye(3)[y]
    peer = mixture.GaussianMixture(3, covariance_type=kind, tol=1e-6, max_iter=500)
    monkeypatch.setattr(peer, "_initialize_parameters", lambda X, *_, **__: peer._initialize(X, start))
    peer.fit(x)
    with jax.enable_x64(True):
        ours = estimators.gaussian_mixture(jnp.asarray(x), jnp.asarray(start), covariance=kind, tol=1e-6, max_iter=500)
        assert int(ours.iterations) == peer.n_iter_ and bool(ours.converged)
        np.testing.assert_allclose(ours.log_likelihood, peer.lower_bound_, rtol=1e-10)
        np.testing.assert_allclose(ours.mixture.means, peer.means_, rtol=1e-9)
        np.testing.assert_allclose(ours.mixture.weights, peer.weights_, rtol=1e-9)


@pytest.mark.slow
def test_gaussian_mixture_finds_the_irises_in_blocks(monkeypatch: pytest.MonkeyPatch):
    from jaxml.estimators import _mixture

    x, y = datasets.load_iris(return_X_y=True)
    whole = estimators.GaussianMixture(3, n_init=3, random_state=0).fit(x)
    monkeypatch.setattr(_mixture, "BLOCK", 32)
    jax.clear_caches()
    blocks = estimators.GaussianMixture(3, n_init=3, random_state=0).fit(x)
    np.testing.assert_allclose(blocks.lower_bound_, whole.lower_bound_, rtol=1e-9)
    most = [np.bincount(y[blocks.predict(x) == k]).max() for k in range(3)]
    assert sum(most) / len(y) > 0.95
    np.testing.assert_allclose(blocks.predict_proba(x).sum(axis=1), 1.0)


def test_a_mixture_that_is_cut_off_warns():
    x, _ = datasets.load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="not converged in max_iter=2"):
        estimators.GaussianMixture(3, max_iter=2, random_state=0).fit(x)


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (
            lambda: estimators.GaussianMixture(1, reg_covar=1e-300).fit(np.zeros((6, 2), np.float32)),
            "has no inverse; take fewer components",
        ),
        (lambda: estimators.KMeans(7).fit(X), "^KMeans: n_clusters=7 is more than the 6 points; take fewer"),
        (lambda: estimators.KMeans(0).fit(X), "^KMeans: n_clusters must be at least 1, got 0"),
        (lambda: estimators.KMeans(2, init="best").fit(X), "init must be"),
        (lambda: estimators.KMeans(2, init=X[:3]).fit(X), "the shape of centers must be"),
        (lambda: estimators.KMeans(2, init=X[:2] * np.nan).fit(X), "init holds NaN or infinity"),
        (lambda: estimators.KMeans(2).fit(X + np.inf), "contains NaN|contains infinity"),
        (lambda: estimators.PCA(3).fit(X), "^PCA: n_components must lie between 1 and 2, got 3"),
        (lambda: estimators.PCA().fit(X[:1]), "minimum of 2 is required"),
        (lambda: estimators.GaussianMixture(7).fit(X), "^GaussianMixture: n_components=7 is more than the 6 points"),
        (lambda: estimators.GaussianMixture(covariance_type="round").fit(X), "covariance must be"),
        (lambda: estimators.GaussianMixture(reg_covar=0.0).fit(X), "reg_covar must be"),
        (lambda: estimators.LogisticRegression().fit(X, Y * 0), r"at least two classes, it holds one class, \[0\]"),
        (lambda: estimators.LogisticRegression(C=0.0).fit(X, Y), "C must be above 0"),
        (lambda: estimators.LogisticRegression(solver="sag").fit(X, Y), "solver must be one of|solver must be"),
        (lambda: estimators.LogisticRegression().fit(X, Y + 0.5), "Unknown label type"),
        (lambda: estimators.LogisticRegression().fit(X, Y).predict(X[:, :1]), "expecting 2 features"),
        (lambda: estimators.LinearRegression(alpha=-1.0).fit(X, Y), "alpha must be at least 0"),
        (lambda: estimators.LinearRegression(solver="lu").fit(X, Y), "solver must be"),
        (lambda: estimators.LinearRegression().fit(X * np.nan, Y), "contains NaN"),
        (lambda: estimators.LinearRegression().fit(X, Y[:3]), "inconsistent numbers of samples"),
    ],
)
def test_bad_input(fit: Any, message: str):
    with pytest.raises(ValueError, match=message):
        fit()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: estimators.kmeans(jax.random.key(0), x, num_clusters=7),
            "^kmeans: num_clusters=7 is more than the 6 points",
        ),
        (lambda x: estimators.kmeans(jax.random.key(0), x, num_clusters=0), "^kmeans: num_clusters must be at least 1"),
        (lambda x: estimators.pca(x, num_components=3), "^pca: num_components must lie between 1 and 2, got 3"),
    ],
)
def test_bad_input_of_the_pure_functions(call: Any, message: str):
    with pytest.raises(ValueError, match=message):
        call(jnp.asarray(X))


NOT_FINITE: dict[str, Any] = {
    "least_squares": lambda x: estimators.least_squares(x, jnp.ones((6, 1))),
    "gradient_descent": lambda x: estimators.gradient_descent(x, jnp.ones((6, 1)), max_iter=3),
    "kmeans": lambda x: estimators.kmeans(jax.random.key(0), x, num_clusters=2),
    "kmeans_plus_plus": lambda x: estimators.kmeans_plus_plus(jax.random.key(0), x, num_clusters=2),
    "minibatch_kmeans": lambda x: estimators.minibatch_kmeans(jax.random.key(0), x, num_clusters=2, batch_size=4),
    "pca": lambda x: estimators.pca(x, num_components=1),
    "gaussian_mixture": lambda x: estimators.gaussian_mixture(x, jnp.eye(2)[jnp.arange(6) % 2], max_iter=2),
    "logistic_regression": lambda x: estimators.logistic_regression(x, jnp.arange(6) % 2, num_classes=2, l2=1.0),
}


@pytest.mark.parametrize("name", NOT_FINITE)
def test_pure_functions_tell_where_data_are_not_finite(name: str):
    call, x = NOT_FINITE[name], jnp.asarray(X, jnp.float32)
    for bad in (jnp.nan, jnp.inf):
        with pytest.raises(ValueError, match=rf"^{name}: x must be finite, got {bad} at \(1, 0\); drop such rows or"):
            call(x.at[1, 0].set(bad))
    first = jax.tree.leaves(jax.jit(call)(x.at[1, 0].set(jnp.nan)))[0]  # in a trace nothing is known
    assert bool(jnp.isnan(first).any())


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_logistic_regression_of_labels_or_data_that_it_cannot_use_is_nan_and_not_a_guess(solver: str):
    x = jnp.asarray(X)
    fit = jax.jit(partial(estimators.logistic_regression, l2=1.0, solver=solver), static_argnames="num_classes")
    for labels, classes, data in (
        ([0, 1, 2, 0, 1, 2], 2, x), ([0, 1, -1, 0, 1, 0], 2, x), ([0, 1, 3, 0, 1, 2], 3, x),
        ([0, 1, 1, 0, 1, 0], 2, x.at[1, 0].set(jnp.nan)), ([0, 1, 2, 0, 1, 2], 3, x.at[1, 0].set(jnp.inf)),
    ):  # fmt: skip
        w, b, _ = fit(data, jnp.asarray(labels), num_classes=classes)
        assert bool(jnp.isnan(w).all()) and bool(jnp.isnan(b).all()), labels


def test_predicting_before_fitting_is_an_error():
    with pytest.raises(NotFittedError):
        estimators.KMeans().predict(X)
