"""Gradient descent and backpropagation by running: the ways that theory says, the chain rule against autodiff."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_diabetes, load_iris

from jaxml import descent, optim
from jaxml.descent._backprop import ACTIVATIONS

BOWL = descent.ELLIPSE


def test_a_quadratic_contracts_as_its_curvature_says():
    start = jnp.asarray(BOWL.start)
    for rate in (0.01, 0.1, 0.19):
        way = descent.gd(BOWL.value, start, learning_rate=rate, steps=20)
        t = np.arange(21)[:, None]
        expected = np.asarray(start) * (1 - rate * np.array([1.0, 10.0])) ** t
        np.testing.assert_allclose(way.points, expected, atol=1e-5)
        np.testing.assert_allclose(way.losses, jax.vmap(BOWL.value)(way.points), rtol=1e-5, atol=1e-12)


def test_a_rate_too_small_right_and_too_large():
    def last(rate: float) -> float:
        return float(descent.gd(BOWL.value, jnp.asarray(BOWL.start), learning_rate=rate, steps=50).losses[-1])

    small, right, large = last(0.005), last(2 / 11), last(0.21)
    assert right < 1e-6 < small < float(BOWL.value(jnp.asarray(BOWL.start))) < large


def test_momentum_leaves_a_local_minimum():
    valleys = descent.TWO_VALLEYS
    plain = descent.gd(valleys.value, jnp.asarray(valleys.start), learning_rate=0.05, steps=300)
    heavy = descent.gd(valleys.value, jnp.asarray(valleys.start), learning_rate=0.05, steps=300, momentum=0.9)
    assert float(plain.points[-1, 0]) > 0.9
    np.testing.assert_allclose(heavy.points[-1], valleys.minimum, atol=1e-3)
    assert heavy.losses[-1] < plain.losses[-1]


def test_surfaces_have_their_minimum_where_they_say():
    for surface in (BOWL, descent.ROSENBROCK, descent.SADDLE, descent.TWO_VALLEYS):
        at = jnp.asarray(surface.minimum)
        assert float(jnp.linalg.norm(jax.grad(surface.value)(at))) < 1e-3, surface.name
        assert float(jnp.linalg.eigvalsh(jax.hessian(surface.value)(at)).min()) > 0, surface.name


@pytest.mark.loose_promotion
def test_every_rule_goes_down_rosenbrocks_valley():
    surface = descent.ROSENBROCK
    rules = {"momentum": optim.momentum(1e-3), "adagrad": optim.adagrad(0.5), "rmsprop": optim.rmsprop(1e-2)}
    for name, rule in {**rules, "adam": optim.adam(5e-2)}.items():
        way = descent.follow(surface.value, jnp.asarray(surface.start), rule, steps=300)
        assert float(way.losses[-1]) < 0.4 * float(way.losses[0]), name
        assert way.points.shape == (301, 2)


def mean_squared_error(w: jax.Array, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    x, y = batch
    return ((x @ w - y) ** 2).mean()


def real_data() -> tuple[jax.Array, jax.Array]:
    x, y = load_diabetes(return_X_y=True)
    return jnp.float32(x / x.std(axis=0)), jnp.float32((y - y.mean()) / y.std())


def test_sgd_finds_the_least_squares_of_real_data_and_scatters_around_it():
    data = real_data()
    best = float(mean_squared_error(jnp.linalg.lstsq(*data)[0], data))
    start = jnp.zeros(10)
    small = descent.sgd(
        jax.random.key(0), mean_squared_error, data, start, learning_rate=0.01, batch_size=32, steps=800
    )
    whole = descent.sgd(
        jax.random.key(0), mean_squared_error, data, start, learning_rate=0.01, batch_size=442, steps=800
    )
    plain = descent.gd(lambda w: mean_squared_error(w, data), start, learning_rate=0.01, steps=800)
    np.testing.assert_allclose(whole.points, plain.points, atol=1e-5)
    assert best < float(small.losses[-1]) < best + 0.01
    # One epoch of batches of 32 is 13 steps for the reading of the data that one step of the whole takes.
    assert float(small.losses[13]) < float(whole.losses[1])


def test_an_epoch_sees_each_example_once():
    seen = descent.sgd(
        jax.random.key(1), lambda p, batch: (p * batch).sum(), jnp.arange(8.0), jnp.zeros(()),
        learning_rate=1.0, batch_size=2, steps=4,
    )  # fmt: skip
    assert float(seen.points[-1]) == -28.0


def test_descents_go_through_vmap():
    rates = jnp.array([0.01, 0.1])
    ways = jax.vmap(lambda r: descent.gd(BOWL.value, jnp.asarray(BOWL.start), learning_rate=r, steps=5))(rates)
    one = descent.gd(BOWL.value, jnp.asarray(BOWL.start), learning_rate=0.1, steps=5)
    np.testing.assert_allclose(ways.points[1], one.points, rtol=1e-5, atol=1e-7)


def network(activation: str) -> tuple[list[tuple[jax.Array, jax.Array]], jax.Array, jax.Array]:
    x, y = load_iris(return_X_y=True)
    keys = jax.random.split(jax.random.key(3), 6)
    sizes = (4, 5, 3, 3)
    params = [
        (jax.random.normal(keys[2 * i], sizes[i : i + 2]) / 2, jax.random.normal(keys[2 * i + 1], (sizes[i + 1],)) / 2)
        for i in range(3)
    ]
    return params, jnp.float32(x[::10]), jnp.float32(np.eye(3)[y[::10]])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backprop_is_autodiffs_gradient(activation: str):
    params, x, target = network(activation)
    f = ACTIVATIONS[activation][0]

    def error(params: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
        y = x
        for w, b in params:
            y = f(y @ w + b[None])
        return ((y - target) ** 2).sum() / (2 * len(x))

    found = descent.backprop(params, x, target, activation=activation)
    value, gradients = jax.value_and_grad(error)(params)
    np.testing.assert_allclose(found.error, value, rtol=1e-6)
    for got, want in zip(jax.tree.leaves(found.gradients), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-6)


@pytest.mark.slow
def test_backprop_is_verified_by_the_gradient_checker_and_a_wrong_factor_is_found(monkeypatch: pytest.MonkeyPatch):
    params, x, target = network("tanh")
    descent.check_backprop(params, x, target, activation="tanh").assert_ok()
    right = ACTIVATIONS["tanh"]
    monkeypatch.setitem(ACTIVATIONS, "tanh", (right[0], lambda z, y: 1 - y))
    assert descent.check_backprop(params, x, target, activation="tanh").verdict == "wrong"


def test_the_three_factors_are_printed():
    params, x, target = network("sigmoid")
    text = str(descent.backprop(params, x, target))
    for word in ("E = ", "layer 3: dE/dw = (dz/dw)ᵀ (dE/dy · dy/dz)", "layer 1", "dE/dy (15, 3)", "dz/dw (15, 4)"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100


def test_stacked_linear_layers_are_one():
    params, x, target = network("identity")
    w, b = params[0]
    for v, c in params[1:]:
        w, b = w @ v, b @ v + c
    deep = descent.backprop(params, x, target, activation="identity")
    flat = descent.backprop([(w, b)], x, target, activation="identity")
    np.testing.assert_allclose(deep.error, flat.error, rtol=1e-5)


def test_pictures_and_animations(tmp_path: Path):
    way = descent.gd(BOWL.value, jnp.asarray(BOWL.start), learning_rate=5.0, steps=20)  # diverges
    figure = descent.plot_descents(BOWL, {"too large": way})
    figure.savefig(tmp_path / "way.png")
    assert len(figure.axes[0].get_lines()) == 3
    right = descent.gd(BOWL.value, jnp.asarray(BOWL.start), learning_rate=0.1, steps=20)
    path = descent.animate_descents(BOWL, {"right": right}, tmp_path / "way.gif", frames=3)
    from PIL import Image

    with Image.open(path) as image:
        assert image.n_frames == 3


def test_bad_input(tmp_path: Path):
    start, (params, x, target) = jnp.ones(2), network("tanh")
    with pytest.raises(ValueError, match="gd: steps must be"):
        descent.gd(BOWL.value, start, learning_rate=0.1, steps=0)
    with pytest.raises(ValueError, match="gd: momentum must"):
        descent.gd(BOWL.value, start, learning_rate=0.1, steps=1, momentum=1.5)
    with pytest.raises(ValueError, match="follow: steps must be"):
        descent.follow(BOWL.value, start, optax.sgd(0.1), steps=0)
    with pytest.raises(ValueError, match="sgd: batch_size must lie between 1 and 4, got 5"):
        descent.sgd(
            jax.random.key(0), mean_squared_error, (jnp.ones((4, 2)), jnp.ones(4)), start,
            learning_rate=0.1, batch_size=5, steps=1,
        )  # fmt: skip
    with pytest.raises(ValueError, match="ways must not be empty"):
        descent.plot_descents(BOWL, {})
    with pytest.raises(ValueError, match=r"path must end in \.gif"):
        descent.animate_descents(BOWL, {}, tmp_path / "way.mp4")
    with pytest.raises(ValueError, match=r"points of a way must be \(steps \+ 1, 2\)"):
        descent.plot_descents(BOWL, {"flat": descent.Trajectory(jnp.zeros(3), jnp.zeros(3))})
    with pytest.raises(ValueError, match="activation must be"):
        descent.backprop(params, x, target, activation="gelu")
    with pytest.raises(ValueError, match="at least one layer"):
        descent.backprop([], x, target)
    with pytest.raises(ValueError, match="the first axis of w of layer 1 must be 3"):
        descent.backprop(params, x[:, :3], target)
    with pytest.raises(ValueError, match="the shape of target must be"):
        descent.backprop(params, x, target[:, :2])
