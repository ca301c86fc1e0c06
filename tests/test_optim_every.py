"""What holds for every optimizer in every style: no second compilation, dtypes, a minimum found, errors."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml import optim

STYLES_OF = {"radam": ("torch", "optax"), "lamb": ("keras", "optax"), "lion": ("keras", "optax")}
NAMES = [n for n in optim.__all__ if n not in ("current_learning_rate", "decay_mask", "freeze", "per_group")]
EACH = [(name, style) for name in NAMES for style in STYLES_OF.get(name, ("torch", "keras", "optax"))]
NEW = [(name, style) for name, style in EACH if name not in ("momentum", "adagrad", "rmsprop", "adam")]
WEIGHT_DECAY_IN_OPTAX = {"adadelta", "adafactor", "adamw", "lamb", "lion", "nadam"}
DECAYING = [(name, style) for name, style in EACH if style != "optax" or name in WEIGHT_DECAY_IN_OPTAX]
every = pytest.mark.parametrize(("name", "style"), EACH)


def params(dtype="float32"):
    return {"b": jnp.linspace(-1, 1, 5, dtype=dtype), "w": jnp.linspace(1, 2, 15, dtype=dtype).reshape(3, 5)}


@every
@pytest.mark.slow
def test_second_call_does_not_recompile(name, style):
    """With a schedule, and the state of one call given to the next."""
    tx = getattr(optim, name)(optax.linear_schedule(0.1, 0.0, 10), style=style)

    chex.clear_trace_counter()  # which goes by the name `step`

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(w, state):
        updates, state = tx.update(w, state, w)
        return optax.apply_updates(w, updates), state

    w, state = params(), tx.init(params())
    for _ in range(3):
        w, state = step(w, state)
    assert float(optim.current_learning_rate(state)) == pytest.approx(0.08)
    eager, eager_state = params(), tx.init(params())
    for _ in range(3):
        updates, eager_state = tx.update(eager, eager_state, eager)
        eager = optax.apply_updates(eager, updates)
    chex.assert_trees_all_close(w, eager, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("name", "style"), NEW)
def test_half_precision_is_float32_rounded(name, style, dtype):
    """Every step's update, from the same gradients and parameters; running quantities are float32."""
    tx = getattr(optim, name)(0.5, style=style)
    half, full = params(dtype), jax.tree.map(lambda p: p.astype("float32"), params(dtype))
    state, full_state = tx.init(half), tx.init(full)
    floats = [leaf.dtype for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert set(floats) == {jnp.dtype("float32")}
    for _ in range(3):
        updates, state = tx.update(half, state, half)
        full_updates, full_state = tx.update(full, full_state, full)
        want = jax.tree.map(lambda u: u.astype(dtype), full_updates)
        chex.assert_trees_all_close(updates, want, rtol=float(jnp.finfo(dtype).eps), atol=1e-7)
        chex.assert_trees_all_equal_dtypes(updates, half)
    chex.assert_trees_all_close(state, full_state, rtol=1e-5)


RATES = {"adadelta": 100.0, "adagrad": 1.0, "adafactor": 0.1, "lamb": 0.1, "lion": 0.05, "radam": 0.05, "sgd": 0.05}


@pytest.mark.parametrize(("name", "style"), NEW)
def test_minimum_of_a_parabola(name, style):
    """At rest all of them are where the gradient is zero, but for the length of the last steps."""
    rate = RATES.get(name, 0.01 if name == "nesterov" else 0.1)
    options = {"weight_decay": 0.0} if name in ("adamw", "lion") else {}
    tx = getattr(optim, name)(optax.linear_schedule(rate, 0.0, 600), style=style, **options)
    target = jnp.array([[0.5, -1.0], [2.0, 1.0]])

    def step(carry, _):
        w, state = carry
        updates, state = tx.update(jnp.array([[2.0, 20.0], [1.0, 4.0]]) * (w - target), state, w)
        return (optax.apply_updates(w, updates), state), None

    w = jax.jit(lambda w: jax.lax.scan(step, (w, tx.init(w)), length=600)[0][0])(jnp.full((2, 2), 3.0))
    np.testing.assert_allclose(w, target, atol=5e-3)


@pytest.mark.parametrize(("name", "style"), DECAYING)
def test_weight_decay_and_its_mask(name, style):
    """With zero gradients only what decays moves, and it shrinks; the bias does not."""
    kwargs = {"style": style, "weight_decay": 0.5, "decay_mask": optim.decay_mask}
    tx, w = getattr(optim, name)(0.25, **kwargs), params()
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, w), tx.init(w), w)
    assert not updates["b"].any()
    assert (updates["w"] < 0).all()
    tree = getattr(optim, name)(0.25, **{**kwargs, "decay_mask": {"b": False, "w": True}})
    chex.assert_trees_all_equal(tree.update(jax.tree.map(jnp.zeros_like, w), tree.init(w), w)[0], updates)
    with pytest.raises(ValueError, match=rf"{name}: the parameters are needed, as in tx.update\(gradients, state, par"):
        tx.update(w, tx.init(w))


