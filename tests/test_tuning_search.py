"""Grid and random search: one compiled program, equal to a loop, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import data, tuning
from jaxml.tuning import Choice, Integers, LogUniform, Uniform

KEY = jax.random.key(0)
SPACE = {"learning_rate": [0.01, 0.1, 1.0], "weight_decay": [0.0, 0.1]}


@pytest.fixture(scope="module")
def train():
    """Softmax regression on digits from random weights: accuracy on a fifth held out, after 30 steps."""
    digits = data.load("digits")
    x = jnp.asarray(digits.x.reshape(-1, 64), jnp.float32) / 16
    y = jax.nn.one_hot(digits.y, 10)
    learn, held_out = slice(0, 1400), slice(1400, None)

    def train(key, *, learning_rate, weight_decay):
        train.traces += 1

        def loss(w):
            return -(jax.nn.log_softmax(x[learn] @ w) * y[learn]).sum(1).mean() + weight_decay * (w * w).sum()

        w = 0.1 * jax.random.normal(key, (64, 10))
        w, _ = jax.lax.scan(lambda w, _: (w - learning_rate * jax.grad(loss)(w), None), w, length=30)
        return (jnp.argmax(x[held_out] @ w, 1) == jnp.argmax(y[held_out], 1)).mean()

    train.traces = 0
    return train


def loop(train, settings, seeds):
    keys = jax.random.split(KEY, seeds)
    one = jax.jit(train)
    rows = [dict(zip(settings, values, strict=True)) for values in zip(*settings.values(), strict=True)]
    return np.array([[one(key, **row) for key in keys] for row in rows])


@pytest.mark.parametrize("chunk", [None, 4, 100])
def test_a_grid_is_one_trace_and_equals_a_loop(train, chunk):
    before = train.traces
    found = tuning.grid_search(KEY, train, SPACE, mode="max", seeds=3, chunk=chunk)
    assert train.traces == before + 1
    np.testing.assert_allclose(found.settings["learning_rate"], [0.01, 0.01, 0.1, 0.1, 1.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found.settings["weight_decay"], [0.0, 0.1, 0.0, 0.1, 0.0, 0.1])
    # Two of 397 examples: sums in another order move those on the border.
    looped = loop(train, found.settings, 3)
    np.testing.assert_allclose(found.scores, looped, atol=2 / 397)
    assert looped.mean(1).argmax() == found.order[0]
    assert found.best["learning_rate"] == 1.0 and found.best_score > 0.7
    np.testing.assert_allclose(found.mean, found.scores.mean(1))
    np.testing.assert_allclose(found.std, found.scores.std(1))


def test_a_random_search_is_one_trace_and_equals_a_loop(train):
    before = train.traces
    space = {"learning_rate": LogUniform(0.01, 1.0), "weight_decay": Uniform(0.0, 0.1)}
    found = tuning.random_search(KEY, train, space, draws=5, seeds=2, mode="max")
    assert train.traces == before + 1
    key = jax.random.split(KEY, 3)[0]
    rows = [{name: values[i] for name, values in found.settings.items()} for i in range(5)]
    want = np.array([[jax.jit(train)(k, **row) for k in jax.random.split(key, 2)] for row in rows])
    np.testing.assert_allclose(found.scores, want, atol=2 / 397)
    again = tuning.random_search(KEY, train, space, draws=5, seeds=2, mode="max")
    np.testing.assert_array_equal(found.scores, again.scores)


def test_it_is_compiled_once():
    """As JAX's own log tells it: one program with the name of ours, however many settings, seeds and rounds."""
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        import logging

        said = []
        patch.setattr(logging.Logger, "handle", lambda self, record: said.append(record.getMessage()))
        tuning.grid_search(KEY, lambda key, x: x, {"x": np.arange(50.0)}, mode="min", seeds=7, chunk=13)
    assert sum("Finished XLA compilation of jit(scores)" in line for line in said) == 1, said


def test_distributions_draw_from_where_they_say():
    draws = {
        "uniform": Uniform(-1, 2).sample(KEY, 4000),
        "log": LogUniform(1e-4, 1.0).sample(KEY, 4000),
        "integers": Integers(3, 5).sample(KEY, 4000),
        "choice": Choice([0.5, 8]).sample(KEY, 4000),
    }
    assert draws["uniform"].min() >= -1 and draws["uniform"].max() <= 2
    np.testing.assert_allclose(draws["uniform"].mean(), 0.5, atol=0.05)
    quarters = np.histogram(np.log10(draws["log"]), bins=[-4.0001, -3, -2, -1, 0.0001])[0] / 4000
    np.testing.assert_allclose(quarters, 0.25, atol=0.03)
    for name, values in (("integers", [3, 4, 5]), ("choice", [0.5, 8.0])):
        seen, counts = np.unique(np.asarray(draws[name]), return_counts=True)
        assert seen.tolist() == values
        np.testing.assert_allclose(counts / 4000, 1 / len(values), atol=0.03)


def test_scores_that_are_not_finite_rank_last_and_are_counted():
    for mode, best in (("max", 5), ("min", 1)):
        found = tuning.grid_search(
            KEY,
            lambda key, x: jnp.array([1.0, jnp.nan, 3.0, jnp.inf, 5.0])[x - 1],
            {"x": [1, 2, 3, 4, 5]},
            mode=mode,
        )
        assert found.best == {"x": best} and isinstance(found.best["x"], int)
        assert sorted(found.order[-2:].tolist()) == [1, 3]
        assert "5 settings, 1 seed each" in str(found) and "2 with scores not finite" in str(found)
        assert max(map(len, str(found).splitlines())) <= 80


