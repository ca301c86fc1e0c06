"""Returns and advantages over a window of steps, in which episodes end by termination or by truncation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_float, check_some_axis, check_within
from jaxml.rl._checks import check_steps


def td_error(
    values: Float[Array, "*batch"],
    rewards: Float[Array, "*batch"],
    next_values: Float[Array, "*batch"],
    terminated: Bool[Array, "*batch"],
    *,
    gamma: float,
) -> Float[Array, "*batch"]:
    """The error of temporal differences: how far one step corrects a value.

        δ = r + γ (1 - terminated) V(s') - V(s)

    Only termination ends what is to come: after a truncation V(s') counts, s' being the state that was reached, not
    the one that the next episode starts from.

    Shapes: all (...), the same; `terminated` boolean.

    Errors: `TypeError` for dtypes, `ValueError` for shapes that differ and for gamma outside [0, 1].

    Paper: Sutton 1988, Machine Learning 3.

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> ends = jnp.array([False, True])
    >>> rl.td_error(jnp.ones(2), jnp.ones(2), jnp.full(2, 10.0), ends, gamma=0.5).tolist()
    [5.0, 0.0]
    """
    arrays = {"values": values, "rewards": rewards, "next_values": next_values}
    check_steps("td_error", "values", arrays, {"terminated": terminated})
    check_within("td_error", "gamma", gamma, 0, 1)
    return rewards + gamma * jnp.where(terminated, 0, next_values) - values


def discounted_returns(
    rewards: Float[Array, "T *batch"],
    next_values: Float[Array, "T *batch"],
    terminated: Bool[Array, "T *batch"],
    truncated: Bool[Array, "T *batch"],
    *,
    gamma: float,
) -> Float[Array, "T *batch"]:
    """The discounted sum of the rewards from each step to the end of its episode.

        G_t = r_t                      where terminated
        G_t = r_t + γ next_values_t    where truncated, and at the last step T, where the window ends
        G_t = r_t + γ G_{t+1}          elsewhere

    `next_values` are values of the states that the steps reached; zeros make it the plain sum of what was seen.

    Shapes: all (T, ...), the same; the flags boolean. A step may be both: it counts as terminated.

    Errors: `TypeError` for dtypes, `ValueError` for shapes that differ and for gamma outside [0, 1].

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> no = jnp.zeros(3, bool)
    >>> rl.discounted_returns(jnp.ones(3), jnp.zeros(3), no, no, gamma=0.5).tolist()
    [1.75, 1.5, 1.0]
    """
    check_float("discounted_returns", rewards=rewards)
    check_some_axis("discounted_returns", rewards, "(T, ...)")
    arrays, flags = {"rewards": rewards, "next_values": next_values}, {"terminated": terminated, "truncated": truncated}
    check_steps("discounted_returns", "rewards", arrays, flags)
    check_within("discounted_returns", "gamma", gamma, 0, 1)

    def back(later: jax.Array, at: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        reward, value, terminated, truncated = at
        total = reward + gamma * jnp.where(terminated, 0, jnp.where(truncated, value, later))
        return total, total

    if rewards.shape[0] == 0:
        return rewards
    return jax.lax.scan(back, next_values[-1], (rewards, next_values, terminated, truncated), reverse=True)[1]


def generalized_advantages(
    rewards: Float[Array, "T *batch"],
    values: Float[Array, "T *batch"],
    next_values: Float[Array, "T *batch"],
    terminated: Bool[Array, "T *batch"],
    truncated: Bool[Array, "T *batch"],
    *,
    gamma: float,
    trace_decay: float,
) -> Float[Array, "T *batch"]:
    """Generalized advantage estimation: errors of temporal differences, summed with the decay γλ.

        δ_t = r_t + γ (1 - terminated_t) next_values_t - values_t
        A_t = δ_t + γ λ (1 - terminated_t)(1 - truncated_t) A_{t+1}        A_{T+1} = 0

    λ is `trace_decay`: 0 leaves δ, 1 gives `discounted_returns - values`. `next_values` are values of the states that
    the steps reached, before an episode that has ended starts anew.

    Shapes: all (T, ...), the same; the flags boolean.

    Errors: `TypeError` for dtypes, `ValueError` for shapes that differ, and for gamma or trace_decay outside [0, 1].

    Paper: Schulman et al. 2016, arXiv:1506.02438.

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> no, zero = jnp.zeros(3, bool), jnp.zeros(3)
    >>> rl.generalized_advantages(jnp.ones(3), zero, zero, no, no, gamma=1.0, trace_decay=0.5).tolist()
    [1.75, 1.5, 1.0]
    """
    name = "generalized_advantages"
    check_float(name, rewards=rewards)
    check_some_axis(name, rewards, "(T, ...)")
    arrays = {"rewards": rewards, "values": values, "next_values": next_values}
    check_steps(name, "rewards", arrays, {"terminated": terminated, "truncated": truncated})
    check_within(name, "gamma", gamma, 0, 1)
    check_within(name, "trace_decay", trace_decay, 0, 1)
    errors = td_error(values, rewards, next_values, terminated, gamma=gamma)

    def back(later: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        error, done = at
        advantage = error + gamma * trace_decay * jnp.where(done, 0, later)
        return advantage, advantage

    start = jnp.zeros(rewards.shape[1:], rewards.dtype)
    return jax.lax.scan(back, start, (errors, terminated | truncated), reverse=True)[1]
