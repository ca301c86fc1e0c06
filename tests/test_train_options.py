"""Each option of `fit`, against what it stands for written out."""

import csv
import importlib.util
import json
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from kill_run import bits, differences
from test_train import classes, cross_entropy, fit, linear, linear_model, squared_error

from jaxml import optim, train
from jaxml.train._callbacks import best_epoch
from jaxml.train._optimizer import FactorState

SGD = optim.sgd(0.3)


def close(got, want, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **({"rtol": 1e-5, "atol": 1e-6} | tolerance)), got, want)


# ------------------------------------------------------------------------------------------------------- the step


@pytest.mark.parametrize("parts", [2, 8])
def test_accumulated_step_is_the_whole_step(parts):
    """The last batch too, in which 4 of 8 examples do not count."""
    options = {"optimizer": optim.adam(0.1), "epochs": 2, "clip_norm": 0.1}
    whole, cut = fit(**options), fit(accumulate=parts, **options)
    close(cut.params, whole.params, rtol=1e-4, atol=1e-5)
    close(cut.history, whole.history)
    assert int(cut.state["calls"]) == parts * int(whole.state["calls"])


def test_clip_norm_bounds_the_gradient():
    """Of two steps of gradient descent: as long as the gradient, or as long as was asked for."""
    apply, params, state = linear_model()
    x, y = classes(8)

    def moved(**options):
        new = fit((apply, params, state), (x, y), optimizer=optim.sgd(1.0), batch_size=8, **options).params
        return jax.tree.map(lambda a, b: np.asarray(a - b), new, params)

    free, loose, tight = moved(), moved(clip_norm=1e3), moved(clip_norm=1e-2)
    norm = math.sqrt(sum((a**2).sum() for a in jax.tree.leaves(free)))
    assert norm > 1e-2
    close(loose, free, rtol=1e-6)
    close(tight, jax.tree.map(lambda a: a * 1e-2 / norm, free), rtol=1e-4, atol=1e-7)


def test_ema_is_the_formula_and_what_validation_sees():
    x, y = classes(11, seed=2)
    seen = []
    result = fit(epochs=3, steps_per_epoch=None, ema=0.8, validation=(x, y), batch_size=20, best="val_loss",
                 callbacks=[lambda e: seen.append(np.asarray(e.params["w"])) or False])  # fmt: skip
    average = np.asarray(linear_model()[1]["w"])
    for w in seen:
        average = 0.8 * average + 0.2 * w
    close(result.average_params["w"], average)
    assert np.abs(average - seen[-1]).max() > 1e-3
    logits = linear(result.average_params, result.state, jnp.asarray(x, jnp.float32), train=False)[0]
    want = cross_entropy(logits, jnp.asarray(y, jnp.int32)).mean()
    np.testing.assert_allclose(result.history["val_loss"][-1], want, rtol=1e-5)
    if result.best.epoch == 3:
        close(result.best.params, result.average_params, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"average_params: opt_state must hold one average, got 0"):
        fit().average_params  # noqa: B018
    with pytest.raises(ValueError, match=r"averaged: update must be given params"):
        tx = train.averaged(optax.sgd(0.1))
        tx.update(jnp.ones(1), tx.init(jnp.ones(1)))


def keras_plateau(values, patience, factor, min_delta, sign, smallest):
    """`ReduceLROnPlateau.on_epoch_end` of Keras 3, cooldown 0, as written there; the rate begins at 1."""
    rate, best, wait, rates = 1.0, math.inf, 0, []
    for current in values:
        if sign * current < best - min_delta:
            best, wait = sign * current, 0
        else:
            wait += 1
            if wait >= patience:
                if rate > smallest:
                    rate = max(rate * factor, smallest)
                wait = 0
        rates.append(rate)
    return rates


