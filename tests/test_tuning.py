"""The learning-rate range test, and searches that are one program."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import data, models, nn, optim, tuning

KEY = jax.random.key(0)
X = jnp.linspace(-1.0, 1.0, 64)
Y = 3 * X + 0.1 * jnp.sin(40 * X)


def squared_error(w, batch):
    return ((batch[0] * w - batch[1]) ** 2).mean()


def quadratic_range(**options):
    """Of a line through the origin, whose curvature is `2 mean(x²)` on all of its examples."""
    defaults = {"optimizer": optim.sgd, "batch_size": 64}
    return tuning.learning_rate_range(KEY, squared_error, (X, Y), jnp.float32(0.0), **(defaults | options))


# ------------------------------------------------------------------------------------------------ the range test


def test_losses_are_those_of_a_loop():
    found = quadratic_range(steps=20, highest=0.5, batch_size=16)
    w, rates = jnp.float32(0.0), np.geomspace(1e-6, 0.5, 20)
    np.testing.assert_allclose(found.rates, rates, rtol=1e-5)
    orders = [np.asarray(jax.random.permutation(k, 64)) for k in jax.random.split(KEY, 5)]
    for step, rate in enumerate(rates):
        rows = orders[step // 4][step % 4 * 16 :][:16]
        value, slope = jax.value_and_grad(squared_error)(w, (X[rows], Y[rows]))
        np.testing.assert_allclose(found.losses[step], value, rtol=1e-5)
        w = w - jnp.float32(rate) * slope
    mean, smoothed = 0.0, []
    for step, value in enumerate(np.asarray(found.losses), 1):
        mean = 0.9 * mean + 0.1 * value
        smoothed.append(mean / (1 - 0.9**step))
    np.testing.assert_allclose(found.smoothed, smoothed, rtol=1e-5)


def test_it_stops_where_the_loss_diverges():
    """Gradient descent on a curvature c contracts below a rate of 2 / c: here 3."""
    c = 2 * float((X**2).mean())
    found = quadratic_range(highest=1e3, steps=200)
    at = float(found.rates[int(found.used)])
    assert 2 / c < at < 10 * 2 / c
    assert 0.01 < float(found.suggestion) < 2 / c
    assert not np.isfinite(found.losses[-1]) or found.losses[-1] > 1e6  # what came after is there, and not used
    calm = quadratic_range(highest=0.5)
    assert int(calm.used) == 100 and "did not diverge" in str(calm)


def test_a_rate_that_is_not_finite_at_once_suggests_nothing():
    found = tuning.learning_rate_range(
        KEY, lambda w, batch: jnp.where(w > -1, jnp.nan, w), (X, X), jnp.float32(0.0), optimizer=optim.sgd
    )
    assert int(found.used) == 0 and np.isnan(found.suggestion)
    assert str(found).startswith("no learning rate to suggest")
    found.plot()


def test_the_loss_of_a_loss_below_zero():
    """Of -1000 at the start, falling: the divergence is measured by how far it rises, in the loss's own size."""
    found = tuning.learning_rate_range(
        KEY, lambda w, batch: squared_error(w, batch) - 1000.0, (X, Y), jnp.float32(0.0), optimizer=optim.sgd,
        highest=1.0,
    )  # fmt: skip
    assert int(found.used) == 100 and np.isfinite(found.suggestion)


def test_several_seeds_by_vmap():
    keys = jax.random.split(KEY, 3)
    test = partial(tuning.learning_rate_range, optimizer=optim.adam, batch_size=8, steps=30)
    found = jax.jit(jax.vmap(lambda key: test(key, squared_error, (X, Y), jnp.float32(0.0))))(keys)
    one = test(keys[1], squared_error, (X, Y), jnp.float32(0.0))
    assert found.losses.shape == (3, 30) and found.suggestion.shape == (3,)
    np.testing.assert_allclose(found.losses[1], one.losses, rtol=1e-4)
    with pytest.raises(ValueError, match=r"plot: losses must have 1 axis \(T,\), got \(3, 30\)"):
        found.plot()


