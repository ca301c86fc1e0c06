"""Returns, advantages and errors against plain Python loops in float64; bandits against theory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import rl

GAMMA, DECAY = 0.97, 0.9


def episodes(rng, shape=(40, 3)):
    """Random rewards and values with terminations, truncations and steps that are both."""
    rewards, values, next_values = rng.normal(size=(3, *shape))
    terminated, truncated = rng.random(shape) < 0.3, rng.random(shape) < 0.3
    assert (terminated & truncated).any() and (terminated & ~truncated).any() and (truncated & ~terminated).any()
    return rewards, values, next_values, terminated, truncated


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_loops(rng, dtype):
    rewards, values, next_values, terminated, truncated = episodes(rng)
    errors, returns, advantages = np.zeros((3, *rewards.shape))
    for n in range(rewards.shape[1]):
        future, trace = None, 0.0
        for t in reversed(range(rewards.shape[0])):
            bootstrap = 0.0 if terminated[t, n] else next_values[t, n]
            done = terminated[t, n] or truncated[t, n]
            errors[t, n] = rewards[t, n] + GAMMA * bootstrap - values[t, n]
            future = bootstrap if done or future is None else future
            future = returns[t, n] = rewards[t, n] + GAMMA * future
            trace = advantages[t, n] = errors[t, n] + (0.0 if done else GAMMA * DECAY * trace)
    with jax.enable_x64(dtype == "float64"):
        r, v, w = (jnp.asarray(a, dtype) for a in (rewards, values, next_values))
        e, c = jnp.asarray(terminated), jnp.asarray(truncated)
        got = [
            rl.td_error(v, r, w, e, gamma=GAMMA),
            rl.discounted_returns(r, w, e, c, gamma=GAMMA),
            rl.generalized_advantages(r, v, w, e, c, gamma=GAMMA, trace_decay=DECAY),
        ]
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        for want, found in zip((errors, returns, advantages), got, strict=True):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance)


def test_decays_at_the_ends(rng):
    """λ = 0 leaves the errors; λ = 1 makes returns less values where the values of reached states are consistent."""
    arrays = [jnp.asarray(a) for a in episodes(rng, (30,))]
    rewards, values, _, terminated, truncated = arrays
    rewards, values = rewards.astype("float32"), values.astype("float32")
    reached = jnp.concatenate([values[1:], values[:1]])  # V(s_{t+1}), as where an episode goes on
    ends = terminated, truncated
    none = rl.generalized_advantages(rewards, values, reached, *ends, gamma=GAMMA, trace_decay=0)
    np.testing.assert_allclose(none, rl.td_error(values, rewards, reached, terminated, gamma=GAMMA), rtol=1e-6)
    full = rl.generalized_advantages(rewards, values, reached, *ends, gamma=GAMMA, trace_decay=1)
    want = rl.discounted_returns(rewards, reached, *ends, gamma=GAMMA) - values
    np.testing.assert_allclose(full, want, rtol=1e-4, atol=1e-4)
    assert rl.discounted_returns(rewards[:0], values[:0], terminated[:0], truncated[:0], gamma=1.0).shape == (0,)


MEANS = (0.2, 0.5, 0.65)


def test_ucb1_takes_the_arms_of_a_loop():
    """Gaussian arms without noise leave nothing to chance."""
    means, counts, want = np.float32(MEANS), np.zeros(3), []
    for t in range(1, 201):
        bound = means + np.sqrt(2 * np.log(t) / np.maximum(counts, 1))
        want.append(int(np.argmax(np.where(counts == 0, np.inf, bound))))
        counts[want[-1]] += 1
    runs = rl.ucb1(jax.random.key(0), jnp.asarray(means), steps=200, arms="gaussian", stddev=0.0)
    assert runs.actions[0].tolist() == want
    np.testing.assert_allclose(runs.regret[0], np.cumsum(means.max() - means[want]), rtol=1e-5)
    np.testing.assert_array_equal(runs.rewards[0], means[want])


@pytest.mark.parametrize("arms", [pytest.param("bernoulli", marks=pytest.mark.slow), "gaussian"])
def test_regret(arms):
    """UCB1 stays below its bound, a constant ε costs ε times the mean gap a step, sampling from beliefs costs least."""
    steps, means = 2000, jnp.array(MEANS)
    gaps = 0.65 - np.array(MEANS)
    options = dict(steps=steps, runs=100, arms=arms, stddev=0.5)
    found = {f.__name__: f(jax.random.key(1), means, **options) for f in (rl.epsilon_greedy, rl.ucb1)}
    found["thompson_sampling"] = rl.thompson_sampling(jax.random.key(1), means, **options)
    final = {name: float(runs.regret[:, -1].mean()) for name, runs in found.items()}
    assert final["ucb1"] < sum(8 * np.log(steps) / gap + (1 + np.pi**2 / 3) * gap for gap in gaps if gap)
    slope = float((found["epsilon_greedy"].regret[:, -1] - found["epsilon_greedy"].regret[:, 1000]).mean()) / 999
    assert 0.95 < slope / (0.1 * gaps.mean()) < 1.8  # the best arm is now and then taken for another
    assert final["thompson_sampling"] < min(final["ucb1"], 0.3 * steps * gaps.mean())
    late = found["thompson_sampling"].actions[:, -100:] == 2
    assert float(late.mean()) > 0.9
    random = rl.epsilon_greedy(jax.random.key(2), means, eps=1.0, **options)
    assert float(random.regret[:, -1].mean()) == pytest.approx(steps * gaps.mean(), rel=0.02)
    assert float(random.rewards.mean()) == pytest.approx(np.mean(MEANS), abs=0.01)


F32, FLAG = jnp.zeros(3), jnp.zeros(3, bool)
KEY, ARMS = jax.random.key(0), jnp.array(MEANS)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rl.td_error(F32, F32, F32, FLAG, gamma=1.1),
            ValueError,
            r"^td_error: gamma must lie between 0 and 1, got 1\.1",
        ),
        (
            lambda: rl.td_error(F32, F32[:2], F32, FLAG, gamma=0.9),
            ValueError,
            r"^td_error: rewards must have the shape \(3,\) of values, got \(2,\)",
        ),
        (
            lambda: rl.td_error(F32, F32, F32, F32, gamma=0.9),
            TypeError,
            r"^td_error: terminated must be boolean, got float32",
        ),
        (
            lambda: rl.td_error(F32, F32, F32, True, gamma=0.9),
            TypeError,
            r"^td_error: terminated must be an array, got bool",
        ),
        (
            lambda: rl.discounted_returns(F32, F32, FLAG, FLAG[:1], gamma=0.9),
            ValueError,
            r"^discounted_returns: truncated must have the shape \(3,\) of rewards, got \(1,\)",
        ),
        (
            lambda: rl.discounted_returns(FLAG, F32, FLAG, FLAG, gamma=0.9),
            TypeError,
            r"^discounted_returns: rewards must be floating point, got bool",
        ),
        (
            lambda: rl.discounted_returns(F32[0], F32[0], FLAG[0], FLAG[0], gamma=0.9),
            ValueError,
            r"must have at least 1 axis",
        ),
        (
            lambda: rl.generalized_advantages(F32, F32, F32, FLAG, FLAG, gamma=0.9, trace_decay=-0.1),
            ValueError,
            r"^generalized_advantages: trace_decay must lie between 0 and 1, got -0\.1",
        ),
        (
            lambda: rl.generalized_advantages(F32, F32, F32, FLAG, FLAG, gamma=float("nan"), trace_decay=0.5),
            ValueError,
            r"^generalized_advantages: gamma must lie between 0 and 1, got nan",
        ),
        (
            lambda: rl.epsilon_greedy(KEY, ARMS, eps=2.0),
            ValueError,
            r"^epsilon_greedy: eps must lie between 0 and 1, got 2\.0",
        ),
        (
            lambda: rl.ucb1(KEY, ARMS + 1),
            ValueError,
            r"^ucb1: means of Bernoulli arms must lie between 0 and 1, got \[1\.2",
        ),
        (lambda: rl.ucb1(KEY, ARMS[:0]), ValueError, r"^ucb1: means must have an entry for each arm, got none"),
        (lambda: rl.ucb1(KEY, ARMS, coefficient=0.0), ValueError, r"^ucb1: coefficient must be finite and above 0"),
        (
            lambda: rl.thompson_sampling(KEY, ARMS, arms="beta"),
            ValueError,
            r"^thompson_sampling: arms must be one of 'bernoulli', 'gaussian', got 'beta'",
        ),
        (
            lambda: rl.thompson_sampling(KEY, ARMS, arms="gaussian", stddev=0.0),
            ValueError,
            r"^thompson_sampling: stddev must be above 0",
        ),
        (
            lambda: rl.ucb1(KEY, ARMS, steps=0),
            ValueError,
            r"^ucb1: steps, runs must be positive integers, got \(0, 1\)",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