@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_is_kerass(mode, rng):
    for patience, min_delta in ((1, 0.0), (2, 0.3), (3, 0.1)):
        values = list(rng.normal(size=30).round(1))
        plateau = train.ReduceOnPlateau("m", patience, 0.5, min_delta, smallest=0.01, mode=mode)
        got = [plateau({"m": values[: n + 1]}) for n in range(30)]
        want = keras_plateau(values, patience, 0.5, min_delta, 1 if mode == "min" else -1, 0.01)
        np.testing.assert_allclose(got, want)
    plateau = train.ReduceOnPlateau("loss", patience=1, factor=0.5)
    assert plateau({"loss": [math.nan, 3.0, math.nan, 2.0]}) == 0.25


def test_plateau_multiplies_the_updates():
    """After two epochs without an improvement of 10, steps of half the length; the history says at which rate."""
    plateau = train.ReduceOnPlateau("loss", patience=1, factor=0.5, min_delta=10.0)
    result = fit(optimizer=optim.momentum(0.1), epochs=4, plateau=plateau)
    np.testing.assert_allclose(result.history["learning_rate"], [0.1, 0.1, 0.05, 0.025], rtol=1e-6)
    factors = [s.factor for s in jax.tree.leaves(result.opt_state, is_leaf=lambda s: isinstance(s, FactorState))
               if isinstance(s, FactorState)]  # fmt: skip
    assert [float(f) for f in factors] == [0.125]

    def moved(factor):
        tx = train._optimizer.composed(SGD, clip_norm=None, plateau=True, ema=None, compute_dtype=None)
        state = train._optimizer.with_factor(tx.init(jnp.ones(2)), factor)
        return tx.update(jnp.ones(2), state, jnp.ones(2))[0]

    np.testing.assert_allclose(moved(0.5), 0.5 * np.asarray(moved(1.0)))


def test_learning_rate_schedule_is_in_the_history():
    result = fit(optimizer=optim.momentum(lambda step: 0.1 / (1 + step.astype(jnp.float32))), epochs=2)
    np.testing.assert_allclose(result.history["learning_rate"], [0.1 / 3, 0.1 / 6], rtol=1e-5)
    assert "learning_rate" not in fit().history


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_compute_dtype(dtype):
    """The model sees halves, parameters and gradients stay float32, and it still learns."""
    seen = set()

    def apply(params, state, x, train):
        seen.add((x.dtype.name, params["w"].dtype.name))
        return x @ params["w"].astype(x.dtype) + params["b"].astype(x.dtype), state

    def spied(params, state, x, train):
        return apply(params | {"b": params["b"][None]}, state, x, train)

    result = fit((spied, *linear_model()[1:]), classes(64), epochs=15, compute_dtype=dtype, optimizer=optim.adam(0.1))
    assert seen == {(dtype, "float32")}
    assert {a.dtype.name for a in jax.tree.leaves(result.params)} == {"float32"}
    assert result.history["accuracy"][-1] > 0.9
    assert ("skipped" in result.history) == (dtype == "float16")
    with pytest.raises(ValueError, match=r"in_dtype: dtype must be a floating type, got int8"):
        fit(compute_dtype="int8")


def test_loss_scale_halves_on_overflow_and_grows_after_good_steps():
    """A gradient of 1 in float16 overflows above a scale of 2^16: the step is not taken, the next ones are."""

    def apply(w, state, x, train):
        return (w.astype(jnp.float16) * x.astype(jnp.float16)).astype(jnp.float32), state

    tx = train.loss_scaled(optax.sgd(0.5), scale=2.0**18, growth_interval=3)
    step = train.make_train_step(apply, lambda outputs, y: outputs, tx)
    w, state = jnp.asarray(4.0), tx.init(jnp.asarray(4.0))
    scales, values, skipped = [], [], []
    for _ in range(7):
        w, _, state, metrics = step(w, None, state, (jnp.ones(4), jnp.ones(4)))
        scales.append(float(state.scale) / 2**16)
        values.append(float(w))
        skipped.append(float(metrics["skipped"]))
    assert scales == [2, 1, 0.5, 0.5, 0.5, 1, 0.5]
    assert skipped == [1, 1, 1, 0, 0, 0, 1]
    assert values == [4, 4, 4, 3.5, 3, 2.5, 2.5]
    assert float(metrics["loss"]) == 2.5, "of the loss itself, whatever the scale"


