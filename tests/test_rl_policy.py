"""Agents that learn a policy: they improve, many at once as one by one, and refuse what they cannot act in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import rl

gymnax = pytest.importorskip("gymnax")
SMALL = rl.ReinforceConfig(
    num_envs=16, episode_steps=60, total_steps=16 * 60 * 20, hidden=(16,), learning_rate=0.01, gamma=0.99, anneal=False
)


def cart_pole():
    return gymnax.make("CartPole-v1")[0]


@pytest.mark.slow
def test_reinforce_improves():
    """Episodes of 60 steps at most: from 25 or so at random to over 40. Two seeds in one call."""
    env = cart_pole()
    keys = jax.random.split(jax.random.key(0), 2)
    result = jax.vmap(lambda key: rl.reinforce(key, env, None, config=SMALL))(keys)
    assert result.returns.shape == (2, 20) and result.steps[0].tolist()[-1] == SMALL.total_steps
    assert (result.returns[:, 0] < 35).all() and (result.returns[:, -3:].mean(1) > 40).all(), result.returns
    one = jax.tree.map(lambda a: a[0], result)
    scores = rl.evaluate(jax.random.key(1), one.policy, env, None, episodes=8, max_steps=60)
    assert scores.shape == (8,) and float(scores.mean()) > 40
    assert one.scores(jnp.zeros(4)).shape == (2,)
    assert len(np.unique(np.asarray(result.returns[:, 5]))) == 2  # two runs, not one twice


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rl.ReinforceConfig(total_steps=1000),
            ValueError,
            r"^ReinforceConfig: total_steps must be a multiple of num_envs .* = 8000, got 1000; take 8000",
        ),
        (lambda: rl.ReinforceConfig(gamma=-0.1), ValueError, r"^ReinforceConfig: gamma must lie between 0 and 1"),
        (
            lambda: rl.ReinforceConfig(activation="reluu"),
            ValueError,
            r"^ReinforceConfig: activation must be one of 'tanh', 'relu', got 'reluu'; did you mean 'relu'",
        ),
        (
            lambda: rl.ReinforceConfig(hidden=(64, 0)),
            ValueError,
            r"^ReinforceConfig: num_envs, .* must be positive",
        ),
        (
            lambda: rl.reinforce(KEY, gymnax.make("Pendulum-v1")[0], None),
            ValueError,
            r"^reinforce: the actions of Pendulum-v1 are Box\(.*use an environment with a Discrete action",
        ),
        (
            lambda: rl.evaluate(KEY, jnp.argmax, cart_pole(), None, episodes=0),
            ValueError,
            r"^evaluate: episodes must be",
        ),
        (
            lambda: rl.evaluate(KEY, jnp.argmax, cart_pole(), None, max_steps=0),
            ValueError,
            r"^evaluate: max_steps must",
        ),
        (lambda: rl.evaluate(KEY, jnp.argmax, None, None), TypeError, r"^evaluate: env must be a gymnax environment"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


KEY = jax.random.key(0)


def test_reinforce_anneals_its_rate():
    """Two updates: the first is of the whole rate either way, the second of half of it, where Adam steps by 1e-3."""
    options = dict(num_envs=2, episode_steps=5, total_steps=20, hidden=(4,), learning_rate=1e-3)
    whole, half = (
        jax.tree.leaves(rl.reinforce(KEY, cart_pole(), None, config=rl.ReinforceConfig(anneal=a, **options)).params)
        for a in (False, True)
    )
    apart = max(float(jnp.abs(a - b).max()) for a, b in zip(whole, half, strict=True))
    assert 1e-4 < apart < 6e-4
