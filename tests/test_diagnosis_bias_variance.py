"""Bias and variance: the identities, a Python loop, and cases whose parts are known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxml import estimators
from jaxml.diagnostics import bias_variance, plot_bias_variance

KEY = jax.random.key(0)


def fit_mean(key, x, y):
    return y.mean()


def predict_mean(mean, x):
    return jnp.full(x.shape[0], mean)


def fit_line(key, x, y):
    return estimators.least_squares(x, y[:, None])[:2]


def predict_line(params, x):
    w, b = params
    return (x @ w + b[None])[:, 0]


def close(found, want, rel):
    assert float(found) == pytest.approx(float(want), rel=rel)


def test_a_constant_predictor_has_the_variance_of_the_mean(rng: np.random.Generator):
    """Of bootstrap means: variance σ̂² / N, and a bias of the distance of the mean from the target."""
    y = rng.normal(size=40).astype(np.float32) * 3
    t = np.float32([2.0, -1.0])
    found = bias_variance(KEY, fit_mean, predict_mean, (np.zeros(40), y), (np.zeros(2), t), rounds=4000)
    close(found.variance, y.var() / 40, rel=0.1)
    close(found.bias, ((y.mean() - t) ** 2).mean(), rel=0.05)
    close(found.loss, found.bias + found.variance, rel=1e-5)
    np.testing.assert_allclose(found.main, [y.mean()] * 2, atol=0.05)
    assert float(found.noise) == 0 and found.predictions.shape == (4000, 2)


def test_linear_regression_with_known_noise(rng: np.random.Generator):
    """Fresh noise on fixed x: no bias, variance `σ² x̃ᵀ (X̃ᵀ X̃)⁻¹ x̃`, noise σ²."""
    x, x_test = (rng.normal(size=(n, 3)).astype(np.float32) for n in (30, 500))
    w, sigma = np.float32([1.0, -2.0, 0.5]), 0.7

    def draw(key):
        return jnp.asarray(x), jnp.asarray(x @ w) + sigma * jax.random.normal(key, (30,))

    truth = x_test @ w
    t = (truth + sigma * rng.normal(size=500)).astype(np.float32)
    found = bias_variance(KEY, fit_line, predict_line, draw, (x_test, t), rounds=2000, optimal=truth)
    design, at = (np.concatenate([np.ones((len(a), 1)), a], axis=1) for a in (x, x_test))
    leverage = ((at @ np.linalg.inv(design.T @ design)) * at).sum(axis=1)
    close(found.variance, sigma**2 * leverage.mean(), rel=0.05)
    assert float(found.bias) < 0.003 * float(found.variance)
    close(found.noise, sigma**2, rel=0.2)
    close(found.loss, found.bias + found.variance + found.noise, rel=0.02)
    blind = bias_variance(KEY, fit_line, predict_line, draw, (x_test, t), rounds=2000)
    close(blind.bias, blind.loss - blind.variance, rel=1e-4)  # where the truth is not known the noise is bias
    close(blind.bias, found.noise, rel=0.1)


def test_a_model_too_simple_is_biased_by_what_it_cannot_say():
    """The best line through x² on U(-1, 1) is 1/3, at a mean squared distance of 4/45."""

    def draw(key):
        x = jax.random.uniform(key, (5000, 1), minval=-1, maxval=1)
        return x, jnp.square(x[:, 0])

    x = np.linspace(-1, 1, 2001, dtype=np.float32)[:, None]
    found = bias_variance(KEY, fit_line, predict_line, draw, (x, x[:, 0] ** 2), rounds=50)
    close(found.bias, 4 / 45, rel=0.01)
    assert float(found.variance) < 1e-3


def neighbour(key, x, y):
    return x, y


def nearest(params, x):
    known, y = params
    return y[jnp.square(x[:, None] - known[None]).sum(axis=2).argmin(axis=1)]


def digits():
    x, y = load_digits(return_X_y=True)
    x, y = x.astype(np.float32), y.astype(np.int32)
    return (x[:80], y[:80]), (x[80:180], y[80:180])


@pytest.mark.parametrize("loss", ["squared", "zero_one"])
def test_it_is_a_loop_over_bootstrap_samples(loss: str):
    data, test = digits()
    traces = []

    def fit(key, x, y):
        traces.append(key)
        return x, y

    found = bias_variance(KEY, fit, nearest, data, test, rounds=12, loss=loss)
    again = bias_variance(jax.random.key(1), fit, nearest, data, test, rounds=12, loss=loss)
    assert len(traces) == 1 and not np.array_equal(again.predictions, found.predictions)
    predictions = []
    for key in jax.random.split(KEY, 12):
        rows = np.asarray(jax.random.randint(jax.random.split(key)[0], (80,), 0, 80))
        predictions.append(nearest((data[0][rows], jnp.asarray(data[1])[rows]), test[0]))
    f, t = np.stack(predictions), test[1]
    np.testing.assert_array_equal(found.predictions, f)
    if loss == "squared":
        main = f.mean(axis=0)
        bias, variance = ((main - t) ** 2).mean(), ((f - main) ** 2).mean()
        net, total = variance, ((f - t) ** 2).mean()
    else:
        main = np.array([np.bincount(column, minlength=10).argmax() for column in f.T])
        right = main == t
        bias, variance, total = (~right).mean(), (f != main).mean(), (f != t).mean()
        net = ((f != main).mean(axis=0) * right - (f == t).mean(axis=0) * ~right).mean()
    np.testing.assert_allclose(found.main, main, rtol=1e-6)
    for got, want in ((found.bias, bias), (found.variance, variance), (found.net_variance, net), (found.loss, total)):
        close(got, want, rel=1e-5)
    close(found.loss, found.bias + found.net_variance, rel=1e-5)


def test_votes_of_classes_by_hand():
    """At three points 3 of 4 rounds agree; where they are wrong, variance makes the loss smaller (Domingos)."""
    votes = jnp.array([[1, 0, 2], [1, 0, 2], [1, 1, 2], [0, 0, 1]])

    def fit(key, x, y):
        return x

    def draw(key):
        count = jax.random.randint(key, (), 0, 4)
        return votes[count], votes[count]

    found = bias_variance(
        KEY, fit, lambda row, x: row, draw, (np.zeros(3), np.array([1, 1, 0])), rounds=4000, loss="zero_one"
    )
    assert found.main.tolist() == [1, 0, 2]
    close(found.bias, 2 / 3, rel=1e-6)
    close(found.variance, 1 / 4, rel=0.1)
    # Point 0 is right in 3/4, point 1 in 1/4, point 2 never, though its votes scatter.
    close(found.loss, (1 / 4 + 3 / 4 + 1) / 3, rel=0.05)
    assert abs(float(found.net_variance)) < 0.01
    clean = bias_variance(
        KEY, fit, lambda row, x: row, draw, (np.zeros(3), np.array([1, 1, 0])), rounds=8, loss="zero_one",
        optimal=np.array([1, 0, 2]),
    )  # fmt: skip
    close(clean.noise, 2 / 3, rel=1e-6)


def test_pictures():
    data, test = digits()
    found = bias_variance(KEY, neighbour, nearest, data, test, rounds=4, loss="zero_one")
    (axes,) = found.plot().axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(
        [float(v) for v in (found.loss, found.bias, found.net_variance, found.noise)]
    )
    figure = plot_bias_variance({1: found, 2: found}, over="degree", into=axes)
    assert figure.axes == [axes] and axes.get_xlabel() == "degree" and len(axes.lines) == 4


X, Y = np.zeros((6, 1), np.float32), np.zeros(6, np.float32)
LABELS = np.zeros(6, np.int32)


def call(data=(X, Y), test=(X, Y), predict=predict_mean, **options):
    return lambda: bias_variance(KEY, fit_mean, predict, data, test, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (call(rounds=1), ValueError, r"^bias_variance: rounds must be at least 2, got 1"),
        (call(loss="hinge"), ValueError, r"loss must be one of 'squared', 'zero_one', got 'hinge'"),
        (call(data=(X, Y[:5])), ValueError, r"y must have as many examples as x, 6, got 5"),
        (call(data=(X[:0], Y[:0])), ValueError, r"x must hold at least one example"),
        (call(data=(X, Y + np.nan)), ValueError, r"y must be finite, got nan at \(0,\)"),
        (call(test=(X, Y[:5])), ValueError, r"the test's targets must have as many examples"),
        (call(optimal=Y[:5]), ValueError, r"the shape of optimal must be \(6,\), got \(5,\)"),
        (
            call(predict=lambda mean, x: x),
            ValueError,
            r"the shape of what predict returns must be \(6,\), got \(6, 1\)",
        ),
        (call(loss="zero_one"), TypeError, r"the test's targets must be an array of integer classes, got float32"),
        (call(loss="zero_one", test=(X, LABELS)), TypeError, r"predict must return integer classes .*, got float32"),
        (lambda: plot_bias_variance({}), ValueError, r"^plot_bias_variance: results must not be empty"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