@pytest.fixture(scope="module")
def digits():
    found = data.load("digits")
    x = data.Standardize().fit(found.x).transform(found.x)
    return np.asarray(x), found.y


@pytest.mark.loose_promotion  # optax's Adam
@pytest.mark.parametrize("rule", [optim.adam, optax.adam, partial(optim.sgd, momentum=0.9)])
def test_the_suggestion_trains_a_classifier_of_digits(digits, rule):
    model = models.create("linear", rngs=nnx.Rngs(0), num_classes=10, in_features=64)
    options = {"loss": F.softmax_cross_entropy_with_integer_labels, "optimizer": rule}
    found = tuning.find_learning_rate(model, digits, highest=100.0, **options)
    rate = float(found.suggestion)
    from jaxml.train import fit

    train = partial(fit, model, digits, loss=options["loss"], steps=60, progress=False)
    reached = {r: train(optimizer=rule(r)).history["loss"][-1] for r in (rate, rate / 300, rate * 300)}
    assert reached[rate] < 0.7 * min(reached[rate / 300], reached[rate * 300]), (reached, str(found))


def test_a_model_with_state_is_left_as_it_is(digits):
    model = models.create("mlp", rngs=nnx.Rngs(0), num_classes=10, in_features=64)
    before = nn.functionalize(model)[1:]
    x, y = digits[0][:40], digits[1][:40]
    loss = F.softmax_cross_entropy_with_integer_labels
    found = tuning.find_learning_rate(model, data.Dataset(x, y), loss=loss, optimizer=optim.sgd, steps=12)
    again = tuning.find_learning_rate(model, (x, y), loss=loss, optimizer=optim.sgd, steps=12)
    np.testing.assert_array_equal(found.losses, again.losses)
    chex.assert_trees_all_equal(before, nn.functionalize(model)[1:])


def test_the_picture_of_a_range_test(tmp_path):
    found = quadratic_range(highest=1e3)
    figure = found.plot()
    figure.savefig(tmp_path / "range.png")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and len(axes.get_lines()) == 3
    assert axes.get_lines()[0].get_xdata()[-1] == pytest.approx(float(found.rates[int(found.used) - 1]), rel=1e-5)
    assert f"{float(found.suggestion):.2g}" in axes.get_lines()[2].get_label()
    assert found.plot(into=axes) is figure


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lowest": 0.0}, ValueError, "lowest must be finite and above 0, got 0.0"),
        ({"lowest": -1e-3}, ValueError, "lowest must be finite and above 0, got -0.001"),
        ({"lowest": 1.0, "highest": 0.1}, ValueError, "highest must be finite and above 1.0, got 0.1"),
        ({"steps": 3}, ValueError, "steps must be at least 10, got 3"),
        ({"smoothing": 1.0}, ValueError, "smoothing must be at least 0 and below 1, got 1.0"),
        ({"batch_size": 65}, ValueError, "batch_size must lie between 1 and 64, got 65"),
        ({"optimizer": optim.sgd(0.1)}, TypeError, "optimizer must be a function of the learning rate, such as optim"),
    ],
)
def test_what_a_range_test_refuses(options, error, message, unchecked_types):
    with pytest.raises(error, match=f"learning_rate_range: {message}"):
        quadratic_range(**options)
    model = (lambda w, state, x, train: (x * w, state)), jnp.float32(0.0), None
    given = {"loss": lambda outputs, y: (outputs - y) ** 2, "optimizer": optim.sgd}
    with pytest.raises(error, match=f"find_learning_rate: {message}"):
        tuning.find_learning_rate(model, (X, Y), **(given | options))


def test_data_that_a_range_test_cannot_take(tmp_path):
    from PIL import Image

    given = {"loss": lambda outputs, y: (outputs - y) ** 2, "optimizer": optim.sgd}
    model = (lambda w, state, x, train: (x * w, state)), jnp.float32(0.0), None
    with pytest.raises(ValueError, match="find_learning_rate: data must be a pair of arrays"):
        tuning.find_learning_rate(model, X, **given)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    with pytest.raises(TypeError, match="data must be arrays in memory, got images on disk"):
        tuning.find_learning_rate(model, data.image_folder(tmp_path, size=4), **given)
