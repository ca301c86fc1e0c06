"""Finite problems on gymnax's frozen lake: Q-learning finds what value iteration computes from the map."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import rl

gymnax = pytest.importorskip("gymnax")
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))
GAMMA = 0.95


def lake(slip):
    """The model of the 4x4 map, written out: probabilities (S, A, S) of going on, and expected rewards (S, A)."""
    tiles = "SFFFFHFHFFFHHFFG"
    transitions, rewards = np.zeros((16, 4, 16)), np.zeros((16, 4))
    for state, tile in enumerate(tiles):
        if tile in "HG":
            continue  # never acted in
        for action in range(4):
            chances = {action: 1 / 3, (action - 1) % 4: 1 / 3, (action + 1) % 4: 1 / 3} if slip else {action: 1.0}
            for move, chance in chances.items():
                row = min(max(state // 4 + MOVES[move][0], 0), 3)
                column = min(max(state % 4 + MOVES[move][1], 0), 3)
                to = 4 * row + column
                rewards[state, action] += chance * (tiles[to] == "G")
                if tiles[to] not in "HG":
                    transitions[state, action, to] += chance
    return jnp.asarray(transitions, jnp.float32), jnp.asarray(rewards, jnp.float32)


def value_of(policy, transitions, rewards):
    """The values of a policy, by solving its linear equations."""
    rows = np.arange(16)
    p, r = np.asarray(transitions, np.float64)[rows, policy], np.asarray(rewards, np.float64)[rows, policy]
    return np.linalg.solve(np.eye(16) - GAMMA * p, r)


@pytest.mark.parametrize("slip", [False, True])
def test_value_iteration(slip):
    """The fixed point of Bellman's equation, to the tolerance; its policy is worth what it says."""
    transitions, rewards = lake(slip)
    q = np.asarray(rl.value_iteration(transitions, rewards, gamma=GAMMA, tolerance=1e-6))
    again = np.asarray(rewards) + GAMMA * np.asarray(transitions) @ q.max(1)
    np.testing.assert_allclose(again, q, atol=1e-6)
    np.testing.assert_allclose(value_of(q.argmax(1), transitions, rewards), q.max(1), atol=1e-5)
    if not slip:
        assert q.max(1)[0] == pytest.approx(GAMMA**5, rel=1e-5)  # six steps, the last of which pays


def test_value_iteration_of_rounded_rows_and_under_jit():
    """Rows of a sum of 1 but for rounding are chances; in a trace no row is looked at."""
    logits = jax.random.normal(jax.random.key(0), (4, 2, 4))
    for dtype in (jnp.float32, jnp.bfloat16):
        rows = jax.nn.softmax(logits, axis=2).astype(dtype)
        rewards = jnp.ones((4, 2), dtype)
        q = rl.value_iteration(rows, rewards, gamma=0.5)
        np.testing.assert_allclose(np.asarray(q, np.float32), 2.0, rtol=0.05)
        np.testing.assert_array_equal(jax.jit(lambda p, r: rl.value_iteration(p, r, gamma=0.5))(rows, rewards), q)


