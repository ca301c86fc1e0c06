"""Activations and gradients layer by layer: by hand, under jit, on models by name, and where gradients vanish."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import models, nn, optim
from jaxml.diagnostics import ActivationStatistics, activation_statistics, gradient_flow


def example():
    path = Path(__file__).parents[1] / "examples" / "diagnosis.py"
    spec = importlib.util.spec_from_file_location("diagnosis_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_by_hand():
    a = jnp.array([[0.0, 0.995, 0.5], [0.0, 0.0, 0.2]])
    found = activation_statistics(lambda a: {"first": a, "count": jnp.arange(3), "second": [a + 1]}, a, bounds=(0, 1))
    assert found.paths == ("first", "second/0")  # integers are no activations
    np.testing.assert_allclose(found.mean, [a.mean(), a.mean() + 1], rtol=1e-6)
    np.testing.assert_allclose(found.std, np.std(a) * np.ones(2), rtol=1e-5)
    np.testing.assert_allclose(found.zeros, [3 / 6, 0])
    np.testing.assert_allclose(found.dead, [1 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(found.saturated, [4 / 6, 1], rtol=1e-6)
    assert np.isnan(activation_statistics(lambda a: a, a).saturated).all()
    assert activation_statistics(lambda a: a, a).paths == ("output",)
    assert "second/0" in str(found) and "0.333" in str(found)


def test_layers_of_a_model(rng: np.random.Generator):
    """An MLP: outputs are what its linear maps make, inputs of the layer behind are what the ReLU leaves of it."""
    model = models.create("mlp", rngs=nnx.Rngs(0), num_classes=3, in_features=5, hidden=(8, 8))
    x = jnp.asarray(rng.normal(size=(16, 5)), jnp.float32)
    out, given = activation_statistics(model, x), activation_statistics(model, x, of="inputs")
    assert out.paths == given.paths == ("layers/0", "dropouts/0", "layers/1", "dropouts/1", "head")
    z = model.layers[0](x)
    np.testing.assert_allclose(out.mean[0], z.mean(), rtol=1e-5)
    np.testing.assert_allclose(given.mean[2], F.relu(z).mean(), rtol=1e-5)
    assert float(out.zeros[0]) == 0 and float(given.zeros[2]) == pytest.approx(float((z <= 0).mean()))
    apply, params, state = nn.functionalize(model)
    jitted = jax.jit(lambda params, x: activation_statistics((apply, params, state), x))(params, x)
    assert jitted.paths == out.paths
    with nnx.set_graph_mode(False):
        assert activation_statistics(model, x).paths == out.paths
    np.testing.assert_allclose(jitted.std, out.std, rtol=1e-5)


def test_of_a_residual_network_and_of_what_cannot_be_seen():
    model = models.create("cifar_resnet20", rngs=nnx.Rngs(0), num_classes=10)
    x = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    found = activation_statistics(model, x, of="inputs")
    assert {"stem", "blocks/0/convs/0", "blocks/8", "head"} <= set(found.paths) and not found.skipped
    assert np.isfinite(found.std).all() and 0.2 < float(found.zeros[found.paths.index("blocks/1")]) < 0.8  # a ReLU's
    flow = gradient_flow(
        model, x, loss=lambda logits: F.softmax_cross_entropy_with_integer_labels(logits, jnp.array([1, 2])).mean()
    )
    assert len(flow.paths) == len(jax.tree.leaves(nn.functionalize(model)[1])) and (flow.weight >= 0).all()

    class Scanned(nnx.Module):
        """A layer that is called by a scan, and one that is not."""

        def __init__(self):
            self.inner, self.outer = (nn.Linear(2, 2, rngs=nnx.Rngs(0)) for _ in range(2))

        def __call__(self, x):
            x, _ = jax.lax.scan(lambda x, _: (self.inner(x), None), x, None, length=3)
            return self.outer(x)

    found = activation_statistics(Scanned(), jnp.ones((1, 2)))
    assert found.paths == ("outer",) and found.skipped == ("inner",)
    assert "inner  not seen" in str(found)


def test_several_arrays_and_calls():
    class Twice(nnx.Module):
        def __init__(self):
            self.lstm = nn.LSTM(2, 2, rngs=nnx.Rngs(0))

        def __call__(self, x):
            y, _ = self.lstm(x)
            return self.lstm(y)[0]

    found = activation_statistics(Twice(), jnp.ones((1, 3, 2)), bounds=(-1, 1))
    assert found.paths == tuple(f"lstm{call}{part}" for call in ("", " (2)") for part in ("[0]", "[1][0]", "[1][1]"))


def test_gradient_flow_by_hand(rng: np.random.Generator):
    """Norms of autodiff's gradient and of the optimizer's step; a weight that is zero has no ratio."""
    x = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32)
    params = {"b": jnp.zeros(2), "w": jnp.asarray(rng.normal(size=(3, 2)), jnp.float32)}

    def f(params, x):
        return F.tanh(x @ params["w"] + params["b"][None])

    def loss(y):
        return jnp.square(y).mean()

    model = (lambda params, state, x: (f(params, x), state)), params, ()
    gradients = jax.grad(lambda params: loss(f(params, x)))(params)
    flow = gradient_flow(model, x, loss=loss, optimizer=optax.sgd(0.5))
    assert flow.paths == ("b", "w") and float(flow.loss) == pytest.approx(float(loss(f(params, x))))
    norms = [float(jnp.linalg.norm(gradients[path].ravel())) for path in flow.paths]
    np.testing.assert_allclose(flow.gradient, norms, rtol=1e-5)
    np.testing.assert_allclose(flow.update, np.multiply(0.5, norms), rtol=1e-5)
    assert np.isnan(flow.ratio[0])
    assert float(flow.ratio[1]) == pytest.approx(0.5 * norms[1] / float(jnp.linalg.norm(params["w"])), rel=1e-5)
    inside = jax.jit(lambda p: gradient_flow((model[0], p, ()), x, loss=loss))(params)
    np.testing.assert_allclose(inside.update, norms, rtol=1e-5)
    assert "w" in str(inside)


@pytest.mark.loose_promotion  # optax's Adam
def test_the_state_of_the_optimizer_counts():
    """Adam's first step has its rate in every entry; a later one is what its state makes of the gradient."""
    model = nn.Linear(4, 3, rngs=nnx.Rngs(0))
    x, tx = jnp.ones((2, 4)), optim.adam(0.01)
    flow = gradient_flow(model, x, loss=jnp.sum, optimizer=tx)
    assert float(flow.update[flow.paths.index("w")]) == pytest.approx(0.01 * 12**0.5, rel=1e-3)
    _, params, _ = nn.functionalize(model)
    _, state = tx.update(jax.tree.map(lambda p: 10 * jnp.ones_like(p), params), tx.init(params), params)
    later = gradient_flow(model, x, loss=jnp.sum, optimizer=tx, opt_state=state)
    assert float(later.update[1]) < 0.9 * float(flow.update[1])


