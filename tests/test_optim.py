"""Each update rule against the same rule in NumPy float64, against Optax's own, and at work."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml import optim

RULES = {"momentum": optim.momentum, "adagrad": optim.adagrad, "rmsprop": optim.rmsprop, "adam": optim.adam}
STYLES = ("torch", "keras", "optax")
GRADIENTS = np.random.default_rng(0).normal(size=(7, 5))
GRADIENTS[:, 1] *= 1e-6  # small enough for the place of eps to matter
GRADIENTS[:3, 2] = 0  # a parameter that sleeps at first


def run(tx, gradients, dtype, w=None):
    """Parameters after each of the given gradients."""
    w = jnp.zeros(gradients.shape[1:], dtype) if w is None else w
    state, path = tx.init(w), []
    for g in gradients:
        updates, state = tx.update(jnp.asarray(g, dtype), state, w)
        w = optax.apply_updates(w, updates)
        path.append(np.asarray(w, np.float64))
    return np.stack(path)


def numpy_momentum(g, rates, style, momentum=0.9, dampening=0.0, nesterov=False):
    w = v = np.zeros(g.shape[1:])
    for t, (g_t, eta) in enumerate(zip(g, rates, strict=True)):
        if style == "keras":
            v = momentum * v - eta * g_t
            w = w + (momentum * v - eta * g_t if nesterov else v)
        else:
            v = g_t if t == 0 else momentum * v + (1 - dampening) * g_t
            w = w - eta * (g_t + momentum * v if nesterov else v)
        yield w


def numpy_adagrad(g, rates, style, initial_accumulator=None, eps=None):
    start, default = (0.0, 1e-10) if style == "torch" else (0.1, 1e-7)
    s, eps = start if initial_accumulator is None else initial_accumulator, default if eps is None else eps
    w = np.zeros(g.shape[1:])
    for g_t, eta in zip(g, rates, strict=True):
        s = s + g_t**2
        w = w - eta * (g_t / (np.sqrt(s) + eps) if style == "torch" else g_t / np.sqrt(s + eps))
        yield w


def numpy_rmsprop(g, rates, style, decay=None, eps=None, momentum=0.0, centered=False, nesterov=False):
    rho, default = {"torch": (0.99, 1e-8), "keras": (0.9, 1e-7), "optax": (0.9, 1e-8)}[style]
    rho, eps = rho if decay is None else decay, default if eps is None else eps
    w = v = m = b = np.zeros(g.shape[1:])
    for g_t, eta in zip(g, rates, strict=True):
        v = rho * v + (1 - rho) * g_t**2
        m = rho * m + (1 - rho) * g_t
        square = v - m**2 if centered else v
        if style == "torch":
            b = momentum * b + g_t / (np.sqrt(square) + eps)
            w = w - eta * b
        else:
            u = eta * g_t / np.sqrt(square + eps)
            b = momentum * b + u
            w = w - (u + momentum * b if nesterov else b)
        yield w


def numpy_adam(g, rates, style, b1=0.9, b2=0.999, eps=None):
    eps = eps or (1e-7 if style == "keras" else 1e-8)
    w = m = v = np.zeros(g.shape[1:])
    for t, (g_t, eta) in enumerate(zip(g, rates, strict=True), start=1):
        m = b1 * m + (1 - b1) * g_t
        v = b2 * v + (1 - b2) * g_t**2
        if style == "keras":
            w = w - eta * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + eps)
        else:
            w = w - eta * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        yield w


NUMPY = {"momentum": numpy_momentum, "adagrad": numpy_adagrad, "rmsprop": numpy_rmsprop, "adam": numpy_adam}

CASES = [
    *[(name, style, {}) for name in RULES for style in STYLES],
    *[("momentum", style, {"momentum": 0.5, "nesterov": True}) for style in STYLES],
    *[("momentum", style, {"momentum": 0.0}) for style in STYLES],
    ("momentum", "torch", {"dampening": 0.3}),
    *[("adagrad", style, {"initial_accumulator": 0.4, "eps": 1e-2}) for style in STYLES],
    *[("rmsprop", style, {"momentum": 0.8, "decay": 0.7, "eps": 1e-3}) for style in STYLES],
    *[("rmsprop", style, {"centered": True, "eps": 1e-3}) for style in STYLES],
    ("rmsprop", "torch", {"centered": True, "momentum": 0.5, "eps": 1e-3}),
    ("rmsprop", "optax", {"momentum": 0.8, "nesterov": True}),
    *[("adam", style, {"b1": 0.5, "b2": 0.75, "eps": 1e-3}) for style in STYLES],
    *[("adam", style, {"b1": 0.0}) for style in STYLES],
]


def case_id(case):
    name, style, options = case
    return "-".join([name, style, *(f"{k}={v}" for k, v in options.items())])


@pytest.mark.parametrize("scheduled", [False, True], ids=["rate", "schedule"])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_rule_in_float64(case, scheduled):
    name, style, options = case
    rates = [0.1 / (1 + t) if scheduled else 0.1 for t in range(len(GRADIENTS))]
    with jax.enable_x64(True):
        learning_rate = (lambda count: 0.1 / (1 + count.astype(float))) if scheduled else 0.1
        got = run(RULES[name](learning_rate, style=style, **options), GRADIENTS, jnp.float64)
    want = np.stack(list(NUMPY[name](GRADIENTS, rates, style, **options)))
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_rule_in_float32(case):
    """Relative to each parameter's own path, so that a wrong eps shows in the parameter with tiny gradients."""
    name, style, options = case
    got = run(RULES[name](0.1, style=style, **options), GRADIENTS, jnp.float32)
    want = np.stack(list(NUMPY[name](GRADIENTS, [0.1] * len(GRADIENTS), style, **options)))
    tolerance = 5e-5 if options.get("centered") else 2e-6  # v - m^2 cancels digits
    error = np.abs(got - want).max(axis=0) / np.abs(want).max(axis=0)
    np.testing.assert_array_less(error, tolerance)


