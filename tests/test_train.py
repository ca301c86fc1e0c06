"""The compiled steps and the loop, on functions written by hand: what is learnt, seen, masked, kept and refused."""

import io
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

from jaxml import optim, train
from jaxml.data import Images
from jaxml.train import _batches, _loop, _progress


def linear(params, state, x, train):
    """Logits of a linear classifier; the state counts training calls."""
    return x @ params["w"] + params["b"][None], {"calls": state["calls"] + int(train)}


def linear_model(inputs=3, outputs=2):
    w = jnp.asarray(np.random.default_rng(0).normal(size=(inputs, outputs)), jnp.float32)
    return linear, {"w": w, "b": jnp.zeros(outputs)}, {"calls": jnp.zeros([], jnp.int32)}


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def squared_error(outputs, y):
    return ((outputs - y) ** 2).mean(-1)


def classes(n, seed=0):
    """Two classes that a line separates."""
    x = np.random.default_rng(seed).normal(size=(n, 3))
    return x, (x @ np.array([1.0, -2.0, 0.5]) > 0).astype(np.int64)


def fit(model=None, data=None, **options):
    defaults = {"loss": cross_entropy, "optimizer": optim.momentum(0.1), "epochs": 1, "batch_size": 8}
    return train.fit(model or linear_model(), classes(20) if data is None else data, **(defaults | options))


def test_step_is_gradient_descent_on_the_mean():
    apply, params, state = linear_model()
    x, y = classes(8)
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32)

    def mean_loss(params):
        return cross_entropy(apply(params, state, x, train=True)[0], y).mean()

    want_loss, gradient = jax.value_and_grad(mean_loss)(params)
    want = jax.tree.map(lambda p, g: np.asarray(p - 0.5 * g), params, gradient)
    want_accuracy = (apply(params, state, x, train=True)[0].argmax(1) == y).mean()

    tx = optim.momentum(0.5, momentum=0.0)
    step = train.make_train_step(apply, cross_entropy, tx)
    new, new_state, _, metrics = step(params, state, tx.init(params), (x, y))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), new, want)
    np.testing.assert_allclose(metrics["loss"], want_loss, rtol=1e-6)
    assert float(metrics["accuracy"]) == float(want_accuracy)
    assert (int(new_state["calls"]), float(metrics["examples"])) == (1, 8.0)
    assert params["w"].is_deleted(), "the arguments are donated"


def test_masked_examples_change_neither_loss_nor_gradient():
    apply, params, state = linear_model()
    x, y = classes(8)
    y = y.astype(np.int32)
    tx = optim.momentum(0.5)
    step = train.make_train_step(apply, cross_entropy, tx)
    where = np.arange(8) < 5
    copies = [jax.tree.map(jnp.copy, (params, state, tx.init(params))) for _ in range(2)]
    padded = step(*copies[0], (x, y, where))
    short = step(*copies[1], (x[:5], y[:5]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), padded, short)


def test_nothing_counts_gives_zero_and_no_step():
    apply, params, state = linear_model()
    before = np.asarray(params["w"])
    tx = optim.momentum(0.5)
    x, y = classes(4)
    step = train.make_train_step(apply, cross_entropy, tx)
    new, _, _, metrics = step(params, state, tx.init(params), (x, y.astype(np.int32), np.zeros(4, bool)))
    assert float(metrics["loss"]) == float(metrics["examples"]) == 0
    np.testing.assert_array_equal(new["w"], before)


def test_infinite_loss_that_is_masked():
    step = train.make_eval_step(lambda p, s, x, train: (x, s), lambda outputs, y: outputs)
    metrics = step(None, None, (np.array([1.0, np.inf, np.nan]), np.zeros(3), np.array([True, False, False])))
    assert float(metrics["loss"]) == 1.0
    assert "accuracy" not in metrics


def test_eval_step_is_not_training():
    apply, params, state = linear_model()
    seen = []

    def spy(params, state, x, train):
        seen.append(train)
        return apply(params, state, x, train=train)

    x, y = classes(4)
    train.make_eval_step(spy, cross_entropy)(params, state, (x, y.astype(np.int32)))
    assert seen == [False]
    assert not params["w"].is_deleted()