def test_one_bad_seed_of_three_spoils_a_setting():
    keys = jax.random.key_data(jax.random.split(KEY, 3))[:, 1]
    bad = keys[1]

    def train(key, *, x):
        return jnp.where((x == 2.0) & (jax.random.key_data(key)[1] == bad), jnp.nan, x)

    found = tuning.grid_search(KEY, train, {"x": [1.0, 2.0]}, mode="max", seeds=3)
    assert np.isfinite(found.scores[1]).sum() == 2 and np.isnan(found.mean[1]) and np.isnan(found.std[1])
    assert found.best == {"x": 1.0}


def test_no_setting_with_finite_scores():
    found = tuning.grid_search(KEY, lambda key, x: x / jnp.float32(0), {"x": [1.0, 2.0]}, mode="min")
    with pytest.raises(ValueError, match="no setting has finite scores; lower rates"):
        _ = found.best
    found.plot()


def test_the_picture_has_a_panel_a_hyper_parameter(tmp_path):
    found = tuning.grid_search(
        KEY,
        lambda key, rate, size: jnp.where(rate > 0.5, jnp.nan, jnp.log(rate) + size + 0.1 * jax.random.normal(key)),
        {"rate": [0.001, 0.01, 1.0], "size": [1.0, 2.0]},
        mode="max",
        seeds=4,
    )
    figure = found.plot()
    figure.savefig(tmp_path / "search.png")
    assert [axes.get_xlabel() for axes in figure.axes] == ["rate", "size"]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear"]
    best = figure.axes[0].get_lines()[2]
    assert best.get_xdata() == pytest.approx([0.01])
    crosses = figure.axes[0].get_lines()[3]
    np.testing.assert_allclose(crosses.get_xdata(), [1.0, 1.0])
    assert found.plot(into=figure.axes) is figure
    with pytest.raises(ValueError, match="into must hold 2 of matplotlib's axes, got 1"):
        found.plot(into=figure.axes[0])


def score(key, *, x):
    return x


@pytest.mark.parametrize(
    ("space", "options", "error", "message"),
    [
        ({}, {}, ValueError, "space must not be empty: name at least one hyper-parameter"),
        ({"x": []}, {}, ValueError, r"space\['x'\] must hold at least one value, got none"),
        ({"x": 0.1}, {}, TypeError, r"must be a sequence of numbers, such as \[0.1, 0.01\], got 0.1"),
        ({"x": ["adam", "sgd"]}, {}, TypeError, "what is no number changes the program: search once for each"),
        ({"x": [0.1, np.nan]}, {}, ValueError, r"space\['x'\] must be finite"),
        ({"y": [0.1]}, {}, TypeError, r"train must take \(key, y=\): missing a required argument: 'x'"),
        ({"x": [0.1]}, {"mode": "lowest"}, ValueError, "mode must be one of 'min', 'max', got 'lowest'"),
        ({"x": [0.1]}, {"seeds": 0}, ValueError, "seeds must be positive integers"),
        ({"x": [0.1]}, {"chunk": 0}, ValueError, "chunk must be positive integers"),
    ],
)
def test_what_a_grid_refuses(space, options, error, message, unchecked_types):
    with pytest.raises(error, match=f"grid_search: .*{message}"):
        tuning.grid_search(KEY, score, space, **({"mode": "min"} | options))


def test_rates_and_what_train_returns_are_checked(unchecked_types):
    def train(key, *, learning_rate):
        return jnp.stack([learning_rate] * 3)

    for rates in ([0.1, 0.0], [-0.1]):
        with pytest.raises(ValueError, match=r"space\['learning_rate'\] must be above 0, got -?0(\.1)?; leave it out"):
            tuning.grid_search(KEY, train, {"learning_rate": rates}, mode="min")
    with pytest.raises(ValueError, match=r"train must return one number, got an array \(3,\); its last entry, say"):
        tuning.grid_search(KEY, train, {"learning_rate": [0.1]}, mode="min")
    with pytest.raises(TypeError, match="space must map names to values, got list"):
        tuning.grid_search(KEY, train, [0.1], mode="min")
    with pytest.raises(TypeError, match="train must be a function"):
        tuning.grid_search(KEY, None, {"x": [1]}, mode="min")
    with pytest.raises(jax.errors.TracerIntegerConversionError) as caught:
        tuning.grid_search(KEY, lambda key, width: jnp.ones(range(5)[width]).sum(), {"width": [1, 2]}, mode="min")
    assert "search once for each value, with functools.partial" in " ".join(caught.value.__notes__)


def test_what_a_random_search_and_its_distributions_refuse(unchecked_types):
    with pytest.raises(TypeError, match=r"space\['x'\] must be a LogUniform, Uniform, Integers or Choice, got 0.1"):
        tuning.random_search(KEY, score, {"x": 0.1}, draws=2, mode="min")
    with pytest.raises(ValueError, match="random_search: space must not be empty"):
        tuning.random_search(KEY, score, {}, draws=2, mode="min")
    with pytest.raises(ValueError, match="draws must be positive"):
        tuning.random_search(KEY, score, {"x": Uniform(0, 1)}, draws=0, mode="min")
    with pytest.raises(ValueError, match="LogUniform: low must be finite and above 0, got 0"):
        LogUniform(0, 1)
    with pytest.raises(ValueError, match="Uniform: high must be finite and above 1, got 1"):
        Uniform(1, 1)
    with pytest.raises(ValueError, match="Integers: high must be at least 4, got 3"):
        Integers(3, 3)
    with pytest.raises(TypeError, match=r"Integers: low must be an integer, got 0\.5"):
        Integers(0.5, 3)
    with pytest.raises(ValueError, match="Choice: values must hold at least one value"):
        Choice([])
    with pytest.raises(TypeError, match="Choice: values must be numbers"):
        Choice(["a", "b"])