@pytest.mark.parametrize("slip", [False, True])
def test_q_learning_reaches_the_best_policy(slip):
    env, _ = gymnax.make("FrozenLake-misc", is_slippery=slip)
    config = rl.QLearningConfig(gamma=GAMMA, total_steps=128 * (4000 if slip else 500), num_envs=128)
    table = rl.q_learning(jax.random.key(0), env, None, config=config)
    transitions, rewards = lake(slip)
    best = np.asarray(rl.value_iteration(transitions, rewards, gamma=GAMMA))
    found = value_of(np.asarray(table.values.argmax(1)), transitions, rewards)
    np.testing.assert_allclose(found[0], best.max(1)[0], rtol=0.02 if slip else 1e-5)
    if not slip:
        np.testing.assert_allclose(table.values.max(), 1.0, rtol=1e-3)
        scores = rl.evaluate(jax.random.key(1), table.policy, env, None, episodes=4)
        assert scores.tolist() == [1.0] * 4
    assert table.returns.shape == (config.total_steps // 128,)


class Idle:
    """One state, one action, a reward of 1, and a time limit of 3: worth 1 / (1 - γ), if truncation is no end."""

    name = "Idle"
    default_params = None
    num_actions = 1

    def __init__(self, terminates):
        self.terminates = terminates

    def action_space(self, params):
        return gymnax.environments.spaces.Discrete(1)

    observation_space = action_space

    def reset(self, key, params):
        return jnp.int32(0), jnp.int32(0)

    def step(self, key, state, action, params):
        done = state == 2
        ends = (done, jnp.bool_(False)) if self.terminates else (jnp.bool_(False), done)
        new = jnp.where(done, 0, state + 1)
        return jnp.int32(0), new, 1.0, *ends, {"final_observation": jnp.int32(0)}


def test_time_limit_is_no_end():
    config = rl.QLearningConfig(gamma=0.5, num_envs=1, total_steps=300)
    for terminates, low, high in ((False, 1.999, 2.001), (True, 1.2, 1.9)):
        values = rl.q_learning(jax.random.key(0), Idle(terminates), None, config=config).values
        assert low < float(values[0, 0]) < high


P, R = lake(False)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rl.value_iteration(P, R, gamma=1.0),
            ValueError,
            r"^value_iteration: gamma must be at least 0 and below 1, got 1\.0",
        ),
        (
            lambda: rl.value_iteration(P[:, :2], R),
            ValueError,
            r"^value_iteration: the shape of transitions must be \(16, 4, 16\), got \(16, 2, 16\)",
        ),
        (
            lambda: rl.value_iteration(P.at[1, 2, 0].add(0.5), R),
            ValueError,
            r"^value_iteration: transitions\[s, a\] must be chances, .*a sum of 1\.5 in state 1, action 2; counts are",
        ),
        (
            lambda: rl.value_iteration(P.at[0, 0, 3].add(-0.25), R),
            ValueError,
            r"^value_iteration: transitions\[s, a\] must be chances, .*a least entry of -0\.25 and .*state 0, action 0",
        ),
        (
            lambda: rl.value_iteration(P.at[0, 0, 3].set(jnp.nan), R),
            ValueError,
            r"^value_iteration: transitions\[s, a\]",
        ),
        (
            lambda: rl.value_iteration(P, R.at[0, 0].set(jnp.inf)),
            ValueError,
            r"^value_iteration: rewards must be finite, got",
        ),
        (
            lambda: rl.QLearningConfig(total_steps=100, num_envs=64),
            ValueError,
            r"^QLearningConfig: total_steps must be a multiple of num_envs = 64, got 100; take 64 or 128",
        ),
        (
            lambda: rl.QLearningConfig(gamma=1.5),
            ValueError,
            r"^QLearningConfig: gamma must lie between 0 and 1, got 1\.5",
        ),
        (
            lambda: rl.QLearningConfig(num_envs=0),
            ValueError,
            r"^QLearningConfig: num_envs, total_steps must be positive",
        ),
        (
            lambda: rl.QLearningConfig(learning_rate=0.0),
            ValueError,
            r"^QLearningConfig: learning_rate must be finite and above",
        ),
        (
            lambda: rl.q_learning(KEY, gymnax.make("CartPole-v1")[0], None),
            ValueError,
            r"^q_learning: the observations of CartPole-v1 are Box.*use an environment with a Discrete obs",
        ),
        (
            lambda: rl.q_learning(KEY, gymnax.make("Pendulum-v1")[0], None),
            ValueError,
            r"^q_learning: the actions of Pendulum-v1 are Box\(.*use an environment with a Discrete action space",
        ),
        (
            lambda: rl.q_learning(KEY, "CartPole-v1", None),
            TypeError,
            r"^q_learning: env must be a gymnax environment, got str without reset, step.*gymnax\.make",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


KEY = jax.random.key(0)


def test_five_values_of_an_old_gymnax():
    class Old(Idle):
        def step(self, key, state, action, params):
            observation, state, reward, done, _, info = super().step(key, state, action, params)
            return observation, state, reward, done, info

    with pytest.raises(TypeError, match=r"env\.step must return \(observation, .*got 5 values; gymnax does from 1\.0"):
        rl.q_learning(KEY, Old(True), None)