def test_second_call_does_not_compile_again():
    apply, params, state = linear_model()
    tx = train.averaged(train.loss_scaled(optim.adam(0.1)))
    counted = chex.assert_max_traces(apply, n=1)
    step = train.make_train_step(lambda *a, train: counted(*a, train), cross_entropy, tx)
    x, y = classes(8)
    carry = params, state, tx.init(params)
    for _ in range(3):
        *carry, _ = step(*carry, (x.astype(np.float32), y.astype(np.int32)))
    chex.clear_trace_counter()


# -------------------------------------------------------------------------------------------- numbers not finite


def test_stop_names_the_first_array_that_was_not_finite():
    def poisoned(params, state, x, train):
        bad = jnp.where(state["calls"] >= 3, jnp.inf, 0.0)  # the fourth step's parameters are finite, its loss is not
        logits, state = linear(params, state, x, train)
        return logits + bad * (1 if train else 0), state

    with pytest.raises(FloatingPointError, match=r"loss is nan at step 4 .*; parameters and inputs were finite"):
        fit((poisoned, *linear_model()[1:]), epochs=3)

    apply, params, state = linear_model()
    with pytest.raises(FloatingPointError, match=r"at step 1 .*the first array that was not finite is params\['w'\]"):
        fit((apply, params | {"w": params["w"].at[1, 1].set(jnp.nan)}, state))

    x, y = classes(20)
    stream = [(x[:8], y[:8]), (np.where(np.arange(24).reshape(8, 3) == 7, np.nan, x[8:16]), y[8:16])]
    with pytest.raises(FloatingPointError, match=r"step 2 \(epoch 1, batch 2\); the first array .* is the batch's x"):
        fit(data=stream, batch_size=None)


def test_no_checkpoint_is_made_of_what_is_not_finite(tmp_path):
    """The loss was still finite, the step after it made the parameters infinite."""
    message = r"fit: params\['b'\] is not finite after step 1; no checkpoint is made"
    with pytest.raises(FloatingPointError, match=message):
        fit(optimizer=optax.scale(-math.inf), batch_size=20, checkpoint_dir=tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.name.isdigit()]


def test_skip_changes_nothing_and_counts():
    """A batch with a loss of infinity teaches nothing: the run equals one without it."""
    x, y = (np.asarray(a, np.float32) for a in (classes(24)[0], classes(24)[0][:, :2]))
    batches = [(x[i : i + 8], y[i : i + 8]) for i in (0, 8, 16)]
    bad = [batches[0], (np.full_like(x[:8], np.inf), y[:8]), *batches[1:]]
    options = {"loss": squared_error, "batch_size": None, "epochs": 2}
    clean, skipped = (fit(data=data, nonfinite="skip", **options) for data in (batches, bad))
    close((skipped.params, skipped.opt_state), (clean.params, clean.opt_state), rtol=0, atol=0)
    assert skipped.history["skipped"] == (1.0, 1.0)
    assert clean.history["skipped"] == (0.0, 0.0)
    close(skipped.history["loss"], clean.history["loss"], rtol=1e-6)
    assert int(skipped.state["calls"]) == int(clean.state["calls"]) == 6
    nothing = fit(data=[bad[1]], nonfinite="skip", **options)
    assert nothing.history["skipped"] == (1.0, 1.0)
    assert np.isnan(nothing.history["loss"]).all()
    ignored = fit(data=bad, nonfinite="ignore", **options)
    assert np.isnan(ignored.params["w"]).any()
    with pytest.raises(ValueError, match=r"fit: nonfinite must be one of .*stop.*skip.*ignore"):
        fit(nonfinite="keep")


# ----------------------------------------------------------------------------------------------------- how long


