"""Overfitting, from a history: where it began, by how much, and while a training runs."""

import math
import warnings

import jax
import numpy as np
import optax
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import jaxml.functional as F
from jaxml.diagnostics import OverfittingMonitor, overfitting
from jaxml.train import fit

HISTORY = {"loss": (1.0, 0.6, 0.3, 0.2, 0.1, 0.05), "val_loss": (1.1, 0.8, 0.7, 0.75, 0.9, 0.85)}


def test_where_it_began():
    found = overfitting(HISTORY)
    assert (found.best_epoch, found.began) == (3, 4)
    assert found.rise == pytest.approx(0.15) and found.gap_growth == pytest.approx(0.8 - 0.4)
    np.testing.assert_allclose(found.gap, np.subtract(HISTORY["val_loss"], HISTORY["loss"]))
    assert "since epoch 4" in str(found) and "grew by 0.4" in str(found)


@pytest.mark.parametrize(("options", "began"), [({"patience": 4}, None), ({"min_delta": 0.2}, None), ({}, 4)])
def test_it_has_to_last_and_to_matter(options: dict, began: int | None):
    found = overfitting(HISTORY, **options)
    assert found.began == began and found.best_epoch == 3
    assert ("no overfitting" in str(found)) == (began is None)


def test_of_what_should_be_large():
    history = {"accuracy": [0.5, 0.9, 1.0], "val_accuracy": [0.6, 0.8, 0.7]}
    found = overfitting(history, metric="accuracy", patience=1)
    assert (found.best_epoch, found.began) == (2, 3)
    assert found.rise == pytest.approx(0.1) and found.gap_growth == pytest.approx(0.3 - 0.1)
    again = overfitting(
        {"r2": history["accuracy"], "val_r2": history["val_accuracy"]}, metric="r2", patience=1, mode="max"
    )
    assert again.began == 3


def test_no_number_is_worse_than_any():
    found = overfitting({"loss": [1.0, math.nan, 1.0], "val_loss": [2.0, 3.0, math.nan]}, patience=2)
    assert (found.best_epoch, found.began, found.rise) == (1, 2, math.inf)


def tumours():
    """Twenty examples, a fifth of them labelled wrongly, and the rest: a network learns the former by heart."""
    x, y = load_breast_cancer(return_X_y=True)
    x, y = scale(x).astype(np.float32), y.astype(np.int32)
    return (x[:20], np.where(np.arange(20) % 5 == 0, 1 - y[:20], y[:20])), (x[20:], y[20:])


def network():
    keys = jax.random.split(jax.random.key(1), 2)
    params = [jax.random.normal(keys[0], (30, 64)) / 5, jax.random.normal(keys[1], (64, 2)) / 8]
    return (lambda p, state, x, train: (F.relu(x @ p[0]) @ p[1], state)), params, ()


def trained(monitor: OverfittingMonitor):
    train, held_out = tumours()
    return fit(
        network(), train, loss=F.softmax_cross_entropy_with_integer_labels, optimizer=optax.sgd(0.5), epochs=40,
        validation=held_out, callbacks=[monitor], progress=False,
    )  # fmt: skip


def test_a_training_that_overfits_is_told_once_and_stopped():
    with pytest.warns(UserWarning, match=r"fit: val_loss is best at epoch \d+ .* overfitting since epoch") as told:
        result = trained(OverfittingMonitor(patience=5))
    assert len(told) == 1 and result.stopped is None
    found = overfitting(result.history, patience=5)
    assert found.began is not None and found.gap_growth > 0.02 and found.began < 40
    with pytest.warns(UserWarning, match="overfitting since") as told:
        stopped = trained(OverfittingMonitor(patience=5, stop=True))
    assert stopped.stopped == "callback" and len(told) == 1
    end = len(stopped.history["loss"])
    assert end < 40 and overfitting(stopped.history, patience=5).began == end - 4
    assert stopped.history["val_loss"] == result.history["val_loss"][:end]


def test_a_training_that_does_not_overfit_is_left_alone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trained(OverfittingMonitor(patience=5, min_delta=100.0, stop=True)).stopped is None


def test_picture():
    found = overfitting(HISTORY)
    (axes,) = found.plot().axes
    assert [line.get_label() for line in axes.lines] == ["training", "validation", "best: epoch 3"]
    assert len(axes.collections) == 1 and axes.get_ylabel() == "loss"
    quiet = overfitting(HISTORY, patience=6)
    assert len(quiet.plot(into=axes).axes[0].collections) == 1  # nothing more is filled


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: overfitting({"loss": [1.0]}),
            r"^overfitting: there is no metric 'val_loss' to monitor",
        ),
        (lambda: overfitting({"loss": [], "val_loss": []}), r"loss must hold at least one epoch"),
        (
            lambda: overfitting({"loss": [1.0, 2.0], "val_loss": [1.0]}),
            r"epochs of val_loss must be 2, got 1",
        ),
        (
            lambda: overfitting({"loss": [1.0], "val_loss": [math.nan]}),
            r"val_loss must be a number at one epoch",
        ),
        (lambda: overfitting(HISTORY, patience=0), r"patience must be positive integers"),
        (lambda: overfitting(HISTORY, min_delta=-1.0), r"min_delta must be at least 0, got -1\.0"),
        (
            lambda: overfitting({"r2": [1.0], "val_r2": [1.0]}, metric="r2"),
            r"mode must be 'min' or 'max'",
        ),
        (lambda: OverfittingMonitor(patience=0), r"^OverfittingMonitor: patience must be positive"),
        (lambda: OverfittingMonitor(metric="r2"), r"^OverfittingMonitor: mode must be 'min' or 'max'"),
        (lambda: OverfittingMonitor(min_delta=-0.1), r"^OverfittingMonitor: min_delta must be at least 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
