"""Confusion matrices, calibration and temperatures: scikit-learn's numbers on real data, and what is known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import calibration as sk_calibration
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from jaxml.diagnostics import calibration, confusion_matrix, temperature_scaling


def digits():
    """A classifier that is sure of itself too often, on digits it was not fitted to: (probabilities, labels)."""
    x, y = load_digits(return_X_y=True)
    x = x + np.random.default_rng(0).normal(size=x.shape)
    return GaussianNB().fit(x[:600], y[:600]).predict_proba(x[600:]).astype(np.float32), y[600:].astype(np.int32)


def tumours(model):
    x, y = load_breast_cancer(return_X_y=True)
    return model.fit(x[:200, :4], y[:200]).predict_proba(x[200:, :4])[:, 1].astype(np.float32), y[200:]


def test_confusion_matrix_is_scikit_learns():
    probabilities, labels = digits()
    predictions = probabilities.argmax(axis=1)
    found = confusion_matrix(predictions, labels)
    np.testing.assert_array_equal(found.counts, metrics.confusion_matrix(labels, predictions))
    assert found.counts.dtype == jnp.int32 and not np.array_equal(found.counts, found.counts.T)
    for over in ("true", "pred", "all"):
        peer = metrics.confusion_matrix(labels, predictions, normalize=over)
        np.testing.assert_allclose(found.normalized(over), peer, rtol=1e-6)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, predictions)
    np.testing.assert_allclose(found.precision, precision, rtol=1e-6)
    np.testing.assert_allclose(found.recall, recall, rtol=1e-6)
    np.testing.assert_allclose(found.f1, f1, rtol=1e-6)
    assert float(found.accuracy) == pytest.approx(metrics.accuracy_score(labels, predictions))
    weight = np.random.default_rng(1).uniform(size=len(labels)).astype(np.float32)
    peer = metrics.confusion_matrix(labels, predictions, sample_weight=weight)
    np.testing.assert_allclose(confusion_matrix(predictions, labels, sample_weight=weight).counts, peer, rtol=1e-4)


def test_confusion_matrix_under_jit_and_of_a_class_that_never_occurs():
    count = jax.jit(lambda p, y: confusion_matrix(p, y, num_classes=3))
    found = count(jnp.array([0, 1, 3, -1, 1]), jnp.array([0, 0, 0, 0, 1]))
    assert found.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]  # out of range: left out
    assert np.isnan(found.recall[2]) and np.isnan(found.precision[2]) and found.normalized()[2].tolist() == [0, 0, 0]
    assert confusion_matrix(jnp.array([True, False]), jnp.array([1, 1])).counts.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("bins", [1, 7, 10])
def test_calibration_is_scikit_learns(strategy: str, bins: int):
    """Of ten neighbours the probabilities are 0.1, 0.2, ...: exactly on the edges of the bins."""
    for model, digits in ((LogisticRegression(max_iter=10_000), 16), (KNeighborsClassifier(10), 7)):
        p, y = tumours(model)
        found = calibration(p, y, bins=bins, strategy=strategy)
        exact = p.astype(np.float64).round(digits)  # 0.1 of float32 is 0.1 again, on an edge
        true, said = sk_calibration.calibration_curve(y, exact, n_bins=bins, strategy=strategy)
        some = np.asarray(found.counts) > 0
        np.testing.assert_allclose(found.accuracy[some], true, rtol=1e-5)
        np.testing.assert_allclose(found.confidence[some], said, rtol=1e-5)
        assert np.isnan(found.accuracy[~some]).all() and int(found.counts.sum()) == len(p)
        assert float(found.brier) == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-5)


def test_equal_mass_means_equal_numbers():
    p = np.random.default_rng(2).beta(0.3, 0.3, 1000).astype(np.float32)
    found = calibration(p, (p > 0.5).astype(np.int32), bins=8, strategy="quantile")
    assert found.counts.tolist() == [125] * 8 and np.unique(found.edges).size == 9


def test_errors_of_calibration_by_hand():
    """Guo's ECE and MCE in a Python loop, of the likeliest class among ten."""
    probabilities, labels = digits()
    found = calibration(probabilities, labels, bins=15)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    gaps, shares = [], []
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            gaps.append(abs(right[inside].mean() - confidence[inside].mean()))
            shares.append(inside.mean())
    assert float(found.ece) == pytest.approx(np.dot(gaps, shares), rel=1e-4)
    assert float(found.mce) == pytest.approx(max(gaps), rel=1e-4)
    assert float(found.brier) == pytest.approx(metrics.brier_score_loss(labels, probabilities), rel=1e-5)
    inside_jit = jax.jit(lambda p, y: calibration(p, y, bins=15).ece)(probabilities, labels)
    assert float(inside_jit) == pytest.approx(float(found.ece), rel=1e-5)