def test_gradients_vanish_in_a_deep_sigmoid_network_and_not_with_relu_and_skip_connections():
    """On the digits, at the start and after training; as in the manual, but smaller."""
    deep = example()
    flows, _ = deep.layers(depth=12, features=32)
    plain, skip = (flows[name].gradient for name in ("sigmoid", "ReLU and skip connections"))
    at = [i for i, path in enumerate(flows["sigmoid"].paths) if path.startswith("blocks/") and path.endswith("/w")]
    assert len(at) == 12
    assert float(plain[at[0]] / plain[at[-1]]) < 1e-6 < 1e-1 < float(skip[at[0]] / skip[at[-1]])


def test_pictures():
    model = models.create("mlp", rngs=nnx.Rngs(0), num_classes=3, in_features=5, hidden=(8, 8))
    x = jnp.ones((4, 5))
    found = activation_statistics(model, x)
    figure = found.plot(path="layers/*", name="one")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.asarray(found.std)[[0, 2]])
    assert found.plot(figure="zeros", name="two", into=axes) is figure and len(axes.lines) == 2
    flow = gradient_flow(model, x, loss=lambda y: y.mean(), optimizer=optax.sgd(1.0))
    (axes,) = flow.plot(figure="ratio", path="*/b").axes
    assert np.isnan(axes.lines[0].get_ydata()).all() and axes.get_ylabel() == "‖update‖ / ‖w‖"  # biases start at 0


LAYER = nn.Linear(2, 2, rngs=nnx.Rngs(0))
ONES = jnp.ones((1, 2))
EMPTY = nn.Dropout(0.5, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: activation_statistics(3, ONES),
            TypeError,
            r"^activation_statistics: model must be an nnx\.Module or \(apply, params, state\), got int",
        ),
        (
            lambda: activation_statistics(LAYER, ONES, of="weights"),
            ValueError,
            r"of must be one of 'outputs'",
        ),
        (
            lambda: activation_statistics(LAYER, ONES, bounds=(1, 0)),
            ValueError,
            r"bounds must be \(low, high\)",
        ),
        (
            lambda: activation_statistics(lambda x: jnp.arange(3), ONES),
            ValueError,
            r"there must be floating arrays",
        ),
        (
            lambda: activation_statistics(LAYER, ONES).plot(path="conv*"),
            ValueError,
            r"nothing matches path='conv\*'",
        ),
        (
            lambda: activation_statistics(LAYER, ONES).plot(figure="max"),
            ValueError,
            r"figure must be one of 'mean'",
        ),
        (
            lambda: gradient_flow((1, 2), ONES, loss=jnp.sum),
            TypeError,
            r"^gradient_flow: model must be .* 2 parts",
        ),
        (
            lambda: gradient_flow(LAYER, ONES, loss=lambda y: y),
            ValueError,
            r"loss must return a floating scalar",
        ),
        (
            lambda: gradient_flow(EMPTY, ONES, loss=jnp.sum),
            ValueError,
            r"must have parameters",
        ),
        (lambda: gradient_flow(LAYER, ONES, loss=jnp.sum, opt_state=()), ValueError, r"opt_state needs the optimizer"),
        (
            lambda: gradient_flow(LAYER, ONES, loss=jnp.sum).plot(figure="step"),
            ValueError,
            r"figure must be one of",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_statistics_are_a_tree():
    found = ActivationStatistics(*(jnp.ones(2) for _ in range(5)), ("a", "b"))
    doubled = jax.vmap(lambda tree: jax.tree.map(lambda a: 2 * a, tree))(found)
    assert doubled.paths == ("a", "b") and doubled.std.tolist() == [2, 2]