def test_loss_in_half_precision_is_averaged_in_float32():
    """The sum of 4096 losses of 40 is beyond float16, and beyond the digits of bfloat16."""
    step = train.make_eval_step(lambda p, s, x, train: (x, s), lambda outputs, y: outputs)
    for dtype in ("float16", "bfloat16"):
        metrics = step(None, None, (jnp.full(4096, 40.0, dtype), jnp.zeros(4096)))
        assert float(metrics["loss"]) == 40.0


@pytest.mark.parametrize("maker", ["make_train_step", "make_eval_step"])
def test_loss_must_be_one_value_per_example(maker):
    apply, params, state = linear_model()
    tx = optim.momentum(0.1)
    x, y = classes(4)
    message = rf"{maker}: the loss's shape, one value per example, must be \(4,\), got \(\) \(y: \(4,\)\)"

    def mean(logits, y):
        return cross_entropy(logits, y).mean()

    with pytest.raises(ValueError, match=message):
        if maker == "make_train_step":
            train.make_train_step(apply, mean, tx)(params, state, tx.init(params), (x, y.astype(np.int32)))
        else:
            train.make_eval_step(apply, mean)(params, state, (x, y.astype(np.int32)))


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (8, 4), (5, 5), (1, 1), (7, 3)])
def test_batches_lose_nothing_and_have_one_shape(n, batch_size):
    x, y = np.arange(n) * 10, np.arange(n)
    source = _batches.Arrays("fit", "data", (x, y), batch_size)
    order = np.random.default_rng([0, 3]).permutation(n)
    cut = list(source.epoch(3))
    assert len(cut) == math.ceil(n / batch_size)
    assert {a.shape for batch in cut for a in batch} == {(batch_size,)}
    assert np.concatenate([y[where] for _, y, where in cut]).tolist() == order.tolist()
    assert all((x == 10 * y).all() for x, y, _ in cut), "rows of x and y stay together, filling included"


def test_images_on_disk_are_read_batch_by_batch(monkeypatch):
    read = []
    images = Images(tuple(Path(str(i)) for i in range(5)), (2, 2), 1)
    monkeypatch.setattr(Images, "_read", lambda self, path: read.append(path) or np.full((2, 2, 1), int(path.name)))
    source = _batches.Arrays("fit", "data", (images, np.arange(5)), 2)
    read.clear()
    for n, (x, y, _) in enumerate(source.epoch(1)):
        assert (x.shape, len(read)) == ((2, 2, 2, 1), 2 * (n + 1))
        assert (x[:, 0, 0, 0] == y).all()


def test_fit_learns():
    result = fit(data=classes(200), validation=classes(100, seed=1), epochs=20, batch_size=32)
    assert set(result.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 20 for values in result.history.values())
    assert result.history["loss"][-1] < 0.3 * result.history["loss"][0]
    assert result.history["val_accuracy"][-1] > 0.95
    assert int(result.state["calls"]) == 20 * 7
    assert len(result.step_seconds) == result.step == 20 * 7
    assert result.seconds_per_step > 0
    assert result.compile_seconds > 0


def test_fit_equals_a_loop_written_out():
    """The same shuffles, batches of 8, 8 and 4, the mean over each batch's own examples."""
    apply, params, state = linear_model()
    x, y = classes(20)
    tx = optim.adam(0.05)
    result = fit((apply, params, state), (x, y), optimizer=tx, epochs=2, seed=5)

    opt_state = tx.init(params)
    losses = []
    for epoch in range(2):
        order, total = np.random.default_rng([5, epoch]).permutation(20), 0.0
        for i in (0, 8, 16):
            rows = order[i : i + 8]

            def mean_loss(params, rows=rows):
                logits = apply(params, state, jnp.asarray(x[rows], jnp.float32), train=True)[0]
                return cross_entropy(logits, jnp.asarray(y[rows], jnp.int32)).mean()

            loss, gradient = jax.value_and_grad(mean_loss)(params)
            updates, opt_state = tx.update(gradient, opt_state)
            params = optax.apply_updates(params, updates)
            total += float(loss) * len(rows)
        losses.append(total / 20)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), result.params, params)
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-5)