OPTAX = [
    (optim.momentum(0.1, style="optax"), optax.sgd(0.1, momentum=0.9)),
    (optim.momentum(0.1, momentum=0.5, nesterov=True, style="optax"), optax.sgd(0.1, momentum=0.5, nesterov=True)),
    (optim.momentum(0.1, momentum=0.0, style="optax"), optax.sgd(0.1)),
    (optim.adagrad(0.1, style="optax"), optax.adagrad(0.1)),
    (
        optim.adagrad(0.1, initial_accumulator=0.0, eps=1e-3, style="optax"),
        optax.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-3),
    ),
    (optim.rmsprop(0.1, style="optax"), optax.rmsprop(0.1)),
    (
        optim.rmsprop(0.1, decay=0.7, momentum=0.8, nesterov=True, style="optax"),
        optax.rmsprop(0.1, decay=0.7, momentum=0.8, nesterov=True),
    ),
    (
        optim.rmsprop(0.1, centered=True, eps=1e-3, momentum=0.5, style="optax"),
        optax.rmsprop(0.1, centered=True, eps=1e-3, momentum=0.5),
    ),
    (optim.adam(0.1, style="optax"), optax.adam(0.1)),
    (optim.adam(0.1, b1=0.5, b2=0.7, eps=1e-3, style="optax"), optax.adam(0.1, b1=0.5, b2=0.7, eps=1e-3)),
]
FIRST_ADAM = len(OPTAX) - 2


@pytest.mark.loose_promotion
@pytest.mark.parametrize("index", range(len(OPTAX)))
def test_optax_style_is_optax(index):
    """To the bit; but Adam's bias correction, which in Optax is rounded otherwise, to the last digits in float64."""
    ours, theirs = OPTAX[index]
    if index >= FIRST_ADAM:
        with jax.enable_x64(True):
            got, want = (run(tx, GRADIENTS, jnp.float64) for tx in (ours, theirs))
        np.testing.assert_allclose(got, want, rtol=1e-11)
    got, want = (run(tx, GRADIENTS, jnp.float32) for tx in (ours, theirs))
    if index >= FIRST_ADAM:
        error = np.abs(got - want).max(axis=0) / np.maximum(np.abs(want).max(axis=0), 1e-30)
        np.testing.assert_array_less(error, 3e-5)
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("style", ["torch", "optax"])
def test_adam_does_not_lose_its_bias_correction_in_float32(style):
    """At the first step Adam's update is eta * sign(g), whatever b2."""
    for b2 in (0.9, 0.999, 0.99999):
        got = run(optim.adam(1.0, b2=b2, style=style), np.array([[1.0, -3.0]]), jnp.float32)[0]
        np.testing.assert_allclose(got, [-1, 1], rtol=3e-7)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_jit_and_scan_equal_eager(case):
    name, style, options = case
    tx = RULES[name](0.1, style=style, **options)
    w = {"a": jnp.ones(5), "b": (jnp.zeros((2, 5)),)}

    def gradients(t):
        return {"a": GRADIENTS[t], "b": (np.stack([GRADIENTS[t], -GRADIENTS[t]]),)}

    stacked = jax.tree.map(lambda *g: jnp.asarray(np.stack(g), jnp.float32), *map(gradients, range(len(GRADIENTS))))

    def step(carry, g):
        w, state = carry
        updates, state = tx.update(g, state, w)
        return (optax.apply_updates(w, updates), state), None

    traces = []

    def traced_step(carry, g):
        traces.append(jax.tree.map(jnp.shape, carry))
        return step(carry, g)

    eager = jitted = (w, tx.init(w))
    jitted_step = jax.jit(traced_step)
    for t in range(len(GRADIENTS)):
        g = jax.tree.map(lambda s: s[t], stacked)  # noqa: B023
        eager, jitted = step(eager, g)[0], jitted_step(jitted, g)[0]
    scanned = jax.jit(lambda c: jax.lax.scan(step, c, stacked)[0])((w, tx.init(w)))
    assert len(traces) == 1, "the state must not change its types"
    for other in (jitted, scanned):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), eager, other)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", RULES)
