"""Learning and validation curves: scikit-learn's numbers for estimators and for pure functions on the same splits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import scale

from jaxml import data, estimators
from jaxml.diagnostics import LearningCurve, ValidationCurve, learning_curve, validation_curve


def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


def fit(key, x, y, *, l2=1.0):
    """Ridge regression by its normal equations, which compile faster than `estimators.least_squares`."""
    at = x - x.mean(axis=0, keepdims=True)
    w = jnp.linalg.solve(at.T @ at + l2 * jnp.eye(x.shape[1]), at.T @ (y - y.mean()))
    return w, y.mean() - x.mean(axis=0) @ w


def predict(params, x):
    w, b = params
    return x @ w + b


def r2(outputs, y):
    return 1 - jnp.square(y - outputs).sum() / jnp.square(y - y.mean()).sum()


SIZES = [20, 100, 300]


def test_learning_curve_of_an_estimator_is_scikit_learns():
    x, y = load_breast_cancer(return_X_y=True)
    splits = list(model_selection.StratifiedKFold(3, shuffle=True, random_state=0).split(x, y))
    found = learning_curve(KNeighborsClassifier(3), x, y, sizes=(0.05, 0.5, 1.0), splits=splits)
    sizes, train, valid = model_selection.learning_curve(
        KNeighborsClassifier(3), x, y, train_sizes=(0.05, 0.5, 1.0), cv=splits
    )
    np.testing.assert_array_equal(found.sizes, sizes)
    np.testing.assert_array_equal(found.train, train)
    np.testing.assert_array_equal(found.validation, valid)


def test_curves_of_pure_functions_are_scikit_learns():
    """Ridge regression; the folds of 442 examples are of two sizes."""
    x, y = diabetes()
    splits = list(data.k_fold(len(x), k=5, seed=3))
    sizes, train, valid = model_selection.learning_curve(Ridge(1.0), x, y, train_sizes=SIZES, cv=splits)
    found = learning_curve((fit, predict), x, y, sizes=SIZES, splits=splits, score=r2)
    np.testing.assert_array_equal(found.sizes, sizes)
    np.testing.assert_allclose(found.train, train, atol=1e-4)
    np.testing.assert_allclose(found.validation, valid, atol=1e-4)
    np.testing.assert_allclose(found.gap, train.mean(axis=1) - valid.mean(axis=1), atol=1e-4)
    assert found.gap[0] > found.gap[-1] > 0
    alphas = np.array([0.1, 1e3])
    train, valid = model_selection.validation_curve(Ridge(), x, y, param_name="alpha", param_range=alphas, cv=splits)
    for values in (alphas, list(alphas)):
        found = validation_curve((fit, predict), x, y, parameter="l2", values=values, splits=splits, score=r2)
        np.testing.assert_allclose(found.train, train, atol=1e-4)
        np.testing.assert_allclose(found.validation, valid, atol=1e-4)
        assert found.values == tuple(alphas) and found.best == alphas[valid.mean(axis=1).argmax()]
    ours = validation_curve(estimators.LinearRegression(), x, y, parameter="alpha", values=alphas, splits=splits)
    np.testing.assert_allclose(ours.validation, valid, atol=1e-9)


def test_how_often_is_compiled():
    """Of an array of values once for each size of the folds, of a list once a value, all splits in one call."""
    x, y = diabetes()
    traces = []

    def counted(key, x, y, *, l2=1.0):
        traces.append(x.shape)
        return fit(key, x, y, l2=l2)

    options = {"parameter": "l2", "splits": 2, "score": r2}
    validation_curve((counted, predict), x, y, values=np.array([0.1, 1.0, 10.0]), **options)
    assert traces == [(221, 10)]
    validation_curve((counted, predict), x, y, values=[0.1, 1.0, 10.0], **options)
    assert len(traces) == 4
    learning_curve((counted, predict), x, y, sizes=[10, 20], splits=4, score=r2)
    assert traces[4:] == [(10, 10), (20, 10)]


def test_static_values_and_keys():
    """A list may change shapes; the keys differ between splits and not between sizes; outputs may be trees."""

    def fit(key, x, y, *, degree=1):
        return jnp.zeros(degree), jax.random.uniform(key)

    def predict(params, x):
        return {"degree": jnp.full(len(x), len(params[0])), "draw": jnp.full(len(x), params[1])}

    x = np.zeros((12, 1), np.float32)
    found = validation_curve(
        (fit, predict), x, x[:, 0], parameter="degree", values=[1, 4], splits=3, score=lambda o, y: o["degree"].max()
    )
    np.testing.assert_array_equal(found.train, [[1] * 3, [4] * 3])
    draws = learning_curve((fit, predict), x, x[:, 0], sizes=[2, 4], splits=3, score=lambda o, y: o["draw"].mean())
    assert np.unique(draws.train).size == 3 and (draws.train[0] == draws.train[1]).all()
    again = learning_curve(
        (fit, predict), x, x[:, 0], sizes=[2, 4], splits=3, score=lambda o, y: o["draw"].mean(), seed=1
    )
    assert not np.intersect1d(draws.train, again.train).size


def test_sizes():
    x, y = diabetes()
    model = Ridge()
    assert learning_curve(model, x, y, splits=2).sizes.tolist() == [22, 71, 121, 171, 221]
    assert learning_curve(model, x, y, sizes=[50, 20, 50], splits=2).sizes.tolist() == [20, 50]
    error = learning_curve(model, x, y, sizes=[50], splits=2, score=lambda f, y: -np.abs(f - y).mean())
    assert (error.validation < 0).all()


def test_pictures():
    scores = np.array([[1.0, 0.8], [0.9, 0.9]])
    curve = LearningCurve(np.array([10, 20]), scores, scores - 0.5)
    (axes,) = curve.plot().axes
    assert [line.get_label() for line in axes.lines] == ["training", "validation"] and len(axes.collections) == 2
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[10, 0.9], [20, 0.9]])
    figure = ValidationCurve("C", (1.0, 100.0), scores, scores).plot(into=axes)
    assert figure.axes == [axes] and axes.get_xscale() == "log"
    (axes,) = ValidationCurve("k", ("b", "a"), scores, scores).plot().axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["b", "a"] and axes.get_xscale() == "linear"


X, Y = np.zeros((6, 1)), np.zeros(6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: learning_curve(Ridge(), X, Y[:5]),
            ValueError,
            r"^learning_curve: y must have as many examples as x, 6",
        ),
        (lambda: learning_curve(Ridge(), X[:0], Y[:0]), ValueError, r"x must hold at least one example"),
        (lambda: learning_curve(Ridge(), X, Y, sizes=[7]), ValueError, r"between 1 and the 4 examples of the smallest"),
        (
            lambda: learning_curve(Ridge(), X, Y, sizes=[0.5, 1.5]),
            ValueError,
            r"shares must lie in \(0, 1\], got \[0\.5",
        ),
        (lambda: learning_curve(Ridge(), X, Y, sizes=[]), ValueError, r"sizes must be a sequence of one number"),
        (lambda: learning_curve(Ridge(), X, Y, splits=7), ValueError, r"k must lie between 2 and .* 6, got 7"),
        (lambda: learning_curve(Ridge(), X, Y, splits=[]), ValueError, r"splits must not be empty"),
        (
            lambda: learning_curve(Ridge(), X, Y, splits=[([0, 1], [])]),
            ValueError,
            r"the validation part of split 0 must be positions \(n,\), one or more, got float64 of shape \(0,\)",
        ),
        (
            lambda: learning_curve(Ridge(), X, Y, splits=[([0, 6], [1])]),
            ValueError,
            r"the training part of split 0 must lie in \[0, 6\), got 0 to 6",
        ),
        (lambda: learning_curve(fit, X, Y), TypeError, r"an estimator with fit, predict and get_params, or a pair"),
        (lambda: learning_curve((fit, predict), X, Y), TypeError, r"score must say how good the outputs"),
        (
            lambda: learning_curve((fit, predict), X + np.nan, Y, score=r2),
            ValueError,
            r"x must be finite, got nan at \(0, 0\)",
        ),
        (
            lambda: learning_curve(Ridge(), X, Y, score=lambda outputs, y: outputs, sizes=[3]),
            ValueError,
            r"score must return a scalar, got shape \(3,\)",
        ),
        (
            lambda: validation_curve(Ridge(), X, Y, parameter="alpha", values=[]),
            ValueError,
            r"^validation_curve: values must not be empty",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