def test_true_probabilities_are_calibrated_and_others_are_not(rng: np.random.Generator):
    p = rng.uniform(size=20_000).astype(np.float32)
    y = (rng.uniform(size=p.size) < p).astype(np.int32)
    assert float(calibration(p, y).ece) < 0.02
    assert float(calibration(p**2, y).ece) == pytest.approx(1 / 6, abs=0.02)  # E|p - p²|


def test_temperature_undoes_a_factor(rng: np.random.Generator):
    """Labels drawn from softmax(z) and logits 3 z: the temperature is 3, and its gradient is zero."""
    z = rng.normal(size=(20_000, 4)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = jnp.asarray((rng.uniform(size=(len(p), 1)) > p.cumsum(axis=1)).sum(axis=1), jnp.int32)
    logits = jnp.asarray(3 * z, jnp.float32)
    found = temperature_scaling(logits, labels)
    assert float(found) == pytest.approx(3, rel=0.03)

    def loss(temperature: jax.Array) -> jax.Array:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits / temperature), labels[:, None], axis=1).mean()

    assert abs(float(jax.grad(loss)(found))) < 1e-5
    again = jax.jit(temperature_scaling)(logits * 1000, labels)
    assert float(again) == pytest.approx(1000 * float(found), rel=1e-3)


def test_temperature_calibrates_a_classifier_of_digits():
    """Naive Bayes is far too sure: a temperature found on half of the held-out digits, measured on the other half."""
    probabilities, labels = digits()
    logits = jnp.log(jnp.maximum(probabilities, 1e-30))
    temperature = temperature_scaling(logits[:600], labels[:600])
    before = calibration(jax.nn.softmax(logits[600:]), labels[600:])
    after = calibration(jax.nn.softmax(logits[600:] / temperature), labels[600:])
    assert float(temperature) > 1.5
    assert float(after.ece) < 0.5 * float(before.ece) and float(after.brier) < float(before.brier)