@pytest.mark.parametrize(
    ("options", "steps", "rows"),
    [
        ({"epochs": 2}, 6, 2),
        ({"epochs": None, "steps": 7}, 7, 3),
        ({"epochs": 2, "steps": 7}, 6, 2),
        ({"epochs": 5, "steps": 4}, 4, 2),
        ({"data": "list", "epochs": 2}, 6, 2),
        ({"data": "list", "epochs": None, "steps": 7}, 7, 3),
        ({"data": "list", "epochs": 2, "steps_per_epoch": 4}, 8, 2),
        ({"data": "list", "epochs": 3, "steps_per_epoch": 4, "steps": 9}, 9, 3),
        ({"data": "once", "epochs": 1}, 3, 1),
        ({"data": "once", "epochs": None, "steps": 2}, 2, 1),
        (
            {"data": "once", "epochs": 1, "steps_per_epoch": 2},
            2,
            1,
        ),  # tests/test_train_resume.py has those that end early
    ],
)
def test_how_long(options, steps, rows):
    x, y = classes(20)
    batches = [(x[i : i + 8], y[i : i + 8]) for i in (0, 8, 16)]
    data = options.pop("data", None)
    if data:
        options |= {"data": batches if data == "list" else iter(batches), "batch_size": None}
    result = fit(**options)
    assert (result.step, len(result.history["loss"])) == (steps, rows)


def test_early_stopping_and_its_epoch():
    """Patience 2 and no improvement by 10: after the third epoch, and not before."""
    stop = train.EarlyStopping("loss", patience=2, min_delta=10.0)
    result = fit(epochs=9, early_stopping=stop)
    assert (len(result.history["loss"]), result.stopped) == (3, "early stopping")
    assert fit(epochs=2, early_stopping=stop).stopped is None
    rising = train.EarlyStopping("accuracy", patience=1)
    assert [rising({"accuracy": values}) for values in ([0.5], [0.5, 0.6], [0.5, 0.6, 0.6])] == [False, False, True]
    assert train.EarlyStopping("loss", patience=2)({"loss": [math.nan] * 2})


def test_best_is_the_first_of_the_best():
    assert best_epoch("loss", {"loss": [2.0, 1.0, math.nan, 1.0]}) == 1
    assert best_epoch("val_accuracy", {"val_accuracy": [math.nan, 0.5, 0.7, 0.7]}) == 2
    result = fit(epochs=4, optimizer=optim.sgd(3.0), validation=classes(11), best="val_loss")
    values = result.history["val_loss"]
    assert (result.best.epoch, result.best.value) == (1 + int(np.argmin(values)), min(values))


def test_callbacks_see_the_epoch_and_can_stop():
    seen = []

    def watch(epoch):
        seen.append((epoch.epoch, epoch.step, dict(epoch.figures), {n: list(v) for n, v in epoch.history.items()}))
        assert epoch.params["w"].shape == (3, 2)
        assert int(epoch.state["calls"]) == epoch.step
        return epoch.epoch == 2

    asked = []
    result = fit(epochs=5, callbacks=[watch, lambda epoch: asked.append(epoch.epoch)])
    assert (result.stopped, result.step, asked) == ("callback", 6, [1, 2])
    assert [s[:2] for s in seen] == [(1, 3), (2, 6)]
    assert seen[1][3] == {name: list(values) for name, values in result.history.items()}
    assert seen[1][2] == {name: values[-1] for name, values in result.history.items()}


# -------------------------------------------------------------------------------------------------- data and metrics


def test_metrics_are_means_over_the_examples():
    x, y = classes(20)
    result = fit(data=(x, y), epochs=1, metrics={"positive": lambda outputs, y: y == 1}, validation=(x[:7], y[:7]))
    np.testing.assert_allclose(result.history["positive"], [(y == 1).mean()], rtol=1e-6)
    np.testing.assert_allclose(result.history["val_positive"], [(y[:7] == 1).mean()], rtol=1e-6)
    message = r"the shape of metric 'scalar', one value per example, must be \(8,\), got \(\)"
    with pytest.raises(ValueError, match=message):
        fit(metrics={"scalar": lambda outputs, y: outputs.mean()})


