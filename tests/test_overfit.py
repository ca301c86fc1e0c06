"""`overfit_one_batch` passes models that can learn, and says of those that cannot what is wrong with them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_train import cross_entropy, linear, linear_model, squared_error

from jaxml import optim
from jaxml.train import overfit_one_batch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype(np.float32)
Y = np.array([0, 1, 1, 0, 1, 0, 0, 1])


def hidden(bias, stop=False):
    def apply(params, state, x, train):
        h = jax.nn.relu(x @ params["w"] + params["b"][None])
        h = jax.lax.stop_gradient(h) if stop else h
        return h @ params["v"], state

    w = {name: jnp.asarray(RNG.normal(size=shape), jnp.float32) for name, shape in {"w": (3, 16), "v": (16, 2)}.items()}
    return apply, w | {"b": jnp.full(16, bias)}, None


def overfit(model, batch=(X, Y), **options):
    defaults = {"loss": cross_entropy, "optimizer": optim.adam(0.05), "steps": 60}
    return overfit_one_batch(model, batch, **(defaults | options))


def test_model_that_can():
    model = hidden(0.0)
    result = overfit(model)
    assert result.ok
    assert (result.suggestions, result.zero_gradients, len(result.losses)) == ((), (), 61)
    assert result.losses[-1] < 0.1 * result.losses[0]
    logits = model[0](model[1], None, jnp.asarray(X), train=True)[0]  # and it is as it was
    np.testing.assert_allclose(result.losses[0], cross_entropy(logits, jnp.asarray(Y)).mean(), rtol=1e-5)


def test_zero_at_the_start_alone_is_no_fault():
    """The layer before one that begins at zero gets a gradient from the second step on."""
    apply, params, state = hidden(0.0)
    result = overfit((apply, params | {"v": jnp.zeros((16, 2))}, state))
    assert (result.ok, result.zero_gradients) == (True, ())


@pytest.mark.parametrize(
    ("name", "zero", "said"),
    [
        (
            "dead relu",
            "bvw",
            "the gradient is zero at params['b'], params['v'], params['w']: a unit that is dead, or a ",
        ),
        ("dead relu", "bvw", "the outputs are the same for every example: x does not reach them"),
        ("stopped", "bw", "the gradient is zero at params['b'], params['w']: a unit that is dead, or a part that the"),
        ("constant input", None, "examples with the same x have different y: nothing can learn both"),
        ("constant input", None, "the loss stays at chance level, 0.693: only how often each class comes was learnt"),
        (
            "constant input",
            None,
            "the outputs are the same for every example: x does not reach them, or all x are alike",
        ),
        ("too fast", None, "the loss rises: the learning rate is too large"),
        ("overflow", None, "the loss rises: the learning rate is too large"),
        ("too slow", None, "the loss hardly moves: the learning rate is too small, or the loss does not depend on"),
        ("too short", None, "the loss is still falling: take more steps, or a larger learning rate"),
    ],
)
def test_model_that_cannot(name, zero, said):
    regression = {"loss": squared_error, "batch": (X, X[:, :2])}
    model, options = {
        "dead relu": (hidden(-100.0), {}),
        "stopped": (hidden(0.0, stop=True), {"optimizer": optim.sgd(1e-4)}),
        "constant input": (linear_model(), {"batch": (np.ones((8, 3)), Y), "steps": 150}),
        "too fast": (linear_model(), {"optimizer": optim.sgd(3.0), **regression, "steps": 8}),
        "overflow": (linear_model(), {"optimizer": optim.sgd(1e30), **regression}),
        "too slow": (linear_model(), {"optimizer": optim.sgd(1e-7)}),
        "too short": (linear_model(), {"optimizer": optim.sgd(0.02), **regression}),
    }[name]  # fmt: skip
    result = overfit(model, **options)
    assert not result.ok
    assert any(s.startswith(said) for s in result.suggestions), (result.suggestions, result.losses[-5:])
    assert result.zero_gradients == tuple(f"params['{n}']" for n in zero or "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"overfit_one_batch: steps must be positive integers, got \(0,\)"),
        ({"target": 1.5}, r"overfit_one_batch: target must lie strictly"),
        (
            {"batch": (X, Y[:3])},
            r"overfit_one_batch: batch's x and y must have the same length \(x: \(8, 3\), y: \(3,\)\)",
        ),
        ({"batch": X}, r"overfit_one_batch: batch must be a pair of arrays \(x, y\), got ndarray"),
        (
            {"model": (linear, {})},
            r"overfit_one_batch: model must be an NNX module or \(apply, params, state\), got 2 p",
        ),
        ({"loss": lambda o, y: cross_entropy(o, y).mean()}, r"the loss's shape, one value per example, must be \(8,\)"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        overfit(**({"model": linear_model()} | options))


@pytest.mark.loose_promotion
def test_optax_optimizers():
    assert overfit(hidden(0.0), optimizer=optax.adam(0.05)).ok
