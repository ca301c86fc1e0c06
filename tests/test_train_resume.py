"""A resumed run equals the one left alone, to the last bit: at any step, with any data, after any signal."""

import os
import shutil
import signal
import warnings

import grain
import jax.numpy as jnp
import numpy as np
import pytest
from kill_run import (
    X,
    Y,
    await_progress,
    bits,
    cross_entropy,
    differences,
    finish,
    kill_run,
    model,
    start,
    steps_in,
    train_once,
)  # fmt: skip

from jaxml import optim, train

BATCHES = [(X[i : i + 8], Y[i : i + 8]) for i in (0, 8, 16)]  # the last has 6 examples


def fit(data=(X, Y), **options):
    defaults = {"loss": cross_entropy, "optimizer": optim.adam(0.05), "progress": False}
    if isinstance(data, tuple):
        defaults["batch_size"] = 8
    return train.fit(model(), data, **(defaults | options))


def cut(folder, to, step):
    """A copy of `folder` as a run killed right after the checkpoint of this step leaves it."""
    shutil.copytree(folder, to)
    for later in steps_in(to):
        if later > step:
            shutil.rmtree(to / str(later))
    return to


OPTIONS = {
    "plain": {},
    "watched": {
        "validation": (X[:7], Y[:7]),
        "best": "val_loss",
        "ema": 0.9,
        "clip_norm": 1.0,
        "plateau": train.ReduceOnPlateau(patience=1, factor=0.5, min_delta=10.0),
        "early_stopping": train.EarlyStopping(patience=3, min_delta=10.0),
    },
    "ties": {"best": "accuracy", "metrics": {"accuracy": lambda outputs, y: jnp.ones(len(y))}},
    "float16": {"compute_dtype": "float16", "accumulate": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_killed_after_any_checkpoint(name, tmp_path):
    """In the middle of an epoch and at its end, with every part of the run's state in use."""
    options = {"epochs": 6 if name == "watched" else 2, "checkpoint_every": 1, "keep": 100, **OPTIONS[name]}
    alone = fit(checkpoint_dir=tmp_path / "alone", **options)
    assert alone.stopped == ("early stopping" if name == "watched" else None)
    if name == "ties":
        assert alone.best.epoch == 1
    options["keep"] = 2
    for step in {"plain": (1, 3), "watched": (2, 8), "ties": (3,), "float16": (1,)}[name]:
        folder = cut(tmp_path / "alone", tmp_path / f"cut{step}", step)
        resumed = fit(checkpoint_dir=folder, resume=True, **options)
        assert differences(bits(resumed), bits(alone)) == [], step
        assert len(resumed.step_seconds) == alone.step - step
    if name not in ("plain", "watched"):
        return
    again = fit(checkpoint_dir=folder, resume=True, **options)  # what has ended is only read
    assert differences(bits(again), bits(alone)) == []
    assert (again.stopped, len(again.step_seconds)) == (alone.stopped, 0)


def loader(epochs):
    """A shuffled Grain DataLoader of batches (x, y)."""

    class Source:
        def __len__(self):
            return len(X)

        def __getitem__(self, i):
            return X[i], Y[i]

        def __repr__(self):  # by which Grain knows it again
            return "rows of the test"

    sampler = grain.samplers.IndexSampler(len(X), shuffle=True, seed=3, num_epochs=epochs)
    return grain.DataLoader(data_source=Source(), sampler=sampler, operations=[grain.transforms.Batch(8)])


def dataset():
    rows = grain.MapDataset.source(np.arange(len(X))).seed(3).shuffle().map(lambda i: {"x": X[i], "y": Y[i]})
    return rows.batch(8)


# What makes the data anew in each process, and the options of the run.
STREAMS = {
    "list": (lambda: BATCHES, {}),
    "two mappings": (lambda: [{"x": x, "y": y} for x, y in BATCHES[:2]], {}),
    "with where": (lambda: [(x, y, np.arange(len(y)) > 2) for x, y in BATCHES], {}),
    "passes cut anew": (lambda: BATCHES, {"steps_per_epoch": 2}),
    "generator": (lambda: (BATCHES[i % 3] for i in range(8)), {"steps_per_epoch": 3}),
    "Grain DataLoader": (lambda: loader(1), {}),
    "endless DataLoader": (lambda: loader(None), {"steps_per_epoch": 3}),
    "its iterator": (lambda: iter(loader(None)), {"steps_per_epoch": 3}),
    "Grain MapDataset": (dataset, {}),
    "Grain IterDataset": (lambda: dataset().to_iter_dataset(), {}),
}


ALIKE = {"with where", "its iterator", "Grain IterDataset", "two mappings"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in ALIKE)) for n in STREAMS])
@pytest.mark.slow
def test_streams_go_on_where_they_were(name, tmp_path):
    make, options = STREAMS[name]
    options = {"epochs": 3, "checkpoint_every": 1, "keep": 100, **options}
    alone = fit(make(), checkpoint_dir=tmp_path / "alone", **options)
    assert alone.step == {"two mappings": 6, "passes cut anew": 6, "generator": 8}.get(name, 9)
    for step in (2, alone.step):
        folder = cut(tmp_path / "alone", tmp_path / f"cut{step}", step)
        resumed = fit(make(), checkpoint_dir=folder, resume=True, **options)
        assert differences(bits(resumed), bits(alone)) == [], step


