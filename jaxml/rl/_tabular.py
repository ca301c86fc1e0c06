"""Finite problems: the values by dynamic programming where the model is known, by Q-learning where it is not."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from jaxml.functional._checks import check_above, check_equal, check_float, check_positive, check_rank, check_within
from jaxml.rl import _environment as environment
from jaxml.rl._checks import check_divides
from jaxml.rl._episodes import finished
from jaxml.rl._returns import td_error
from jaxml.rl._schedule import linear_schedule


def value_iteration(
    transitions: Float[Array, "S A S"],
    rewards: Float[Array, "S A"],
    *,
    gamma: float = 0.99,
    tolerance: float = 1e-5,
) -> Float[Array, "S A"]:
    """The values of the best policy where the model is known, by repeating Bellman's equation until it holds.

        Q(s, a) ← rewards[s, a] + γ Σ_s' transitions[s, a, s'] max_a' Q(s', a')

    Stops where no entry is further than `tolerance` from the fixed point, which is so when a sweep changes none by
    more than tolerance (1 - γ) / γ. A state that ends the episode has transitions of zero.

    Shapes: transitions (S, A, S), rewards (S, A) -> (S, A); argmax over the last axis is the best policy.
    Cost: S * A * S MACs a sweep; about log(1 / tolerance) / log(1 / γ) sweeps.

    Errors: `ValueError` for shapes that do not fit, gamma outside [0, 1) and a tolerance that is not positive; for
    transitions below 0 or of a sum above 1, and rewards that are not finite, where values are known: under `jit` such
    rows may give infinity.

    Book: Bellman 1957, Dynamic Programming.

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> transitions = jnp.array([[[0.0, 1.0]], [[0.0, 0.0]]])  # from the first state to the last, where it ends
    >>> rl.value_iteration(transitions, jnp.array([[0.0], [2.0]]), gamma=0.5).tolist()
    [[1.0], [2.0]]
    """
    check_float("value_iteration", transitions=transitions, rewards=rewards)
    check_rank("value_iteration", "transitions", transitions, 3, "(S, A, S)")
    check_rank("value_iteration", "rewards", rewards, 2, "(S, A)")
    states, actions = rewards.shape
    want = (states, actions, states)
    check_equal("value_iteration", "the shape of transitions", transitions.shape, want, rewards=rewards)
    if not 0 <= gamma < 1:
        raise ValueError(f"value_iteration: gamma must be at least 0 and below 1, got {gamma}: sums would not converge")
    check_above("value_iteration", "tolerance", tolerance, 0)
    if not isinstance(transitions, Tracer):
        _check_rows(np.asarray(transitions))
    if not isinstance(rewards, Tracer) and not np.isfinite(rewards).all():
        raise ValueError("value_iteration: rewards must be finite, got NaN or infinity")
    # Below the last place of the values nothing changes any more, whatever was asked for.
    bound = jnp.asarray(tolerance * (1 - gamma) / max(gamma, 1e-9), rewards.dtype)
    least = 4 * jnp.finfo(rewards.dtype).eps

    def sweep(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        q, _ = carry
        new = rewards + gamma * jnp.einsum("sat,t->sa", transitions, q.max(axis=1))
        return new, jnp.abs(new - q).max()

    def more(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        q, change = carry
        return change > jnp.maximum(bound, least * jnp.abs(q).max())

    return jax.lax.while_loop(more, sweep, (rewards, jnp.asarray(jnp.inf, rewards.dtype)))[0]


def _check_rows(transitions: np.ndarray) -> None:
    """Each row is a distribution, but for rounding, or less of one where the episode may end."""
    least = transitions.min(axis=2, initial=0)
    sums = transitions.astype(np.float64).sum(axis=2)
    rounding = (8 + transitions.shape[2] ** 0.5) * float(jnp.finfo(transitions.dtype).eps)
    wrong = ~((least >= 0) & (sums <= 1 + rounding))
    if wrong.any():
        state, action = np.argwhere(wrong)[0].tolist()
        row = f"a least entry of {least[state, action]:g} and a sum of {sums[state, action]:g}"
        raise ValueError(
            f"value_iteration: transitions[s, a] must be chances, at least 0 and of a sum of at most 1, got {row} in "
            f"state {state}, action {action}; counts are divided by their sum"
        )


@dataclass(frozen=True)
class QLearningConfig:
    """The options of `q_learning`; ε falls from `epsilon_start` to `epsilon_end` over `exploration` of the steps."""

    num_envs: int = 64
    total_steps: int = 128_000
    learning_rate: float = 0.1
    gamma: float = 0.99
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    exploration: float = 0.5

    def __post_init__(self) -> None:
        check_positive("QLearningConfig", "num_envs, total_steps", (self.num_envs, self.total_steps))
        check_divides("QLearningConfig", "total_steps", self.total_steps, self.num_envs, "num_envs")
        check_above("QLearningConfig", "learning_rate", self.learning_rate, 0)
        for name in ("learning_rate", "gamma", "epsilon_start", "epsilon_end", "exploration"):
            check_within("QLearningConfig", name, getattr(self, name), 0, 1)


class QTable(NamedTuple):
    """What `q_learning` found.

    values: of every state and action, (S, A).
    returns: mean return of the episodes that ended at each of the U steps, (U,); NaN where none did.
    """

    values: Float[Array, "S A"]
    returns: Float[Array, " U"]

    def policy(self, observation: Int[Array, ""]) -> Int[Array, ""]:
        """The best action in a state."""
        return jnp.argmax(self.values[observation])


def q_learning(
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    *,
    config: QLearningConfig | None = None,
) -> QTable:
    """Tabular Q-learning: the values of the best policy, learned while following another.

        Q(s, a) ← Q(s, a) + α (r + γ (1 - terminated) max_a' Q(s', a') - Q(s, a))

    `num_envs` environments fill one table; where several take the same action in the same state at once, their errors
    are averaged. With one environment it is the textbook's. One compiled scan; `jax.vmap` over keys gives several runs.

    env, env_params: as from `gymnax.make`, `None` for its default parameters; its observations and its actions must be
        Discrete.

    Shapes: the table is (S, A).

    Errors: `ValueError` for spaces that are not Discrete; `TypeError` for anything but an environment.

    Papers: Watkins and Dayan 1992, Machine Learning 8; on time limits Pardo et al. 2018, arXiv:1712.00378.
    """
    config = QLearningConfig() if config is None else config
    env_params = environment.resolve("q_learning", env, env_params)
    environment.num_actions("q_learning", env, env_params)
    environment.num_states("q_learning", env, env_params)
    return _q_learning(key, env, env_params, config)


@partial(jax.jit, static_argnames=("env", "config"))
def _q_learning(
    key: jax.Array, env: environment.Environment, env_params: environment.EnvParams, config: QLearningConfig
) -> QTable:
    actions = environment.num_actions("q_learning", env, env_params)
    states = environment.num_states("q_learning", env, env_params)
    updates = config.total_steps // config.num_envs
    epsilons = linear_schedule(config.epsilon_start, config.epsilon_end, config.exploration, updates)
    key_reset, key_steps = jax.random.split(key)

    def update(carry: tuple, at: tuple[jax.Array, jax.Array]) -> tuple[tuple, jax.Array]:
        (q, observation, state, running), (epsilon, key) = carry, at
        key_explore, key_action, key_step = jax.random.split(key, 3)
        greedy = jnp.argmax(q[observation], axis=1)
        anything = jax.random.randint(key_action, greedy.shape, 0, actions, greedy.dtype)
        action = jnp.where(jax.random.uniform(key_explore, greedy.shape) < epsilon, anything, greedy)
        step = environment.step(env, env_params, key_step, state, action)
        following = q[step.reached].max(axis=1)
        error = td_error(q[observation, action], step.reward, following, step.terminated, gamma=config.gamma)
        visits = jnp.zeros_like(q).at[observation, action].add(1)
        errors = jnp.zeros_like(q).at[observation, action].add(error)
        q = q + config.learning_rate * errors / jnp.maximum(visits, 1)
        running, total, ended = finished(running, step)
        return (q, step.observation, step.state, running), total / ended

    observation, state = environment.reset(env, env_params, key_reset, config.num_envs)
    q, running = jnp.zeros((states, actions), jnp.float32), jnp.zeros(config.num_envs, jnp.float32)
    at = epsilons, jax.random.split(key_steps, updates)
    (q, *_), returns = jax.lax.scan(update, (q, observation, state, running), at)
    return QTable(q, returns)
