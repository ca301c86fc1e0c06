"""PPO, A2C and DQN: values that are known, the buffer, what they refuse, and CartPole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import OPTIMIZED

from jaxml import rl
from jaxml.rl._dqn import Transition, _buffer, write
from jaxml.rl._network import init_mlp

gymnax = pytest.importorskip("gymnax")
KEY = jax.random.key(0)
QR = ("qr", "geqrf", "householder_product")


class Idle:
    """One state, two actions that pay 1 and 0, and an end after three steps.

    The first action for ever is worth 1 / (1 - γ) where the end is a time limit, and 1 + γ + γ² at first where it is
    an end: the state says the time then.
    """

    name = "Idle"
    default_params = None

    def __init__(self, terminates):
        self.terminates = terminates

    def action_space(self, params):
        return gymnax.environments.spaces.Discrete(2)

    def observation_space(self, params):
        return gymnax.environments.spaces.Discrete(3)

    def seen(self, time):
        return jnp.where(self.terminates, time, 0)

    def reset(self, key, params):
        return jnp.int32(0), jnp.int32(0)

    def step(self, key, state, action, params):
        done, no = state == 2, jnp.bool_(False)
        ends = (done, no) if self.terminates else (no, done)
        new = jnp.where(done, 0, state + 1)
        reward = jnp.where(action == 0, 1.0, 0.0)
        return self.seen(new), new, reward, *ends, {"final_observation": self.seen(jnp.minimum(state + 1, 2))}


def idle_agent(function, terminates):
    if function == "dqn":
        config = rl.DQNConfig(
            num_envs=4, total_steps=4800, buffer_size=400, learning_starts=400, batch_size=32, learning_rate=0.01,
            gamma=0.5, target_period=20, hidden=(8,),
        )  # fmt: skip
        return rl.dqn(KEY, Idle(terminates), None, config=config)
    options = dict(num_envs=8, rollout_steps=10, learning_rate=0.02, gamma=0.5, hidden=(8,), entropy_coefficient=0.0)
    config = rl.PPOConfig(total_steps=80 * 60, epochs=4, minibatches=2, **options)
    return rl.ppo(KEY, Idle(terminates), None, config=config)


@pytest.mark.parametrize("function", ["ppo", "dqn"])
@pytest.mark.parametrize("terminates", [False, True])
def test_known_values(function, terminates):
    """A time limit is no end: without it the values would be 1.75 at most; and an end is one."""
    result = idle_agent(function, terminates)
    assert int(result.policy(jnp.int32(0))) == 0
    states = jnp.arange(3) if terminates else jnp.zeros(1, int)
    want = [1.75, 1.5, 1.0] if terminates else [2.0]
    if function == "dqn":
        values = jax.vmap(result.scores)(states)
        np.testing.assert_allclose(values[:, 0], want, atol=0.1)
        np.testing.assert_allclose(values[:, 0] - values[:, 1], 1.0, atol=0.1)
    else:
        critic = rl.Result(result.params, result.returns, result.steps, "value", result.activation, 3)
        np.testing.assert_allclose(jax.vmap(critic.scores)(states)[:, 0], want, atol=0.1)
    assert float(np.nanmean(result.returns[-20:])) > 2.7


def test_buffer_is_written_round_and_round():
    """Random steps in the rows where they would be, then `num_envs` rows at a time, the oldest first."""
    config = rl.DQNConfig(num_envs=2, total_steps=40, buffer_size=6, learning_starts=8)
    steps = jnp.arange(8.0).reshape(4, 2)
    random = Transition(steps[..., None], steps.astype(int), steps, steps[..., None], steps > 3)
    buffer = _buffer(random, config)
    assert buffer.reward.tolist() == [6, 7, 2, 3, 4, 5] and buffer.x[:, 0].tolist() == buffer.reward.tolist()
    new = jax.tree.map(lambda a: a[0], random)._replace(reward=jnp.array([8.0, 9.0]))
    assert write(buffer, new, jnp.int32(4 * 2 % 6)).reward.tolist() == [6, 7, 8, 9, 4, 5]


@pytest.mark.slow
def test_a2c_is_ppo_with_one_pass():
    """Huang et al. 2022: with one epoch and one minibatch the ratio is 1, and the gradients are the same."""
    env = gymnax.make("CartPole-v1")[0]
    same = dict(num_envs=4, rollout_steps=8, total_steps=4 * 8 * 5, learning_rate=1e-3, hidden=(8,))
    a2c = rl.a2c(KEY, env, None, config=rl.A2CConfig(**same))
    ppo = rl.ppo(KEY, env, None, config=rl.PPOConfig(epochs=1, minibatches=1, **same))
    for a, b in zip(jax.tree.leaves(a2c.params), jax.tree.leaves(ppo.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert a2c.steps.tolist() == [32, 64, 96, 128, 160]


def test_networks_of_several_seeds_are_those_of_each():
    """By factorizations one at a time: two batches of them wait for each other on two cores, for ever."""
    keys = jax.vmap(jax.random.key)(jnp.arange(5))

    def draw(key):
        return init_mlp(key, (4, 3, 2), last_scale=1.0)

    together = jax.vmap(draw)(keys)
    for i, key in enumerate(keys):
        own = jax.tree.leaves(draw(key))
        assert all((a[i] == b).all() for a, b in zip(jax.tree.leaves(together), own, strict=True))
    factored = [e for e in equations(jax.make_jaxpr(jax.vmap(draw))(keys).jaxpr) if e.primitive.name in QR]
    assert factored
    assert all(e.invars[0].aval.ndim == 2 for e in factored)


def equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")):
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                yield from equations(getattr(inner, "jaxpr", inner))


@pytest.mark.slow
def test_ppo_solves_cart_pole():
    """Five seeds in one compiled call; the greedy policy of each, over 100 episodes; compiled as users have it."""
    env = gymnax.make("CartPole-v1")[0]

    def score(key):
        return rl.evaluate(key, rl.ppo(key, env, None).policy, env, None).mean()

    keys = jax.vmap(jax.random.key)(jnp.arange(5))
    scores = jax.jit(jax.vmap(score), compiler_options=OPTIMIZED)(keys)
    assert (scores >= 475).all(), scores


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rl.PPOConfig(total_steps=1000),
            ValueError,
            r"^PPOConfig: total_steps must be a multiple of num_envs \* rollout_steps = 2048, got 1000; take 2048",
        ),
        (
            lambda: rl.PPOConfig(minibatches=3),
            ValueError,
            r"^PPOConfig: num_envs \* rollout_steps must be a multiple of minibatches = 3, got 2048; take 2046 or 2049",
        ),
        (lambda: rl.PPOConfig(epochs=0), ValueError, r"^PPOConfig: epochs, minibatches must be positive integers"),
        (lambda: rl.PPOConfig(clip=0.0), ValueError, r"^PPOConfig: clip must lie strictly between 0 and 1"),
        (lambda: rl.PPOConfig(trace_decay=1.2), ValueError, r"^PPOConfig: trace_decay must lie between 0 and 1"),
        (lambda: rl.A2CConfig(gamma=1.01), ValueError, r"^A2CConfig: gamma must lie between 0 and 1, got 1\.01"),
        (
            lambda: rl.A2CConfig(entropy_coefficient=-1.0),
            ValueError,
            r"^A2CConfig: entropy_coefficient must be at least 0",
        ),
        (
            lambda: rl.DQNConfig(buffer_size=1001),
            ValueError,
            r"^DQNConfig: buffer_size must be a multiple of num_envs = 10, got 1001; take 1000 or 1010",
        ),
        (
            lambda: rl.DQNConfig(learning_starts=8000, total_steps=8000),
            ValueError,
            r"^DQNConfig: learning_starts must be below total_steps",
        ),
        (lambda: rl.DQNConfig(epsilon_end=1.5), ValueError, r"^DQNConfig: epsilon_end must lie between 0 and 1"),
        (
            lambda: rl.dqn(KEY, gymnax.make("Pendulum-v1")[0], None),
            ValueError,
            r"^dqn: the actions of Pendulum-v1 are Box\(.*dqn chooses among finitely many; use an environment with a D",
        ),
        (
            lambda: rl.ppo(KEY, gymnax.make("MountainCarContinuous-v0")[0], None),
            ValueError,
            r"^ppo: the actions of \w+.* are Box\(.*use an environment with a Discrete action space",
        ),
        (
            lambda: rl.a2c(KEY, gymnax, None),
            TypeError,
            r"^a2c: env must be a gymnax environment, got module without reset",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