@pytest.mark.parametrize("data", ["arrays", "list", "generator"])
def test_more_steps_or_epochs_are_asked_for(data, tmp_path):
    """`steps` may end within an epoch, whose figures so far are the result's; going on continues that epoch."""

    def run(**options):
        source = {"arrays": (X, Y), "list": BATCHES, "generator": (b for _ in range(4) for b in BATCHES)}[data]
        if data == "generator":
            options["steps_per_epoch"] = 3
        return fit(source, **options)

    alone = run(steps=8)
    assert [len(v) for v in alone.history.values()] == [3, 3]
    folder = tmp_path / "run"
    first = run(steps=4, checkpoint_dir=folder)
    assert (first.step, len(first.history["loss"])) == (4, 2)
    assert differences(bits(run(steps=4, checkpoint_dir=folder, resume=True)), bits(first)) == []
    run(steps=6, checkpoint_dir=folder, resume=True)
    assert differences(bits(run(steps=8, checkpoint_dir=folder, resume=True)), bits(alone)) == []
    run(epochs=3, checkpoint_dir=folder, resume=True)
    want = run(epochs=4)
    assert differences(bits(run(epochs=4, checkpoint_dir=folder, resume=True)), bits(want)) == []


def test_iterator_that_ends_early(tmp_path):
    """The run ends with it, and says so. The resumed one has ended too, though the iterator given to it is fresh."""

    def run(**options):
        said = r"fit: data ended after 3 steps, in epoch 2 of the run, before the 5 epochs asked for: an iterator gives"
        with pytest.warns(UserWarning, match=said):
            return fit(iter(BATCHES), epochs=5, steps_per_epoch=2, checkpoint_dir=tmp_path, **options)

    alone = run()
    assert (alone.step, len(alone.history["loss"]), alone.stopped) == (3, 2, "data ended")
    assert differences(bits(run(resume=True)), bits(alone)) == []


def test_iterator_for_one_epoch_and_for_several():
    assert fit(iter(BATCHES), epochs=1).stopped is None
    message = r"fit: data must begin anew for each of the 2 epochs, which a list_iterator cannot: give a list, or what"
    with pytest.raises(ValueError, match=message):
        fit(iter(BATCHES), epochs=2)


