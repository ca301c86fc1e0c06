"""Losses of the agents against plain Python loops in float64, and their gradients at the clip."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import rl


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_loops(rng, dtype):
    new, old, advantages = rng.normal(scale=0.5, size=(3, 200))
    ppo = np.zeros(200)
    for i in range(200):
        ratio = np.exp(new[i] - old[i])
        ppo[i] = -min(ratio * advantages[i], min(max(ratio, 0.8), 1.2) * advantages[i])
    q, online, target = rng.normal(size=(3, 50, 4))
    actions, rewards, terminated = rng.integers(0, 4, 50), rng.normal(scale=2, size=50), rng.random(50) < 0.3
    double, losses = np.zeros((2, 50))
    for i in range(50):
        best = max(range(4), key=lambda a, i=i: online[i, a])
        double[i] = target[i, best]
        error = rewards[i] + (0 if terminated[i] else 0.9 * double[i]) - q[i, actions[i]]
        losses[i] = error**2 / 2 if abs(error) <= 1.5 else 1.5 * (abs(error) - 0.75)
    assert 0 < (losses > 1.5**2 / 2).sum() < 50
    with jax.enable_x64(dtype == "float64"):
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        got = rl.ppo_loss(*(jnp.asarray(a, dtype) for a in (new, old, advantages)), clip=0.2)
        np.testing.assert_allclose(got, ppo, rtol=tolerance)
        following = rl.double_q_values(jnp.asarray(online, dtype), jnp.asarray(target, dtype))
        np.testing.assert_allclose(following, double, rtol=tolerance)
        args = jnp.asarray(q, dtype), jnp.asarray(actions), jnp.asarray(rewards, dtype), following
        got = rl.q_learning_loss(*args, jnp.asarray(terminated), gamma=0.9, delta=1.5)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, losses, rtol=tolerance, atol=tolerance)


def test_gradients():
    """Beyond the clip, in the direction that the advantage favours, none; into the next value none either."""
    ratios, advantages = jnp.array([1.5, 1.5, 0.5, 0.5, 1.0]), jnp.array([1.0, -1.0, 1.0, -1.0, 1.0])
    slope = jax.grad(lambda log: rl.ppo_loss(log, jnp.zeros(5), advantages).sum())(jnp.log(ratios))
    np.testing.assert_allclose(slope, [0, 1.5, -0.5, 0, -1.0], rtol=1e-6)
    one, no = jnp.ones(1), jnp.zeros(1, bool)

    def loss(q, following):
        return rl.q_learning_loss(q, jnp.array([1]), one, following, no, gamma=0.5).sum()

    by_q, by_next = jax.grad(loss, (0, 1))(jnp.array([[0.0, 1.0]]), one)
    np.testing.assert_allclose(by_q, [[0, -0.5]])
    np.testing.assert_allclose(by_next, [0.0])


Q, ONE = jnp.ones((3, 2)), jnp.ones(3)
ACTIONS, ENDS = jnp.zeros(3, int), jnp.zeros(3, bool)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rl.ppo_loss(ONE, ONE, ONE[:2]),
            ValueError,
            r"^ppo_loss: advantages must have the shape \(3,\) of log_",
        ),
        (
            lambda: rl.ppo_loss(ONE, ONE, ONE, clip=1.0),
            ValueError,
            r"^ppo_loss: clip must lie strictly between 0 and 1",
        ),
        (lambda: rl.ppo_loss(ONE, ONE, ACTIONS), TypeError, r"^ppo_loss: advantages must be floating point, got int"),
        (lambda: rl.double_q_values(Q, Q[:2]), ValueError, r"^double_q_values: target must have the shape \(3, 2\)"),
        (
            lambda: rl.q_learning_loss(ONE, ACTIONS, ONE, ONE, ENDS, gamma=0.9),
            ValueError,
            r"^q_learning_loss: q_values must have 2 axes \(N, A\), got 1",
        ),
        (
            lambda: rl.q_learning_loss(Q, ACTIONS[:2], ONE, ONE, ENDS, gamma=0.9),
            ValueError,
            r"^q_learning_loss: the shape of actions must be \(3,\), got \(2,\)",
        ),
        (
            lambda: rl.q_learning_loss(Q, ONE, ONE, ONE, ENDS, gamma=0.9),
            TypeError,
            r"^q_learning_loss: actions must be integers, got float32",
        ),
        (
            lambda: rl.q_learning_loss(Q, ACTIONS, ONE, ONE, ENDS, gamma=2.0),
            ValueError,
            r"^q_learning_loss: gamma must lie between 0 and 1, got 2\.0",
        ),
        (
            lambda: rl.q_learning_loss(Q, ACTIONS, ONE, ONE, ENDS, gamma=0.9, delta=0.0),
            ValueError,
            r"^q_learning_loss: delta must be finite and above 0",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
