"""Bandits: one state, several arms, and the price of finding out which is best."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from jaxml.functional._checks import check_above, check_choice, check_float, check_positive, check_rank, check_within

ARMS = ("bernoulli", "gaussian")


class BanditRuns(NamedTuple):
    """What a bandit did; R runs of T steps.

    actions: the arm of each step, (R, T).
    rewards: what it gave, (R, T).
    regret: the sum so far of what the best arm gives on average beyond the arm taken, (R, T).
    """

    actions: Int[Array, "R T"]
    rewards: Float[Array, "R T"]
    regret: Float[Array, "R T"]


# Of (key, times each arm was taken, sum of its rewards, step from 1): the arm to take.
Choice = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


def epsilon_greedy(
    key: jax.Array,
    means: Float[Array, " K"],
    *,
    eps: float = 0.1,
    steps: int = 1000,
    runs: int = 1,
    arms: str = "bernoulli",
    stddev: float = 1.0,
) -> BanditRuns:
    """Takes the arm that gave most on average, and with probability ε any arm at random.

    An arm that was not taken yet counts as the best. The regret grows by ε times the mean gap at every step, for ever.

    key: of the draws; eps: the probability ε.
    means: of the K arms; `arms` "bernoulli", which give 1 with that probability, else 0, or "gaussian", which add noise
        of `stddev`.
    steps, runs: length and number of independent runs, all in one compiled scan.

    Shapes: means (K,) -> actions, rewards and regret (runs, steps).

    Errors: `ValueError` for eps outside [0, 1], no arms, means of Bernoulli arms outside [0, 1] and unknown `arms`.

    Book: Sutton and Barto 2018, section 2.2.

    >>> import jax, jax.numpy as jnp; from jaxml import rl
    >>> rl.epsilon_greedy(jax.random.key(0), jnp.array([0.1, 0.9]), steps=50, runs=3).regret.shape
    (3, 50)
    """
    _check("epsilon_greedy", means, steps, runs, arms, stddev)
    check_within("epsilon_greedy", "eps", eps, 0, 1)

    def choose(key: jax.Array, counts: jax.Array, sums: jax.Array, step: jax.Array) -> jax.Array:
        del step
        explore, arm = jax.random.split(key)
        best = jnp.argmax(jnp.where(counts == 0, jnp.inf, sums / jnp.maximum(counts, 1)))
        anything = jax.random.randint(arm, (), 0, means.shape[0], best.dtype)
        return jnp.where(jax.random.uniform(explore) < eps, anything, best)

    return _run(key, means, choose, steps, runs, arms, stddev)


def ucb1(
    key: jax.Array,
    means: Float[Array, " K"],
    *,
    coefficient: float = 2.0,
    steps: int = 1000,
    runs: int = 1,
    arms: str = "bernoulli",
    stddev: float = 1.0,
) -> BanditRuns:
    """Takes the arm whose upper confidence bound is highest: optimism in the face of uncertainty.

        argmax_k  mean_k + sqrt(coefficient ln t / n_k)        each arm once at first

    With rewards in [0, 1] and coefficient 2 the expected regret is at most `8 Σ ln(T) / gap + (1 + π²/3) Σ gap`, the
    sums over the arms that are not best. Options as those of `epsilon_greedy`; Gaussian arms of `stddev` σ want a
    coefficient of about 4 σ² or more for such a bound.

    Shapes: means (K,) -> actions, rewards and regret (runs, steps).

    Errors: `ValueError` for a coefficient that is not positive, no arms, means of Bernoulli arms outside [0, 1].

    Paper: Auer, Cesa-Bianchi and Fischer 2002, Machine Learning 47.

    >>> import jax, jax.numpy as jnp; from jaxml import rl
    >>> rl.ucb1(jax.random.key(0), jnp.array([0.1, 0.9]), steps=4).actions[0, :2].tolist()
    [0, 1]
    """
    _check("ucb1", means, steps, runs, arms, stddev)
    check_above("ucb1", "coefficient", coefficient, 0)

    def choose(key: jax.Array, counts: jax.Array, sums: jax.Array, step: jax.Array) -> jax.Array:
        del key
        n = jnp.maximum(counts, 1)
        bound = sums / n + jnp.sqrt(coefficient * jnp.log(step.astype(means.dtype)) / n)
        return jnp.argmax(jnp.where(counts == 0, jnp.inf, bound))

    return _run(key, means, choose, steps, runs, arms, stddev)


def thompson_sampling(
    key: jax.Array,
    means: Float[Array, " K"],
    *,
    steps: int = 1000,
    runs: int = 1,
    arms: str = "bernoulli",
    stddev: float = 1.0,
) -> BanditRuns:
    """Draws a mean for each arm from what is believed of it, and takes the arm whose draw is highest.

    Bernoulli arms start from the uniform belief, Beta(1, 1), and are at Beta(1 + ones, 1 + zeros) after that; Gaussian
    ones start from N(0, 1) with `stddev` known. Options as those of `epsilon_greedy`.

    Shapes: means (K,) -> actions, rewards and regret (runs, steps).

    Errors: `ValueError` for no arms, means of Bernoulli arms outside [0, 1], unknown `arms`.

    Papers: Thompson 1933, Biometrika 25; Agrawal and Goyal 2012, arXiv:1111.1797.

    >>> import jax, jax.numpy as jnp; from jaxml import rl
    >>> runs = rl.thompson_sampling(jax.random.key(0), jnp.array([0.1, 0.9]), steps=200)
    >>> bool(runs.actions[0, 100:].mean() > 0.9)
    True
    """
    _check("thompson_sampling", means, steps, runs, arms, stddev)

    def choose(key: jax.Array, counts: jax.Array, sums: jax.Array, step: jax.Array) -> jax.Array:
        del step
        if arms == "bernoulli":
            return jnp.argmax(jax.random.beta(key, 1 + sums, 1 + counts - sums, dtype=means.dtype))
        precision = 1 + counts / stddev**2
        noise = jax.random.normal(key, counts.shape, means.dtype)
        return jnp.argmax(sums / stddev**2 / precision + noise / jnp.sqrt(precision))

    return _run(key, means, choose, steps, runs, arms, stddev)


def _check(function: str, means: jax.Array, steps: int, runs: int, arms: str, stddev: float) -> None:
    check_float(function, means=means)
    check_rank(function, "means", means, 1, "(K,)")
    check_positive(function, "steps, runs", (steps, runs))
    check_choice(function, "arms", arms, ARMS)
    check_within(function, "stddev", stddev, 0)
    if stddev == 0 and function == "thompson_sampling":
        raise ValueError("thompson_sampling: stddev must be above 0: without noise one draw of each arm tells all")
    if means.shape[0] == 0:
        raise ValueError(f"{function}: means must have an entry for each arm, got none (means: {means.shape})")
    known = not isinstance(means, Tracer)
    if arms == "bernoulli" and known and not bool(((means >= 0) & (means <= 1)).all()):
        raise ValueError(f"{function}: means of Bernoulli arms must lie between 0 and 1, got {means.tolist()}")


def _run(
    key: jax.Array, means: jax.Array, choose: Choice, steps: int, runs: int, arms: str, stddev: float
) -> BanditRuns:
    def take(carry: tuple[jax.Array, jax.Array], at: tuple[jax.Array, jax.Array]) -> tuple[tuple, tuple]:
        (counts, sums), (step, key) = carry, at
        key_choose, key_reward = jax.random.split(key)
        action = choose(key_choose, counts, sums, step)
        if arms == "bernoulli":
            reward = (jax.random.uniform(key_reward, (), means.dtype) < means[action]).astype(means.dtype)
        else:
            reward = means[action] + stddev * jax.random.normal(key_reward, (), means.dtype)
        carry = counts.at[action].add(1), sums.at[action].add(reward)
        return carry, (action, reward, means.max() - means[action])

    @jax.vmap
    def run(key: jax.Array) -> tuple[jax.Array, ...]:
        zeros = jnp.zeros_like(means)
        at = jnp.arange(1, steps + 1), jax.random.split(key, steps)
        return jax.lax.scan(take, (zeros, zeros), at)[1]

    actions, rewards, gaps = run(jax.random.split(key, runs))
    return BanditRuns(actions, rewards, jnp.cumsum(gaps, axis=1))