def test_python_numbers_in_the_state(tmp_path):
    """JAX marks their arrays as weak, and promotes those otherwise; a checkpoint does not hold the mark."""
    seen = []

    def apply(params, state, x, train):
        seen.append((state["scale"].weak_type, params["w"].weak_type))
        return x @ params["w"] * state["scale"], state

    def run(**options):
        scaled = apply, {"w": jnp.full((3, 2), 1.0)}, {"scale": jnp.asarray(0.5)}
        assert scaled[2]["scale"].weak_type
        return train.fit(scaled, (X, Y), loss=cross_entropy, optimizer=optim.adam(0.1), batch_size=8, **options)

    alone = run(epochs=2)
    run(epochs=1, checkpoint_dir=tmp_path)
    assert differences(bits(run(epochs=2, checkpoint_dir=tmp_path, resume=True)), bits(alone)) == []
    assert set(seen) == {(False, False)}
    assert len(seen) == 3, "each run traces the step once"


# ----------------------------------------------------------------------------------------------------- signals


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    train_once(folder / "alone", folder / "alone.npz", 6)
    return dict(np.load(folder / "alone.npz"))


@pytest.mark.slow  # tests/test_cli_train.py has one in the usual line
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_in_a_process_of_its_own(number, tmp_path, undisturbed):
    """It saves, says where, ends as the signal would, and goes on to the same bits."""
    child = start(tmp_path / "run", tmp_path / "run.npz", 6)
    await_progress(tmp_path / "run", child)
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    if child.returncode == 0:
        pytest.fail("the run had ended before the signal came")
    assert child.returncode in ((143,) if number == signal.SIGTERM else (-2, 130)), errors
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
    assert "fit: saving before leaving; once more to leave at once" in errors
    assert f"fit: step {steps_in(tmp_path / 'run')[-1]} is saved in {tmp_path / 'run'}; the same call" in errors
    got, damaged = finish(start(tmp_path / "run", tmp_path / "run.npz", 6), tmp_path / "run.npz")
    assert damaged == 0
    assert differences(got, undisturbed) == []


@pytest.mark.parametrize("epoch", [1, 2])
def test_signal_between_epochs(epoch, tmp_path, capfd):
    """After the last epoch too: a run told to end does not return as if nothing had been said."""
    options = {"epochs": 2, "checkpoint_dir": tmp_path}

    def tell(e):
        if e.epoch == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        fit(callbacks=[tell], **options)
    assert left.value.code == 143
    assert f"fit: step {3 * epoch} is saved in {tmp_path}" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    assert differences(bits(fit(resume=True, **options)), bits(fit(epochs=2))) == []


def test_signal_within_an_epoch_is_saved_there(tmp_path):
    class Told:
        def __iter__(self):
            yield BATCHES[0]
            os.kill(os.getpid(), signal.SIGINT)
            yield from BATCHES[1:]

    with pytest.raises(KeyboardInterrupt):
        fit(Told(), epochs=2, checkpoint_dir=tmp_path)
    assert steps_in(tmp_path) == [2]
    assert (
        differences(bits(fit(BATCHES, epochs=2, checkpoint_dir=tmp_path, resume=True)), bits(fit(BATCHES, epochs=2)))
        == []
    )