def test_validation_is_of_all_examples_at_the_end_of_the_epoch():
    apply, params, state = linear_model()
    x, y = classes(11, seed=2)  # in batches of 8: 8 and 3
    result = fit((apply, params, state), validation=(x, y), epochs=3)
    logits = apply(result.params, state, jnp.asarray(x, jnp.float32), train=False)[0]
    want = cross_entropy(logits, jnp.asarray(y, jnp.int32))
    np.testing.assert_allclose(result.history["val_loss"][-1], want.mean(), rtol=1e-5)
    np.testing.assert_allclose(result.history["val_accuracy"][-1], (logits.argmax(1) == y).mean(), rtol=1e-6)


def test_seed_fixes_the_run_and_the_model_is_left_alone():
    model = linear_model()
    first, again, other = fit(model, seed=1), fit(model, seed=1), fit(model, seed=2)
    np.testing.assert_array_equal(first.params["w"], again.params["w"])
    assert first.history == again.history
    assert np.abs(first.params["w"] - other.params["w"]).max() > 0
    np.testing.assert_array_equal(model[1]["w"], linear_model()[1]["w"])
    assert int(model[2]["calls"]) == 0


def test_one_program_serves_incomplete_batches():
    apply, params, state = linear_model()
    traced = []

    def spy(params, state, x, train):
        traced.append((train, x.shape))
        return apply(params, state, x, train=train)

    fit((spy, params, state), epochs=3, validation=classes(11))
    assert traced == [(True, (8, 3)), (False, (8, 3))]


def test_batches_are_no_larger_than_the_data():
    shapes = []

    def spy(params, state, x, train):
        shapes.append(x.shape)
        return linear(params, state, x, train)

    result = fit((spy, *linear_model()[1:]), batch_size=None)
    assert set(shapes) == {(20, 3)}
    assert len(result.step_seconds) == 1
    with pytest.raises(ValueError, match=r"fit: batch_size must be at most the number of examples, 20, got 21"):
        fit(batch_size=21)


def test_random_keys_in_the_state():
    """Dropout's keys live in the state: they are copied, donated and carried on like the rest."""

    def noisy(params, state, x, train):
        key, now = jax.random.split(state["key"])
        return x @ params["w"] + jax.random.normal(now, (1, 2)), {"key": key}

    key = jax.random.key(3)
    result = fit((noisy, {"w": jnp.ones((3, 2))}, {"key": key}), epochs=2)
    want = key
    for _ in range(2 * 3):
        want = jax.random.split(want)[0]
    assert jnp.array_equal(jax.random.key_data(result.state["key"]), jax.random.key_data(want))
    jax.random.normal(key)  # the caller's key still lives


def test_regression_has_no_accuracy_and_takes_jax_arrays():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(30, 3)), jnp.float32)
    y = x @ jnp.array([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]])
    result = fit(data=[x, y], loss=squared_error, optimizer=optim.adam(0.1), epochs=60)
    assert list(result.history) == ["loss"]
    np.testing.assert_allclose(result.params["w"], [[1, 0], [2, -1], [0, 3]], atol=0.05)


def test_optimizer_whose_state_begins_as_the_parameters():
    """Donating one buffer twice is an error in JAX; `fit` copies first."""
    keep = optax.GradientTransformation(lambda params: params, lambda g, s, params=None: (g, s))
    result = fit(optimizer=optax.chain(keep, optim.momentum(0.1)))
    assert np.isfinite(result.params["w"]).all()


def test_loss_that_is_not_finite_names_the_step():
    x, y = classes(20)
    order = np.random.default_rng([0, 1]).permutation(20)
    bad = order[9]  # the second batch of the second epoch

    def loss(logits, labels):
        return jnp.where(labels == 1, jnp.inf, cross_entropy(logits, labels))

    def poisoned(params, state, x, train):
        calls = state["calls"]
        logits, state = linear(params, state, x, train)
        is_bad = jnp.all(jnp.isclose(x, jnp.asarray(X_BAD)), axis=-1) & (calls >= 3)
        return jnp.where(is_bad[:, None], jnp.nan, logits), state

    X_BAD = x[bad : bad + 1].astype(np.float32)
    with pytest.raises(FloatingPointError, match=r"fit: loss is nan at step 5 \(epoch 2, batch 2 of 3\)"):
        fit((poisoned, *linear_model()[1:]), (x, y), epochs=3)
    with pytest.raises(FloatingPointError, match=r"fit: loss is inf at step 1 \(epoch 1, batch 1 of 1\)"):
        fit(data=(x, np.full(20, 1)), loss=loss, batch_size=20)