@pytest.mark.parametrize("style", ["keras", "torch"])
def test_keras_decays_before_the_step(style):
    """In float64 by hand: SGD with momentum under a schedule, where the rate of the step decays w."""
    with jax.enable_x64(True):
        tx = optim.sgd(lambda t: 0.5 / (1 + t.astype(float)), momentum=0.5, weight_decay=0.25, style=style)
        w = jnp.array([2.0])
        state = tx.init(w)
        expected, v = 2.0, 0.0
        for t in range(3):
            eta = 0.5 / (1 + t)
            if style == "keras":
                v = 0.5 * v - eta
                expected = (1 - eta * 0.25) * expected + v
            else:
                v = 0.5 * v + 1 + 0.25 * expected
                expected -= eta * v
            updates, state = tx.update(jnp.array([1.0]), state, w)
            w = w + updates
        np.testing.assert_allclose(w, [expected], rtol=1e-14)


def test_rectifier_keeps_its_digits():
    """rho_t - 4 at t = 6 is 2 of 2000: what cancels in float32 is kept."""
    for b2 in (0.9, 0.99, 0.999, 0.9999):
        rho, t = 2 / (1 - b2) - 1, 6
        rho_t = rho - 2 * t * b2**t / (1 - b2**t)
        r = ((rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t)) ** 0.5
        tx, g = optim.radam(1.0, b2=b2, style="optax"), jnp.ones(3)
        state = tx.init(g)
        for _ in range(6):
            update, state = tx.update(g, state)
        np.testing.assert_allclose(update, -r, rtol=2e-6)


def test_radam_never_rectifies_where_it_cannot():
    tx, g = optim.radam(1.0, b1=0.5, b2=0.5), jnp.array([2.0, -3.0])
    state = tx.init(g)
    for _ in range(20):
        update, state = tx.update(g, state)
    np.testing.assert_allclose(update, -g, rtol=1e-6)


