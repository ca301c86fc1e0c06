"""Suites `optimizers` and `dispatch`: what they compute, count and draw. Times are asserted to be there, no more."""

import io
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from rich.console import Console

from benchmarks import (
    _device,
    _dispatch,
    _dispatch_compile,
    _dispatch_imports,
    _optimizers,
    _plots_optimizers,
    _profiles,
    _results,
)
from benchmarks import _optimizer_problems as problems
from benchmarks import _optimizer_steps as steps
from benchmarks import _optimizer_update as update
from benchmarks import _optimizers_report as report
from benchmarks._results import Report, Row, SuiteResult
from benchmarks._settings import Settings
from jaxml import flops, models, nn, optim

TINY = Settings("tiny")
ROOFS = flops.Ceilings("example", {"float32": 1e15}, {1: 1e9})  # so many FLOP/s that memory is the bound


def measured(suite, settings=TINY):
    """Every row of a tiny run."""
    rows = [task(settings) for _, task in suite.tasks(settings)]
    assert [row.name for row in rows] == [name for name, _ in suite.tasks(settings)]
    return SuiteResult(suite.name, 1.0, rows)


def through_json(result, path):
    _results.save(Report("2026", _device.describe(), TINY.as_dict(), [result]), path)
    (loaded,) = _results.load(path).suites
    return loaded


def printed(tables):
    console = Console(width=80, file=io.StringIO())
    for table in tables:
        console.print(table.rich())
    return console.file.getvalue()


# ---------------------------------------------------------------------------------------------- profiles


def test_profiles_are_those_of_dolan_and_more():
    found = _profiles.ratios({"a": [10, 40, None, None], "b": [20, 10, 30, None]})
    assert found["a"].tolist() == [1, 4, math.inf, math.inf]
    assert found["b"].tolist() == [2, 1, 1, math.inf]  # what nobody solves counts against everybody
    assert [_profiles.profile(found["a"], tau) for tau in (1, 2, 4, _profiles.SOLVED)] == [0.25, 0.25, 0.5, 0.5]
    assert [_profiles.profile(found["b"], tau) for tau in (1, 2, _profiles.SOLVED)] == [0.5, 0.75, 0.75]


def test_profiles_need_the_same_problems_of_every_solver():
    with pytest.raises(ValueError, match=r"ratios: every solver needs the same problems, got \{'a': 2, 'b': 1\}"):
        _profiles.ratios({"a": [1, 2], "b": [1]})


# ---------------------------------------------------------------------------------------------- steps to a target


def test_steps_count_to_the_first_look_below_the_target_and_never_is_none():
    losses = np.array([[[3.0, 0.5, 2.0, 0.1], [3.0, 2.0, 2.0, 2.0]], [[np.nan] * 4, [np.inf, 0.5, np.nan, np.nan]]])
    assert steps.first_below(losses, 0.5, every=5) == [[10, None], [None, 10]]


def row_of(problem, optimizer, found, rates=(0.1, 1.0, 10.0)):
    facts = {"part": "steps", "problem": problem, "optimizer": optimizer, "target": 0.5, "steps": found}
    return Row(f"{problem}: {optimizer}", facts | {"rates": list(rates), "seeds": list(range(len(found[0])))})


def test_the_best_rate_is_that_of_the_median_seed():
    row = row_of("p", "a", [[30, None, 20], [10, None, None], [30, 30, 10]])
    assert report.medians(row).tolist() == [30, math.inf, 30]
    assert report.best_rate(row) == 2  # as fast as the first on the median seed, but more seeds arrive
    assert report.costs(row) == [30, 30, 10]
    assert report.robustness(row) == pytest.approx(2 / 3)


def test_where_no_rate_takes_the_median_seed_there_no_seed_counts_as_solved():
    row = row_of("p", "a", [[30, None, None]] * 3)
    assert report.best_rate(row) is None
    assert report.costs(row) == [None, None, None]
    assert report.robustness(row) == 0


