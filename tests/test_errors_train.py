"""What `fit` and its parts refuse, and what they say then."""

import numpy as np
import optax
import pytest
from test_train import classes, cross_entropy, fit, linear, linear_model

from jaxml import optim, train

SGD = optim.sgd(0.3)
X6, Y6 = classes(6)
ONE = (X6, Y6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": None}, r"fit: epochs or steps must say how long to train"),
        ({"steps": 0}, r"fit: steps must be positive integers, got \(0,\)"),
        ({"checkpoint_every": -1}, r"fit: checkpoint_every must be positive integers"),
        ({"keep": 0}, r"fit: keep must be positive integers"),
        ({"accumulate": 0}, r"fit: accumulate must be positive integers"),
        ({"accumulate": 3, "batch_size": 4}, r"fit: batch_size must be a multiple of accumulate=3, got 4"),
        ({"clip_norm": 0.0}, r"fit: clip_norm must be"),
        ({"ema": 1.0}, r"fit: ema must lie strictly"),
        ({"best": "val_f1"}, r"fit: best must be a name that ends in loss, error, accuracy.*, got 'val_f1'"),
        ({"best": "val_loss"}, r"fit: there is no metric 'val_loss' to monitor; there are accuracy, loss"),
        ({"early_stopping": train.EarlyStopping()}, r"EarlyStopping: there is no metric 'val_loss' to monitor"),
        ({"plateau": train.ReduceOnPlateau("error")}, r"ReduceOnPlateau: there is no metric 'error' to monitor"),
        ({"steps_per_epoch": 2}, r"fit: steps_per_epoch is for streams; arrays have their own number of batches"),
        ({"data": [ONE] * 3, "batch_size": 2}, r"fit: batch_size is for arrays; a stream of batches brings its own"),
        ({"data": [ONE] * 3, "steps_per_epoch": 0}, r"fit: steps_per_epoch must be positive integers"),
        ({"data": 3.0}, r"fit: data must be a pair of arrays \(x, y\) or an iterable of batches, got float"),
        ({"data": []}, r"fit: data must have at least one batch"),
        ({"data": [1, 2, 3]}, r"fit: a batch must be \(x, y\) or \(x, y, where\), got int"),
        ({"data": [(X6,)] * 3}, r"fit: a batch must be \(x, y\) or \(x, y, where\), got 1 parts"),
        ({"data": [{"x": X6, "label": Y6}]}, r"fit: a batch that is a mapping must have x and y, .*; got x, label"),
        ({"data": [(X6, Y6[:2])] * 3}, r"fit: data's x and y must have the same length \(x: \(6, 3\), y: \(2,\)\)"),
        ({"data": [(*ONE, np.ones(5, bool))]}, r"fit: where must have shape \(6,\), one entry per example, got \(5,\)"),
        ({"validation": iter([ONE])}, r"fit: validation must begin anew after every epoch, which a list_iterator"),
        ({"data": (X6 * np.inf, Y6)}, r"fit: data's x must be finite, got -?inf in example 0; leave such examples out"),
        ({"data": (X6, Y6 + 1)}, r"fit: data's labels must be classes of the outputs, from 0 to 1, got 2 in"),
        ({"validation": (X6, Y6 - 1)}, r"fit: validation's labels must be classes of the outputs, from 0 to 1, got -1"),
    ],
)  # fmt: skip
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(**({"data": ONE, "batch_size": None} | options))


def test_refused_types():
    with pytest.raises(TypeError, match=r"fit: where must be boolean, got float64"):
        fit(data=[(*ONE, np.full(6, 0.5))], batch_size=None)
    with pytest.raises(TypeError, match=r"fit: data must be numbers, got an array of <U1; encode strings first"):
        fit(data=(X6, np.array(list("aabbab"))), batch_size=None)


def test_streams_that_fail_later():
    class Twice:
        """The second pass gives nothing."""

        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter([ONE] if self.passes <= 2 else [])  # the first is looked at for its shapes

    with pytest.raises(ValueError, match=r"fit: data gave no batch when it began anew"):
        fit(data=Twice(), batch_size=None, epochs=2)


def test_stream_that_is_shorter_when_resumed(tmp_path):
    fit(data=[ONE] * 3, batch_size=None, epochs=None, steps=2, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=r"fit: data ended after 1 batches, but the checkpoint was made after 2"):
        fit(data=iter([ONE]), batch_size=None, epochs=1, checkpoint_dir=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: train.EarlyStopping(patience=0), r"EarlyStopping: patience must be positive integers"),
        (lambda: train.EarlyStopping(min_delta=-1.0), r"EarlyStopping: min_delta must be"),
        (lambda: train.EarlyStopping("f1"), r"EarlyStopping: mode must be 'min' or 'max' for monitor 'f1', whose name"),
        (lambda: train.EarlyStopping(mode="up"), r"EarlyStopping: mode must be one of .*min.*max"),
        (lambda: train.ReduceOnPlateau(factor=1.0), r"ReduceOnPlateau: factor must lie"),
        (lambda: train.ReduceOnPlateau(smallest=2.0), r"ReduceOnPlateau: smallest must lie"),
        (lambda: train.averaged(optax.sgd(1.0), decay=1.0), r"averaged: decay must lie"),
        (lambda: train.loss_scaled(optax.sgd(1.0), scale=0.0), r"loss_scaled: scale must be"),
        (
            lambda: train.loss_scaled(optax.sgd(1.0), growth_interval=0),
            r"loss_scaled: growth_interval must be positive",
        ),
        (
            lambda: train.make_train_step(linear, cross_entropy, SGD, accumulate=0),
            r"make_train_step: accumulate must be",
        ),
        (
            lambda: train.make_train_step(linear, cross_entropy, SGD, nonfinite="stop"),
            r"make_train_step: nonfinite must",
        ),
    ],
)
def test_refused_parts(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_batch_that_accumulate_does_not_divide():
    apply, params, state = linear_model()
    step = train.make_train_step(apply, cross_entropy, SGD, accumulate=4)
    with pytest.raises(ValueError, match=r"make_train_step: a batch of 6 examples cannot be cut in accumulate=4 equal"):
        step(params, state, SGD.init(params), (X6.astype(np.float32), Y6.astype(np.int32)))