def test_progress_bar_on_a_terminal(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(_progress, "Console", lambda **_: Console(file=shown, force_terminal=True, width=120))
    fit(epochs=2)
    text = shown.getvalue()
    assert "epoch 2/2" in text
    assert "6/6" in text
    assert "loss 0." in text or "loss 1." in text
    assert "steps/s" in text
    shown.truncate(0)
    fit(progress=False)
    assert "epoch" not in shown.getvalue()


def test_figures_of_fast_steps_are_read_together_and_none_is_lost():
    """20 steps; one time for each, their mean where they were read at once."""
    x, y = classes(80)
    apply, params, state = linear_model()
    loss = lambda outputs, y: cross_entropy(outputs, y)  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loop, "READ_EVERY", 1e3)
        result = fit((apply, params, state), (x, y), batch_size=4, loss=loss, epochs=2)
        patch.setattr(_loop, "READ_EVERY", 0.0)
        one = fit((apply, params, state), (x, y), batch_size=4, loss=loss, epochs=2)
    assert result.history == one.history
    assert len(result.step_seconds) == len(one.step_seconds) == 40 == result.step
    assert len(set(result.step_seconds)) < 10 < len(set(one.step_seconds))


def test_silent_where_there_is_no_terminal(capfd):
    fit()
    assert capfd.readouterr() == ("", "")


def never(*_, **__):
    raise AssertionError("nothing may be traced")


X, Y = classes(6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": (X, Y[:5])}, r"fit: data's x and y must have the same length \(x: \(6, 3\), y: \(5,\)\)"),
        ({"validation": (X[:2], Y)}, r"fit: validation's x and y must have the same length \(x: \(2, 3\), y: \(6,\)\)"),
        ({"data": (X[:0], Y[:0])}, r"fit: data must have at least one example \(x: \(0, 3\), y: \(0,\)\)"),
        ({"data": X}, r"fit: data must be a pair of arrays \(x, y\), got ndarray"),
        ({"data": (X, Y, Y)}, r"fit: data must be a pair of arrays \(x, y\), got 3 parts"),
        ({"data": (1.0, 2.0)}, r"fit: data's x and y must have the same length \(x: \(\), y: \(\)\)"),
        ({"epochs": 0}, r"fit: epochs must be positive integers, got \(0,\)"),
        ({"batch_size": 0}, r"fit: batch_size must be positive integers, got \(0,\)"),
        ({"model": (never, {})}, r"fit: model must be an NNX module or \(apply, params, state\), got 2 parts"),
    ],
)  # fmt: skip
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        fit(**({"model": (never, {}, {}), "loss": never} | options))


@pytest.mark.usefixtures("unchecked_types")
def test_arguments_of_the_wrong_kind():
    with pytest.raises(TypeError, match=r"fit: optimizer must be an optax.GradientTransformation, got function"):
        fit((never, {}, {}), optimizer=optim.adam)
    with pytest.raises(TypeError, match=r"fit: metrics must map names to functions of \(outputs, y\), got list"):
        fit((never, {}, {}), metrics=[never])
    with pytest.raises(TypeError, match=r"fit: callbacks must be functions of an Epoch, got \[3\]"):
        fit((never, {}, {}), callbacks=[3])
    with pytest.raises(ValueError, match=r"fit: data must have y, got None"):
        fit((never, {}, {}), (np.ones((3, 3)), None))
    with pytest.raises(TypeError, match=r"functionalize: model must be an nnx.Module, got int"):
        fit(3)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"calls": jnp.zeros([], jnp.float32)}, r"state\['calls'\] went from int32\(\) to float32\(\)"),
        ({"calls": jnp.zeros(2, jnp.int32)}, r"state\['calls'\] went from int32\(\) to int32\(2,\)"),
        ({"other": jnp.zeros([], jnp.int32)}, r"a step must keep the tree of state"),
    ],
)
def test_state_that_changes_its_types(bad, message):
    def apply(params, state, x, train):
        return linear(params, state, x, train)[0], bad

    with pytest.raises(ValueError, match=message):
        fit((apply, *linear_model()[1:]))