def test_problems_that_only_some_optimizers_were_given_are_left_out_of_the_comparison():
    rows = [row_of("p", "a", [[10]] * 3), row_of("p", "b", [[20]] * 3), row_of("q", "a", [[10]] * 3)]
    found = report.ratios(SuiteResult("optimizers", 1.0, rows))
    assert {name: r.tolist() for name, r in found.items()} == {"a": [1], "b": [2]}
    both, forgiving = report.summary(SuiteResult("optimizers", 1.0, rows))
    assert "the best: a (100%); within twice the best: a, b (100%)" in both
    assert "a, b (100%)" in forgiving


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_problems_are_standardised_by_their_training_part_and_fit_their_model(name):
    problem = problems.PROBLEMS[name]
    data = problems.load(problem)
    assert len(data.x) == len(data.y) and len(data.x_held_out) == len(data.y_held_out)
    assert len(data.x_held_out) == round(0.25 * (len(data.x) + len(data.x_held_out)))
    flat = np.asarray(data.x, np.float64).reshape(len(data.x), -1)
    np.testing.assert_allclose(flat.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(flat.std(0)[flat.std(0) > 0], 1, atol=1e-5)
    apply, params, state = nn.abstract(lambda: models.create(problem.model, rngs=nnx.Rngs(0), **problem.options))
    outputs, _ = jax.eval_shape(apply, params, state, data.x)
    assert jax.eval_shape(problem.loss, outputs, data.y).shape == (len(data.x),)


def test_batches_go_through_every_example_before_any_comes_again():
    problem = problems.PROBLEMS["wine, MLP"]
    first, again, other = (problems.batches(problem, 70, blocks=3, every=2, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (3, 2, 32)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    for epoch in first.reshape(3, -1):  # two batches of 32 are an epoch of 70
        assert len(set(epoch.tolist())) == 64


def test_all_runs_in_one_call_are_the_runs_one_by_one():
    """Every rate and seed, against a plain loop without scan and vmap."""
    problem, seeds, rates = problems.PROBLEMS["diabetes, linear"], range(2), (0.01, 0.1)
    data = problems.load(problem)
    apply, params, state = problems.initial(problem, seeds)
    order = np.stack([problems.batches(problem, len(data.x), 2, 2, seed) for seed in seeds])
    program = jax.jit(steps._program(problem, apply, optim.momentum))
    got = program(data, params, state, jnp.asarray(order), jnp.asarray(rates))
    assert got.shape == (2, 2, 2)
    for i, rate in enumerate(rates):
        for j in seeds:
            tx, w, s = optim.momentum(rate), *(jax.tree.map(lambda a, j=j: a[j], tree) for tree in (params, state))
            slots, want = tx.init(w), []
            for block in order[j]:
                for batch in block:

                    def loss(w, s=s, batch=batch):
                        return problem.loss(apply(w, s, data.x[batch], train=True)[0], data.y[batch]).mean()

                    updates, slots = tx.update(jax.grad(loss)(w), slots, w)
                    w = optax.apply_updates(w, updates)
                want.append(problem.loss(apply(w, s, data.x_held_out)[0], data.y_held_out).mean())
            np.testing.assert_allclose(got[i, j], np.stack(want), rtol=1e-5)


# ---------------------------------------------------------------------------------------------- updates


def changes(candidate, params, updates=3):
    """What so many updates did to the parameters, of size 1 at most."""
    for _ in range(updates):
        out = candidate.call()
    start = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
    return [(new - old) / update.RATE for new, old in zip(candidate.arrays(out), start, strict=True)]


@pytest.fixture
def parameters():
    return update.arrays("mlp", {"hidden": (8,)}, TINY)


@pytest.mark.loose_promotion  # optax's own optimizers widen
@pytest.mark.parametrize("name", update.PRESETS)
def test_optax_makes_the_same_update(name, parameters):
    preset, own = update.PRESETS[name]
    ours, theirs = (update.candidate(tx, *parameters) for tx in (preset(update.RATE, style="optax"), own(update.RATE)))
    for got, want in zip(changes(ours, parameters[0]), changes(theirs, parameters[0]), strict=True):
        assert np.abs(want).max() > 0.1
        np.testing.assert_allclose(got, want, atol=1e-3)


@pytest.mark.peers
@pytest.mark.parametrize("name", update.PRESETS)
def test_pytorch_makes_the_same_update(name, parameters):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'torch==2.13.0'")
    from benchmarks import _torch_optimizers

    ours = update.candidate(update.PRESETS[name][0](update.RATE, style="torch"), *parameters)
    theirs = _torch_optimizers.candidate(name, update.RATE, *parameters, roof=lambda *_: None)
    for got, want in zip(changes(ours, parameters[0]), changes(theirs, parameters[0]), strict=True):
        assert np.abs(want).max() > 0.1
        np.testing.assert_allclose(got, want, atol=1e-3)


@pytest.mark.loose_promotion
def test_the_bytes_of_an_update_are_what_its_program_reads_and_writes():
    row = dict(update.tasks(TINY))["update adam, mlp"](Settings("tiny", ceilings=ROOFS))
    assert 0 < row.facts["bytes"] - 28 * row.facts["params"] < 100  # and a few scalars, such as the number of updates
    for name in ("jaxml-torch", "jaxml-keras", "jaxml-optax", "optax"):
        assert row.times[f"update.{name}"].floor == pytest.approx(row.facts["bytes"] / 1e9, rel=1e-3)
        assert row.times[f"update.{name}"].bound == "memory"


# ---------------------------------------------------------------------------------------------- whole suites


@pytest.mark.loose_promotion
def test_optimizers_measures_tells_and_draws(tmp_path):
    result = measured(_optimizers.SUITE, Settings("tiny", ceilings=ROOFS))
    for row in result.rows:
        if row.facts["part"] == "steps":
            reached = [n for seeds in row.facts["steps"] for n in seeds if n is not None]
            assert np.shape(row.facts["steps"]) == (len(row.facts["rates"]), len(row.facts["seeds"]))
            assert all(1 <= n <= row.facts["budget"] for n in reached)
    loaded = through_json(result, tmp_path / "r.json")
    text = printed(_optimizers.SUITE.tables(loaded))
    assert "adam: Optax's own" in text and "diabetes, linear: adam" in text and "Performance profile" in text
    cost, fewest, forgiving = _optimizers.SUITE.summary(loaded)
    assert cost.startswith("What does an update of mlp cost a parameter? momentum ")
    assert fewest.startswith("Which optimizer needs the fewest steps?")
    assert forgiving.startswith("Which forgives a wrong learning rate?")
    for name, draw in _plots_optimizers.PLOTS.items():
        draw(loaded).savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.loose_promotion  # nnx.Optimizer
@pytest.mark.slow
def test_dispatch_times_three_ways_to_the_same_result(tmp_path, monkeypatch):
    narrow = ("cnn", {"widths": (4, 8), "strides": (1, 2)}, (2, 8, 8, 1))
    monkeypatch.setitem(_dispatch_compile.NETWORKS, "cnn", narrow)
    loaded = through_json(measured(_dispatch.SUITE), tmp_path / "r.json")
    forward, step, imports, compiled, counted = loaded.rows
    for row in (forward, step):
        assert row.notes == []
        assert set(row.times) == {"call.bare", "call.jaxml", "call.nnx"}
        assert all(row.times[f"call.{who}"].difference < 1e-6 for who in ("jaxml", "nnx"))
    assert set(imports.times) == {"import.python", "import.jax", "import.jaxml.functional"}
    parts = {
        f"{part} {what}.{who}"
        for part in ("trace", "compile")
        for what in ("forward", "step")
        for who in ("jaxml", "stock")
    }
    assert set(compiled.times) == parts
    assert "persistent compilation cache is on" in compiled.notes[0]  # as it is in these tests
    assert set(counted.times) == {f"{what}.{who}" for what in ("count", "trace") for who in ("jaxml", "stock")}
    text = printed(_dispatch.SUITE.tables(loaded))
    assert "Counting FLOPs" in text and "cnn: stock" in text
    assert "training step: make_train_step" in text and "import jaxml.functional" in text and "cnn, step: stock" in text
    questions = [line.partition("?")[0] for line in _dispatch.SUITE.summary(loaded)]
    assert questions == [
        "What does a forward cost beside computing",
        "What does a training step cost beside computing",
        "What does an import add to `import jax`",
        "How long does a training step of cnn take to trace and compile",
        "How long does counting the gradient of cnn take",
    ]


def test_an_import_that_fails_says_why():
    with pytest.raises(RuntimeError, match="python -c 'import no_such_module' failed: ModuleNotFoundError: No module"):
        _dispatch_imports.run("import no_such_module")


@pytest.mark.parametrize("suite", [_optimizers.SUITE, _dispatch.SUITE], ids=lambda suite: suite.name)
def test_a_result_of_which_nothing_fitted_is_drawn(suite):
    result = SuiteResult(suite.name, 1.0, [Row("huge", notes=["out of memory, skipped"])])
    assert suite.tables(result) == []
    assert suite.summary(result) == []
    assert [draw(result) for draw in _plots_optimizers.PLOTS.values()] == [None] * len(_plots_optimizers.PLOTS)
