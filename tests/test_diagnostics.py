"""Gradient profiles: equal to derivatives by hand, in the order that is known, and the model stays as it is."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import diagnostics, models, nn
from jaxml.diagnostics import gradient_profile, plot_gradient_profile

KINDS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
STEPS = 4


def square_of_last(output):
    return jnp.square(output[0][:, -1]).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_steps_by_hand(kind, rng):
    """Cells in a Python loop, with zeros added to each h_t: the same derivatives by these."""
    layer = KINDS[kind](3, 5, rngs=nnx.Rngs(0))
    x = jnp.asarray(rng.normal(size=(2, STEPS, 3)), jnp.float32)
    weights = [layer.w_ih[...], layer.w_hh[...], layer.b_ih[...], layer.b_hh[...]]

    @jax.jit
    @jax.grad
    def by_hand(taps):
        h = c = jnp.zeros((2, 5))
        for t in range(STEPS):
            if kind == "LSTM":
                h, c = F.lstm_cell(x[:, t], h, c, *weights)
            else:
                h = (F.rnn_cell if kind == "RNN" else F.gru_cell)(x[:, t], h, *weights)
            h = h + taps[t]
        return jnp.square(h).sum()

    want = jnp.linalg.norm(by_hand(jnp.zeros((STEPS, 2, 5))).reshape(STEPS, -1), axis=1)
    profile = gradient_profile(layer, x, loss=square_of_last)
    assert list(profile.steps) == list(profile.layers) == [kind] and profile.steps[kind].shape == (1, STEPS)
    np.testing.assert_allclose(profile.steps[kind][0], want, rtol=1e-5)
    assert profile.loss == pytest.approx(float(square_of_last(layer(x))), rel=1e-5)


def test_peepholes_and_zoneout_by_hand(rng):
    """What a layer adds to its cell is in its profile too."""
    layer = nn.LSTM(3, 5, peepholes=True, zoneout_rate=(0.25, 0.5), rngs=nnx.Rngs(0))
    layer.peephole.set_value(jnp.asarray(rng.normal(size=(3, 5)), jnp.float32))
    x = jnp.asarray(rng.normal(size=(2, STEPS, 3)), jnp.float32)
    weights = [layer.w_ih[...], layer.w_hh[...], layer.b_ih[...], layer.b_hh[...]]

    @jax.jit
    @jax.grad
    def by_hand(taps):
        h = c = jnp.zeros((2, 5))
        for t in range(STEPS):
            new_h, new_c = F.lstm_cell(x[:, t], h, c, *weights, peephole=layer.peephole[...])
            h, c = 0.25 * h + 0.75 * new_h + taps[t], 0.5 * c + 0.5 * new_c
        return jnp.square(h).sum()

    want = jnp.linalg.norm(by_hand(jnp.zeros((STEPS, 2, 5))).reshape(STEPS, -1), axis=1)
    profile = gradient_profile(layer, x, loss=square_of_last)
    np.testing.assert_allclose(profile.steps["LSTM"][0], want, rtol=1e-5)
    assert profile.loss == pytest.approx(float(square_of_last(layer(x))), rel=1e-5)


@pytest.mark.slow
def test_layers_directions_and_lengths(rng):
    """Rows in the order of the states; zero past the ends; backwards the far end is the last step."""
    model = nn.LSTM(3, 4, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    x = jnp.asarray(rng.normal(size=(2, 6, 3)), jnp.float32)
    lengths = jnp.array([4, 3], jnp.int32)
    profile = gradient_profile(model, x, lengths=lengths, loss=lambda output: output[1][0].sum())
    steps = profile.steps["LSTM"]
    assert steps.shape == (4, 6) and (steps[:, :4] > 0).all() and not steps[:, 4:].any()
    assert profile.loss == pytest.approx(float(model(x, lengths=lengths)[1][0].sum()), rel=1e-5)
    # The last layer's first state behind the last step is forwards step 4 of row 0, and backwards its step 1.
    assert steps[2].argmax() in (2, 3) and steps[3].argmax() == 0
    alone = gradient_profile(model, x[:, :4], lengths=lengths, loss=lambda output: output[1][0].sum())
    np.testing.assert_allclose(alone.steps["LSTM"], steps[:, :4], rtol=1e-4)


class Twice(nnx.Module):
    """A layer of someone else's, which is called twice."""

    def __init__(self):
        self.inner = nn.Linear(2, 2, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.inner(jnp.tanh(self.inner(x)))


def test_layers_by_hand():
    """Of a module that is called twice both calls, of a class that others wrote; which afterwards is what it was."""
    before, x = Twice.__call__, jnp.array([[0.3, -0.4]])

    class Outer(nnx.Module):
        def __init__(self):
            self.twice = Twice()

        def __call__(self, x):
            return self.twice(x) * 3

    model = Outer()
    found = gradient_profile(model, x, loss=lambda y: jnp.square(y).sum())
    y = model.twice(x)
    gradient = 18 * y
    first = (gradient @ model.twice.inner.w[...].T) * (1 - jnp.tanh(model.twice.inner(x)) ** 2)
    want = {"twice/inner": first, "twice/inner (2)": gradient, "twice": gradient}
    assert list(found.layers) == list(want) and found.steps == {}
    for path, array in want.items():
        assert found.layers[path] == pytest.approx(float(jnp.linalg.norm(array)), rel=1e-5)
    assert Twice.__call__ is before


def test_of_a_model_by_name():
    """Recurrent layers within a model, tokens, `train`, and arrays that have no gradient among the outputs."""
    model = models.create("sequence_classifier", rngs=nnx.Rngs(0), hidden_features=4, num_layers=2, dropout=0.5)
    x = jnp.ones((2, 5), jnp.int32)
    profile = gradient_profile(model, x, loss=lambda logits: logits.sum(), train=True)
    assert list(profile.layers) == ["embedding", "recurrent", "dropout", "head"]
    assert profile.steps["recurrent"].shape == (4, 5)
    assert profile.as_dict()["layers"]["head"] == pytest.approx(2.0)
    assert "recurrent" in str(profile) and "h_5" in str(profile)
    with nnx.set_graph_mode(False):
        again = gradient_profile(model, x, loss=lambda logits: logits.sum())
    assert again.steps["recurrent"].shape == (4, 5)


def example():
    path = Path(__file__).parents[1] / "examples" / "gradient_profile.py"
    spec = importlib.util.spec_from_file_location("gradient_profile_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_known_order():
    """Gates carry a gradient further than none, an LSTM's forget gate with a bias of 1 furthest; a plain deep network
    loses what skip connections carry. As in the manual, but smaller."""
    found = {name: profile.steps[name][0] for name, profile in example().over_time(30, 32).items()}
    far = {name: norms[0] / norms[-1] for name, norms in found.items()}
    assert far["RNN"] < 0.3 * far["GRU"] < 0.1 * far["LSTM"], far
    assert far["RNN"] < 1e-6
    deep = {name: profile.layers for name, profile in example().over_depth(30, 32).items()}
    kept = {name: layers["blocks/0"] / layers["blocks/29"] for name, layers in deep.items()}
    assert kept["plain"] < 0.5 < 1 < kept["with skip connections"], kept


def profiles():
    steps = {"a": np.array([[1.0, 2.0], [3.0, 0.0]])}
    return {"one": diagnostics.GradientProfile(1.0, steps, {"b/0": 1.0, "b/1": 2.0, "head": 5.0})}


def test_picture():
    """One line a profile, a gap where the gradient is zero, and axes that say what they are."""
    (axes,) = plot_gradient_profile(profiles()).axes
    assert axes.get_yscale() == "log" and [line.get_label() for line in axes.lines] == ["one"]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 3], [2, np.nan]])
    figure = plot_gradient_profile(profiles(), over="layers", path="b/*")
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), [[1, 1], [2, 2]])
    assert figure.axes[0].get_xlabel() == "layer"
    again = plot_gradient_profile(profiles(), into=figure.axes[0])
    assert again is figure and len(figure.axes[0].lines) == 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: gradient_profile(nn.GRU(2, 2, rngs=nnx.Rngs(0)), jnp.ones((1, 2, 2)), loss=lambda o: o[1]),
            ValueError,
            r"^gradient_profile: loss must return a floating scalar, got float32 of shape \(1, 2\); a mean or a sum",
        ),
        (
            lambda: gradient_profile(F.relu, jnp.ones(2), loss=jnp.sum),
            TypeError,
            r"^gradient_profile: model must be an nnx\.Module, got ",
        ),
        (lambda: plot_gradient_profile({}), ValueError, r"^plot_gradient_profile: profiles must not be empty"),
        (
            lambda: plot_gradient_profile(profiles(), over="depth"),
            ValueError,
            r"^plot_gradient_profile: over must be one of 'steps', 'layers', got 'depth'",
        ),
        (
            lambda: plot_gradient_profile(profiles(), path="lstm"),
            ValueError,
            r"^plot_gradient_profile: one has no steps at 'lstm'; there are a",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