def test_trees_of_arrays():
    """x as a dict or a tuple, y as a dict: the same run as on plain arrays."""
    x, y = classes(20)

    def split(params, state, x, train):
        left, right = (x["left"], x["right"]) if isinstance(x, dict) else x
        logits, state = linear(params, state, jnp.concatenate([left, right], 1), train)
        return {"logits": logits}, state

    def loss(outputs, y):
        return cross_entropy(outputs["logits"], y["label"])

    want = fit(data=(x, y), epochs=2)
    for parts in ({"left": x[:, :1], "right": x[:, 1:]}, (x[:, :1], x[:, 1:])):
        data = parts, {"label": y}
        result = fit((split, *linear_model()[1:]), data, loss=loss, epochs=2, validation=data)
        close(result.params, want.params, rtol=1e-6)
        assert list(result.history) == ["loss", "val_loss"]
    stream = [({"left": x[:, :1], "right": x[:, 1:]}, {"label": y})] * 2
    assert fit((split, *linear_model()[1:]), stream, loss=loss, epochs=2, batch_size=None).step == 4


def test_stream_of_batches_equals_the_arrays():
    """Of the same order: a smaller last batch, mappings, `where`, lists of two."""
    x, y = classes(20)
    order = np.random.default_rng([0, 0]).permutation(20)
    want = fit(data=(x, y))
    cut = [(x[rows], y[rows]) for rows in (order[:8], order[8:16], order[16:])]
    marked = [{"x": x[rows], "y": y[rows], "where": np.arange(8) < n} for rows, n in
              ((order[:8], 8), (order[8:16], 8), (np.resize(order[16:], 8), 4))]  # fmt: skip
    for stream in (cut, [list(batch) for batch in cut], iter(cut), marked):
        result = fit(data=stream, batch_size=None)
        close(result.params, want.params, rtol=1e-6)
        close(result.history, want.history, rtol=1e-6)
    assert fit(data=[list(b) for b in cut[:2]], batch_size=None).step == 2, "two lists are two batches"


# ------------------------------------------------------------------------------------------------------- on disk


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        table = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return table, lines


def test_history_on_disk(tmp_path):
    """Every figure to the last digit, a row an epoch, none twice after resuming, whatever the kill left."""
    options = {"validation": classes(7), "checkpoint_dir": tmp_path}
    fit(epochs=2, **options)
    (tmp_path / "metrics.csv").write_text("cut sh")
    fit(epochs=2, resume=True, **options)
    assert len(rows(tmp_path)[0]) == 2, "written anew, though there was nothing to train"
    result = fit(epochs=3, resume=True, **options)
    want = [{"epoch": i + 1, **{n: v[i] for n, v in result.history.items()}} for i in range(3)]
    assert rows(tmp_path) == (want, want)
    assert not list(tmp_path.glob("*.new"))

    fit(epochs=1, log_dir=tmp_path / "logs")
    assert len(rows(tmp_path / "logs")[1]) == 1
    x, y = classes(8)
    fit(data=[(x * np.inf, y)], batch_size=None, nonfinite="ignore", log_dir=tmp_path / "nan")
    assert json.loads((tmp_path / "nan" / "metrics.jsonl").read_text(), parse_constant=pytest.fail)["loss"] is None


@pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="TensorBoard is not installed")
def test_tensorboard_reads_the_history(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(epochs=1, checkpoint_dir=tmp_path)
    result = fit(epochs=3, checkpoint_dir=tmp_path, resume=True)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "accuracy"}
    found = [(e.step, e.value) for e in events.Scalars("loss")]
    assert [step for step, _ in found] == [1, 2, 3]
    np.testing.assert_allclose([value for _, value in found], result.history["loss"], rtol=1e-6)


def test_logs_and_checkpoints_do_not_change_the_run(tmp_path):
    plain = fit(epochs=2)
    assert differences(bits(fit(epochs=2, log_dir=tmp_path, checkpoint_dir=tmp_path)), bits(plain)) == []
