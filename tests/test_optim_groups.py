"""Freezing, groups, the learning rate read back."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml import optim

PARAMS = {
    "blocks": [{"norm": {"scale": jnp.full(2, 2.0, "float32")}, "w": jnp.ones((3, 2))}, {"w": jnp.ones((2, 2))}],
    "head": {"b": jnp.ones(2), "w": jnp.ones((2, 2))},
}
PATHS = "blocks/0/norm/scale, blocks/0/w, blocks/1/w, head/b, head/w"


def after_two_steps(tx, params=PARAMS):
    chex.clear_trace_counter()  # which goes by the name `step`

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(w, state):
        updates, state = tx.update(w, state, w)
        return optax.apply_updates(w, updates), state

    w, state = params, tx.init(params)
    for _ in range(2):
        w, state = step(w, state)
    return w, state


def test_decay_mask():
    want = {"blocks": [{"norm": {"scale": False}, "w": True}, {"w": True}], "head": {"b": False, "w": True}}
    assert optim.decay_mask(PARAMS) == want


@pytest.mark.parametrize("style", ["torch", "keras", "optax"])
def test_frozen_parameters_stay_and_keep_no_state(style):
    """Though AdamW decays all it touches, and has a mask of its own."""
    tx = optim.adamw(0.1, weight_decay=0.5, style=style)
    w, state = after_two_steps(optim.freeze(tx, PARAMS, r"^blocks/0/|/b$"))
    chex.assert_trees_all_equal(w["blocks"][0], PARAMS["blocks"][0])
    chex.assert_trees_all_equal(w["head"]["b"], PARAMS["head"]["b"])
    alone, _ = after_two_steps(tx)
    chex.assert_trees_all_equal(w["blocks"][1], alone["blocks"][1])
    chex.assert_trees_all_equal(w["head"]["w"], alone["head"]["w"])
    assert sum(leaf.size for leaf in jax.tree.leaves(state) if leaf.ndim) == 2 * (4 + 4)
    masked = optim.adamw(0.1, weight_decay=0.5, decay_mask=optim.decay_mask, style=style)
    w, _ = after_two_steps(optim.freeze(masked, PARAMS, "^blocks/"))
    chex.assert_trees_all_equal(w["head"], after_two_steps(masked)[0]["head"])


def test_groups_have_their_own_rules():
    """The first pattern that matches decides."""
    groups = {"^head/b$": optim.sgd(0.5), "^head/": optim.adam(0.25)}
    w, state = after_two_steps(optim.per_group(groups, PARAMS, otherwise=optim.sgd(0.125)))
    np.testing.assert_allclose(w["head"]["b"], 0.25)
    np.testing.assert_allclose(w["blocks"][1]["w"], 0.875**2, rtol=1e-6)
    alone, _ = after_two_steps(optim.adam(0.25))
    chex.assert_trees_all_equal(w["head"]["w"], alone["head"]["w"])
    rates = {name: float(optim.current_learning_rate(s)) for name, s in state.inner_states.items()}
    assert rates == {"^head/b$": 0.5, "^head/": 0.25, "otherwise": 0.125}
    with pytest.raises(ValueError, match=r"must hold one learning rate, got 3; give the state of one group"):
        optim.current_learning_rate(state)


def test_groups_that_leave_nothing():
    w, _ = after_two_steps(optim.per_group({"^head/": optim.sgd(0.5), "blocks": optim.sgd(0.25)}, PARAMS))
    np.testing.assert_allclose(w["head"]["w"], 0.25)
    np.testing.assert_allclose(w["blocks"][0]["w"], 0.75**2, rtol=1e-6)


SGD = optim.sgd(0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: optim.freeze(SGD, PARAMS, "^body/"),
            rf"freeze: '\^body/' matches no parameter; the paths are {PATHS}$",
        ),
        (lambda: optim.freeze(SGD, PARAMS, "w|b"), "freeze: 'w|b' matches every parameter, and leaves none to train"),
        (lambda: optim.freeze(SGD, PARAMS, "["), r"freeze: '\[' is no regular expression: unterminated"),
        (
            lambda: optim.freeze(SGD, PARAMS, "otherwise"),
            r"'otherwise' names the rest, write the pattern as '\^otherwise'",
        ),
        (
            lambda: optim.per_group({}, PARAMS, otherwise=SGD),
            "per_group: groups must name a pattern at least, got none",
        ),
        (
            lambda: optim.per_group({"head": SGD, "^head/b": SGD}, PARAMS, otherwise=SGD),
            r"per_group: '\^head/b' matches only what an earlier pattern has \(head/b\); the paths are blocks",
        ),
        (
            lambda: optim.per_group({"^head/": SGD}, PARAMS),
            "per_group: no pattern matches blocks/0/norm/scale, blocks/0/w, blocks/1/w, and otherwise= is not given",
        ),
        (
            lambda: optim.freeze(SGD, {str(n): jnp.ones(2) for n in range(10, 30)}, "x"),
            "matches no parameter; the paths are 10, 11, 12, 13, 14, 15, 16, 17 and 12 more",
        ),
    ],
)
def test_bad_groups(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.loose_promotion  # Optax's `inject_hyperparams` and Adam
def test_current_learning_rate():
    """Before the first update that of the first, and then that of the last."""
    w = jnp.ones(3)
    for tx in (
        optim.adam(lambda t: 0.5 / (1 + t.astype(float))),
        optax.chain(optax.clip(1.0), optim.sgd(lambda t: 0.5 / (1 + t.astype(float)))),
        optax.inject_hyperparams(optim.adam)(learning_rate=lambda t: 0.5 / (1 + t.astype(float))),
        optax.inject_hyperparams(optax.adam)(learning_rate=lambda t: 0.5 / (1 + t.astype(float))),
    ):
        state, rates = tx.init(w), []
        for _ in range(3):
            rates.append(float(optim.current_learning_rate(state)))
            _, state = jax.jit(tx.update)(w, state, w)
        assert rates == [0.5, 0.5, 0.25]
    assert float(optim.current_learning_rate(optim.lion(0.25).init(w))) == 0.25
    relative = optim.adafactor(10.0)
    _, state = relative.update(w, relative.update(w, relative.init(w), w)[1], w)
    assert float(optim.current_learning_rate(state)) == pytest.approx(2**-0.5)


def test_learning_rate_set_by_hand():
    tx, w = optax.inject_hyperparams(optim.sgd)(learning_rate=0.5), jnp.ones(3)
    state = tx.init(w)
    state.hyperparams["learning_rate"] = jnp.asarray(0.25)
    updates, state = tx.update(w, state, w)
    np.testing.assert_array_equal(updates, -0.25 * w)
    assert float(optim.current_learning_rate(state)) == 0.25


def test_rate_of_a_new_optimizer_on_an_old_state():
    """A run that is resumed at another rate steps by that, and says so."""
    w = jnp.ones(3)
    updates, state = optim.sgd(0.25).update(w, optim.sgd(0.5).init(w), w)
    np.testing.assert_array_equal(updates, -0.25 * w)
    assert float(optim.current_learning_rate(state)) == 0.25


def test_state_without_a_rate():
    message = "must hold one learning rate, got 0; only jaxml.optim and optax.inject_hyperparams keep it there"
    with pytest.raises(ValueError, match=message):
        optim.current_learning_rate(optax.adam(0.1).init(jnp.ones(3)))


@pytest.mark.loose_promotion  # Optax's `MultiSteps`
def test_accumulation_and_clipping():
    """Four calls of `MultiSteps` are one update with the mean of their gradients, clipped."""
    inner = optax.chain(optax.clip_by_global_norm(1.0), optim.momentum(0.5))
    tx, w = optax.MultiSteps(inner, every_k_schedule=4), jnp.ones(3)
    state = tx.init(w)
    for g in (1.0, 2.0, 3.0, 6.0):
        updates, state = tx.update(jnp.full(3, g), state, w)
    np.testing.assert_allclose(updates, -0.5 * 3**-0.5 * w, rtol=1e-6)
    assert float(optim.current_learning_rate(state)) == 0.5