def test_dtypes(name, style, dtype):
    """Updates keep the gradient's dtype and running quantities are never kept in half precision."""
    tx = RULES[name](0.1, style=style)
    w = jnp.ones(5, dtype)
    g = jnp.asarray(GRADIENTS[0], dtype)
    state = tx.init(w)
    updates, new = tx.update(g, state, w)
    assert updates.dtype == dtype
    floats = [leaf.dtype for leaf in jax.tree.leaves(new) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert floats
    assert set(floats) == {jnp.dtype("float32")}
    assert jax.tree.map(lambda a: (a.shape, a.dtype), state) == jax.tree.map(lambda a: (a.shape, a.dtype), new)
    assert bool(jnp.isfinite(updates).all()), "eps must not underflow where the gradient is zero"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", RULES)
def test_half_precision_follows_float32(name, dtype):
    """A decay of 0.999 moves nothing in eight bits of mantissa; 200 equal gradients show it."""
    tx = RULES[name](1.0)
    state, full_state = tx.init(jnp.zeros((), dtype)), tx.init(jnp.zeros(()))
    for _ in range(200):
        update, state = tx.update(jnp.asarray(0.01, dtype), state)
        full, full_state = tx.update(jnp.asarray(0.01, dtype).astype(jnp.float32), full_state)
    np.testing.assert_allclose(float(update), float(full), rtol=2 * float(jnp.finfo(dtype).eps))


def parabola(w):
    return jnp.sum(jnp.array([1.0, 10.0]) * (w - jnp.array([0.5, -1.0])) ** 2)


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def minimise(tx, f, start, steps):
    def step(carry, _):
        w, state = carry
        updates, state = tx.update(jax.grad(f)(w), state, w)
        return (optax.apply_updates(w, updates), state), None

    return jax.jit(lambda w: jax.lax.scan(step, (w, tx.init(w)), length=steps)[0][0])(start)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("name", "rate"), [("momentum", 0.01), ("adagrad", 1.0), ("rmsprop", 0.05), ("adam", 0.1)]
)  # fmt: skip
def test_minimum_of_a_parabola(name, rate, style):
    schedule = optax.linear_schedule(rate, 0.0, 500)
    w = minimise(RULES[name](schedule, style=style), parabola, jnp.array([3.0, 2.0]), 500)
    np.testing.assert_allclose(w, [0.5, -1.0], atol=1e-3)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("name", "rate"), [("momentum", 5e-4), ("adagrad", 0.5), ("rmsprop", 2e-3), ("adam", 2e-2)]
)  # fmt: skip
def test_minimum_of_rosenbrock(name, rate, style):
    w = minimise(RULES[name](rate, style=style), rosenbrock, jnp.array([-1.0, 1.0]), 12_000)
    np.testing.assert_allclose(w, [1.0, 1.0], atol=2e-2)


def test_constant_gradient_does_not_make_centered_rmsprop_nan():
    path = run(optim.rmsprop(1e-3, centered=True), np.full((400, 3), [0.1, 0.7, 3.3]), jnp.float32)
    assert np.isfinite(path).all()