def test_pictures():
    predictions, labels = jnp.array([0, 1, 1, 2]), jnp.array([0, 0, 1, 2])
    figure = confusion_matrix(predictions, labels).plot(normalize="true", names=["a", "b", "c"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts[:3]] == ["0.50", "0.50", "0.00"]
    assert axes.get_ylabel() == "true class" and [t.get_text() for t in axes.get_xticklabels()] == ["a", "b", "c"]
    assert len(confusion_matrix(predictions, labels, num_classes=30).plot().axes[0].texts) == 0
    found = calibration(jnp.array([0.2, 0.2, 0.9]), jnp.array([0, 1, 1]), bins=4)
    figure = found.plot(name="one")
    assert found.plot(name="other", into=figure.axes[0]) is figure
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert [line.get_label().split(":")[0] for line in lines] == ["one", "other"]
    np.testing.assert_allclose(lines[0].get_xydata(), [[0.2, 0.5], [0.9, 1.0]], rtol=1e-6)
    assert lines[0].get_color() != lines[1].get_color()


TWO = np.zeros(2, np.int32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: confusion_matrix(TWO, TWO[:1]),
            ValueError,
            r"^confusion_matrix: labels must have as many .*, 2, got 1",
        ),
        (lambda: confusion_matrix(TWO[:0], TWO[:0]), ValueError, r"predictions must hold at least one example"),
        (
            lambda: confusion_matrix(TWO + 0.5, TWO),
            TypeError,
            r"predictions must be an array of integer classes, got f",
        ),
        (lambda: confusion_matrix([0, 1], TWO), TypeError, r"predictions must be an array, got list"),
        (lambda: confusion_matrix(TWO - 1, TWO), ValueError, r"predictions must be classes at least 0, got -1 at 0"),
        (
            lambda: confusion_matrix(TWO, TWO + 3, num_classes=3),
            ValueError,
            r"labels must be classes in \[0, 3\), got 3",
        ),
        (lambda: confusion_matrix(np.zeros((2, 3), np.int32), TWO), ValueError, r"predictions must have 1 axis \(N,\)"),
        (lambda: jax.jit(confusion_matrix)(TWO, TWO), ValueError, r"num_classes must be given under jit"),
        (
            lambda: confusion_matrix(TWO, TWO, sample_weight=np.array([1.0, -1.0])),
            ValueError,
            r"sample_weight must not be negative, got -1\.0",
        ),
        (
            lambda: confusion_matrix(TWO, TWO, sample_weight=np.array([1.0, np.nan])),
            ValueError,
            r"sample_weight must be finite, got nan at \(1,\)",
        ),
        (lambda: confusion_matrix(TWO, TWO).normalized("rows"), ValueError, r"over must be one of 'true'"),
        (
            lambda: confusion_matrix(TWO, TWO).plot(names=["a", "b"]),
            ValueError,
            r"the number of names must be 1, got 2",
        ),
        (
            lambda: calibration(TWO + 0.5, TWO + 2),
            ValueError,
            r"^calibration: labels must be classes in \[0, 2\), got 2",
        ),
        (
            lambda: calibration(TWO + 1.5, TWO),
            ValueError,
            r"probabilities must be probabilities, in \[0, 1\], got 1\.5",
        ),
        (
            lambda: calibration(np.array([0.5, np.nan]), TWO),
            ValueError,
            r"probabilities must be finite, got nan at \(1,\)",
        ),
        (
            lambda: calibration(np.array([[0.5, 0.5], [0.5, 0.6]]), TWO),
            ValueError,
            r"each row of probabilities must sum to 1, row 1 sums to 1\.1; jax\.nn\.softmax",
        ),
        (lambda: calibration(TWO, TWO), TypeError, r"probabilities must be floating point"),
        (lambda: calibration(TWO + 0.5, TWO, bins=0), ValueError, r"bins must be positive integers"),
        (
            lambda: calibration(TWO + 0.5, TWO, strategy="mass"),
            ValueError,
            r"strategy must be one of 'uniform', 'quant",
        ),
        (lambda: calibration(np.zeros((0, 3)), TWO[:0]), ValueError, r"probabilities must hold at least one example"),
        (
            lambda: temperature_scaling(np.array([[1.0, 0.0], [2.0, 0.0]]), TWO),
            ValueError,
            r"^temperature_scaling: all examples are classified right",
        ),
        (
            lambda: temperature_scaling(np.array([[0.0, 1.0], [0.0, 2.0]]), TWO),
            ValueError,
            r"the best temperature is infinite; do logits and labels belong together",
        ),
        (lambda: temperature_scaling(np.zeros((2, 1)), TWO), ValueError, r"logits must have at least 2 classes, got 1"),
        (lambda: temperature_scaling(np.full((2, 2), np.inf), TWO), ValueError, r"logits must be finite, got inf"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_limits_under_jit():
    """Where outside of jit it is an error: the limits of the temperature."""
    best = jax.jit(temperature_scaling)
    assert float(best(jnp.array([[1.0, 0.0], [2.0, 0.0]]), jnp.array([0, 0]))) == 0
    assert np.isinf(best(jnp.array([[0.0, 1.0], [0.0, 2.0]]), jnp.array([0, 0])))