@pytest.mark.parametrize("name", ["nadam", "radam", "adamw", "lamb", "adafactor", "adadelta"])
def test_hyper_parameters_may_be_arrays(name):
    """Traced, so that one program serves a whole grid of them, and so that `inject_hyperparams` can hold them."""
    names = {"adafactor": {"decay_rate": 0.5}, "adadelta": {"decay": 0.5}}.get(name, {"b1": 0.5, "b2": 0.75})
    options = {"learning_rate": 0.125, "weight_decay": 0.25, **names}
    if name == "radam":
        del options["weight_decay"]
    style, w = "optax", params()

    def first_steps(options):
        tx = getattr(optim, name)(**options, style=style)
        state, found = tx.init(w), w
        for _ in range(2):
            updates, state = tx.update(w, state, found)
            found = optax.apply_updates(found, updates)
        return found

    traced = jax.jit(first_steps)(jax.tree.map(jnp.float32, options))
    chex.assert_trees_all_close(traced, first_steps(options), rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -0.1}, "learning_rate must be finite and not negative, got -0.1"),
        ({"weight_decay": -0.1}, "weight_decay must be finite and not negative, got -0.1"),
        ({"weight_decay": float("inf")}, "weight_decay must be finite and not negative, got inf"),
    ],
)
def test_bad_rates(name, options, message):
    style = STYLES_OF.get(name, ("torch",))[0]
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        getattr(optim, name)(**({"learning_rate": 0.1} | options), style=style)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: optim.lion(0.1, style="torch"),
            "PyTorch has no lion; style must be one of 'keras', 'optax', got 'torch'",
        ),
        (lambda: optim.lamb(0.1, style="torch"), "lamb: PyTorch has no lamb; style must be one of 'keras', 'optax'"),
        (lambda: optim.radam(0.1, style="keras"), "radam: Keras has no radam; style must be one of 'torch', 'optax'"),
        (lambda: optim.sgd(0.1, style="Torch"), "sgd: style must be one of .* got 'Torch'; did you mean 'torch'"),
        (lambda: optim.sgd(0.1, style="pytorch"), "got 'pytorch'; did you mean 'torch'"),
        (
            lambda: optim.sgd(0.1, weight_decay=0.1, style="optax"),
            "sgd: weight_decay exists only with style='torch' or style",
        ),
        (lambda: optim.adagrad(0.1, weight_decay=0.1, style="optax"), "adagrad: weight_decay exists only with"),
        (lambda: optim.rmsprop(0.1, weight_decay=0.1, style="optax"), "rmsprop: weight_decay exists only with"),
        (lambda: optim.adam(0.1, weight_decay=0.1, style="optax"), "adam: weight_decay exists only with"),
        (
            lambda: optim.radam(0.1, weight_decay=0.1, style="optax"),
            "radam: weight_decay exists only with style='torch'",
        ),
        (
            lambda: optim.radam(0.1, decoupled_weight_decay=True, style="optax"),
            "radam: decoupled_weight_decay exists only",
        ),
        (
            lambda: optim.nadam(0.1, decoupled_weight_decay=True, style="keras"),
            "nadam: decoupled_weight_decay exists only",
        ),
        (
            lambda: optim.nadam(0.1, momentum_decay=0.1, style="keras"),
            "nadam: momentum_decay exists only with style='torch'",
        ),
        (lambda: optim.nadam(0.1, momentum_decay=-0.1), "nadam: momentum_decay must be finite and not negative"),
        (lambda: optim.adamw(0.1, amsgrad=True, style="optax"), "adamw: amsgrad exists only with style='torch' or"),
        (lambda: optim.adafactor(None), "adafactor: learning_rate=None exists only with style='optax'"),
        (lambda: optim.adafactor(0.1, momentum=0.5), "adafactor: momentum exists only with style='optax'"),
        (
            lambda: optim.adafactor(0.1, min_scale=0.5, style="optax"),
            "adafactor: min_scale exists only with style='torch' or",
        ),
        (lambda: optim.adafactor(0.1, min_dim_size_to_factor=2), "adafactor: min_dim_size_to_factor exists only with"),
        (
            lambda: optim.adafactor(0.1, multiply_by_parameter_scale=False),
            "multiply_by_parameter_scale=False exists only",
        ),
        (
            lambda: optim.adafactor(0.1, clipping_threshold=0.0),
            "adafactor: clipping_threshold must be positive, got 0.0",
        ),
        (lambda: optim.adafactor(0.1, eps=0.0), "adafactor: eps must be positive, got 0.0"),
        (lambda: optim.adafactor(0.1, min_scale=0.0), "adafactor: min_scale must be positive, got 0.0"),
        (
            lambda: optim.adafactor(0.1, decay_rate=-0.8),
            "adafactor: decay_rate must be finite and not negative, got -0.8",
        ),
        (lambda: optim.adadelta(0.1, decay=1.0), "adadelta: decay must be at least 0 and less than 1, got 1.0"),
        (lambda: optim.adadelta(0.1, eps=0.0), "adadelta: eps must be positive, got 0.0"),
        (lambda: optim.nesterov(0.1, momentum=1.0), "nesterov: momentum must be at least 0 and less than 1, got 1.0"),
        (lambda: optim.amsgrad(0.1, b1=1.0), "amsgrad: b1 must be at least 0 and less than 1, got 1.0"),
        (lambda: optim.adamw(0.1, eps=0.0), "adamw: eps must be positive, got 0.0"),
        (lambda: optim.nadam(0.1, b2=1.0), "nadam: b2 must be at least 0 and less than 1, got 1.0"),
        (lambda: optim.radam(0.1, eps=-1.0), "radam: eps must be positive, got -1.0"),
        (lambda: optim.lion(0.1, b1=1.5), "lion: b1 must be at least 0 and less than 1, got 1.5"),
        (lambda: optim.lamb(0.1, b2=-0.1), "lamb: b2 must be at least 0 and less than 1, got -0.1"),
        (
            lambda: optim.lamb(0.1).update(jnp.ones(2), optim.lamb(0.1).init(jnp.ones(2))),
            "lamb: the parameters are needed",
        ),
        (
            lambda: optim.adafactor(0.1).update(jnp.ones(2), optim.adafactor(0.1).init(jnp.ones(2))),
            "adafactor: the parameters are needed",
        ),
    ],
)
def test_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call()