def test_rates_as_arrays():
    """Hyper-parameters may be traced: a whole range of rates is trained in one program, or injected."""

    def final(rate, b1):
        return minimise(optim.adam(rate, b1=b1), parabola, jnp.array([3.0, 2.0]), 20)

    rates, b1s = jnp.array([0.01, 0.1]), jnp.array([0.9, 0.0])
    together = jax.vmap(final)(rates, b1s)
    for rate, b1, got in zip(rates.tolist(), b1s.tolist(), together, strict=True):
        np.testing.assert_allclose(got, final(rate, b1), rtol=1e-5)

    injected = optax.inject_hyperparams(optim.adam)(learning_rate=0.1)
    np.testing.assert_allclose(minimise(injected, parabola, jnp.array([3.0, 2.0]), 20), final(0.1, 0.9), rtol=1e-4)


def test_chains_with_optax():
    """PyTorch's `weight_decay` is a link before the rule."""
    tx = optax.chain(optax.add_decayed_weights(0.1), optim.momentum(1.0, momentum=0.0))
    w = jnp.array([2.0])
    updates, _ = tx.update(jnp.array([0.0]), tx.init(w), w)
    np.testing.assert_allclose(updates, [-0.2], rtol=1e-6)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -0.1}, "learning_rate must be finite and not negative, got -0.1"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite and not negative, got nan"),
        ({"style": "tf"}, "style must be one of 'torch', 'keras', 'optax', got 'tf'"),
    ],
)
def test_bad_rate_or_style(rule, options, message):
    with pytest.raises(ValueError, match=f"{rule.__name__}: {message}"):
        rule(**({"learning_rate": 0.1} | options))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.momentum(0.1, momentum=1.0), "momentum: momentum must be at least 0 and less than 1, got 1.0"),
        (lambda: optim.momentum(0.1, dampening=-0.1), "dampening must be at least 0 and less than 1, got -0.1"),
        (
            lambda: optim.momentum(0.1, dampening=0.1, style="keras"),
            "momentum: dampening exists only with style='torch', got style='keras'",
        ),
        (lambda: optim.momentum(0.1, dampening=0.1, nesterov=True), "momentum: nesterov needs dampening=0, got 0.1"),
        (
            lambda: optim.adagrad(0.1, initial_accumulator=-1.0),
            "adagrad: initial_accumulator must be finite and not negative, got -1.0",
        ),
        (lambda: optim.adagrad(0.1, eps=0.0), "adagrad: eps must be positive, got 0.0"),
        (lambda: optim.rmsprop(0.1, decay=1.5), "rmsprop: decay must be at least 0 and less than 1, got 1.5"),
        (lambda: optim.rmsprop(0.1, momentum=-0.5), "rmsprop: momentum must be at least 0 and less than 1, got -0.5"),
        (lambda: optim.rmsprop(0.1, eps=-1e-8), "rmsprop: eps must be positive, got -1e-08"),
        (
            lambda: optim.rmsprop(0.1, momentum=0.9, nesterov=True),
            "rmsprop: nesterov exists only with style='optax', got style='torch'",
        ),
        (lambda: optim.adam(0.1, b1=1.0), "adam: b1 must be at least 0 and less than 1, got 1.0"),
        (lambda: optim.adam(0.1, b2=-0.1), "adam: b2 must be at least 0 and less than 1, got -0.1"),
        (lambda: optim.adam(0.1, eps=0.0), "adam: eps must be positive, got 0.0"),
    ],
)  # fmt: skip
def test_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (optim.adam, {"learning_rate": "0.1"}, "adam: learning_rate must be a number, got str"),
        (optim.momentum, {"learning_rate": None}, "momentum: learning_rate must be a number, got NoneType"),
        (optim.adam, {"learning_rate": True}, "adam: learning_rate must be a number, got True"),
        (optim.sgd, {"momentum": np.bool_(True)}, "sgd: momentum must be a number, got True"),
        (optim.adam, {"b1": jnp.bool_(False)}, "adam: b1 must be a number, got False"),
        (optim.rmsprop, {"decay": "x"}, "rmsprop: decay must be a number, got str"),
        (optim.adam, {"eps": "x"}, "adam: eps must be a number, got str"),
        (optim.adagrad, {"initial_accumulator": "x"}, "adagrad: initial_accumulator must be a number, got str"),
    ],
)
def test_what_is_no_number(rule, options, message):
    with pytest.raises(TypeError, match=message):
        rule(**({"learning_rate": 0.1} | options))


@pytest.mark.parametrize("dtype", ["int32", "complex64"])
def test_parameters_that_are_not_real_numbers(dtype):
    with pytest.raises(TypeError, match=rf"adam: parameters must be floating point, got {dtype} at \['n'\]"):
        optim.adam(0.1).init({"n": jnp.zeros(3, dtype)})