@pytest.fixture
def interruptible():
    """Ctrl-C raises, though pytest were a shell's background job, for which it is ignored from the start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_second_signal_acts_at_once(tmp_path):
    def tell(epoch):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        fit(epochs=2, checkpoint_dir=tmp_path, callbacks=[tell])
    assert steps_in(tmp_path) == [3]


@pytest.mark.usefixtures("interruptible")
def test_without_checkpoints_a_signal_is_left_alone():
    def tell(epoch):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(epochs=2, callbacks=[tell])


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments(kills, tmp_path, rng, undisturbed):
    counts = kill_run(kills, 6, 0.3, int(rng.integers(2**31)), tmp_path, print, undisturbed)
    assert (counts["kills"], counts["different"], counts["damaged"]) == (kills, 0, 0)


# ------------------------------------------------------------------------------------------- what is kept and refused


def test_the_last_and_the_best_are_kept(tmp_path):
    """And the best that each of the last refers to. Of equal epochs the first is the best, as in `result.best`."""
    errors = jnp.array([9.0, 3.0, 1.0, 2.0, 1.0, 2.0, 0.5])  # of the parameter's values; epoch n ends with n

    def run(epochs, **options):
        def error(outputs, y):
            return errors[outputs.astype(int)]

        grows = lambda w, state, x, train: (w + 0 * x, state), jnp.zeros([]), None
        options = {
            "loss": lambda outputs, y: -outputs,
            "optimizer": optim.sgd(1.0),
            "metrics": {"error": error},
        } | options
        data = jnp.zeros(4), jnp.zeros(4)
        return train.fit(
            grows, data, validation=data, best="val_error", epochs=epochs, checkpoint_dir=tmp_path, **options
        )

    best = run(5, keep=2).best
    assert (best.epoch, best.value, float(best.params)) == (2, 1.0, 2.0)
    assert steps_in(tmp_path) == [2, 4, 5]
    best = run(6, keep=2, resume=True).best
    assert (best.epoch, best.value, float(best.params)) == (6, 0.5, 6.0)
    assert steps_in(tmp_path) == [2, 5, 6], "were 6 damaged, 5 would need its own best epoch"


def test_folder_of_an_earlier_run(tmp_path):
    fit(epochs=1, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=r"fit: .* holds checkpoints of an earlier run: pass resume=True to go on"):
        fit(epochs=1, checkpoint_dir=tmp_path)
    assert steps_in(tmp_path) == [3]


def test_nothing_to_resume(tmp_path):
    with pytest.warns(UserWarning, match=rf"fit: there is no checkpoint in {tmp_path}/new to resume; beginning"):
        result = fit(epochs=1, checkpoint_dir=tmp_path / "new", resume=True)
    assert differences(bits(result), bits(fit(epochs=1))) == []
    with pytest.raises(ValueError, match=r"fit: resume needs the checkpoint_dir of the run to go on with"):
        fit(epochs=1, resume=True)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    fit(epochs=1, checkpoint_dir=folder)
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, r"fit: the run in .* had seed=0, now it has seed=1"),
        ({"batch_size": 4}, r"had batch_size=8, now it has batch_size=4"),
        ({"data": (X[:16], Y[:16])}, r"had examples=22, now it has examples=16"),
        ({"data": BATCHES}, r"had data=arrays, .*, now it has data=batches"),
        ({"optimizer": optim.momentum(0.1)}, r"of another model or optimizer: it has opt_st"),
        ({"ema": 0.9}, r"is of another model or optimizer: it has opt_state.*; it lacks opt_state"),
    ],
)  # fmt: skip
def test_other_run_than_the_checkpoints(options, message, earlier):
    with pytest.raises(ValueError, match=message):
        fit(**({"epochs": 2, "checkpoint_dir": earlier, "resume": True} | options))
    assert steps_in(earlier) == [3]


def test_other_shapes_than_the_checkpoints(tmp_path):
    apply, params, state = model()
    options = {"loss": cross_entropy, "optimizer": optim.momentum(0.1), "checkpoint_dir": tmp_path, "batch_size": 8}
    train.fit((apply, params, state), (X, Y), epochs=1, **options)
    wider = {"w": jnp.ones((3, 5)), "v": jnp.ones((5, 2))}
    with pytest.raises(
        ValueError, match=r"params\['v'\] is \(\(4, 2\), 'float32'\) there and \(\(5, 2\), 'float32'\) here"
    ):
        train.fit((apply, wider, state), (X, Y), epochs=2, resume=True, **options)


def test_resumed_with_another_metric(tmp_path):
    """The history keeps one row an epoch: NaN where nothing was measured."""
    fit(epochs=1, checkpoint_dir=tmp_path, validation=(X, Y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit(epochs=2, checkpoint_dir=tmp_path, resume=True, metrics={"one": lambda o, y: jnp.ones(len(y))})
    assert np.isnan(result.history["val_loss"]).tolist() == [False, True]
    assert np.isnan(result.history["one"]).tolist() == [True, False]
