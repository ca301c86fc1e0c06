"""What the agents minimise, one value a step."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxml.functional._checks import check_above, check_equal, check_float, check_rank, check_within
from jaxml.rl._checks import check_steps
from jaxml.rl._returns import td_error


def ppo_loss(
    log_probabilities: Float[Array, "*batch"],
    old_log_probabilities: Float[Array, "*batch"],
    advantages: Float[Array, "*batch"],
    *,
    clip: float = 0.2,
) -> Float[Array, "*batch"]:
    """The clipped objective of proximal policy optimization, to be minimised.

        -min(ρ A, min(max(ρ, 1 - clip), 1 + clip) A)        ρ = exp(log π(a | s) - log π_old(a | s))

    Where the ratio ρ has already moved beyond the clip in the direction that A favours, the gradient is zero.

    Shapes: all (...), the same; one value a step.

    Errors: `TypeError` for dtypes, `ValueError` for shapes that differ and a clip outside (0, 1).

    Paper: Schulman et al. 2017, arXiv:1707.06347.

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> loss = rl.ppo_loss(jnp.log(jnp.array([2.0, 2.0])), jnp.zeros(2), jnp.array([1.0, -1.0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [-1.2, 2.0]
    """
    arrays = {
        "log_probabilities": log_probabilities,
        "old_log_probabilities": old_log_probabilities,
        "advantages": advantages,
    }
    check_steps("ppo_loss", "log_probabilities", arrays, {})
    check_above("ppo_loss", "clip", clip, 0, 1)
    ratio = jnp.exp(log_probabilities - old_log_probabilities)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 1 - clip, 1 + clip) * advantages)


def double_q_values(online: Float[Array, "*batch A"], target: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
    """The value of the next state in double Q-learning: the online network chooses, the target network judges.

        target[argmax_a online[a]]

    The maximum of one noisy estimate is too large on average; a choice by another is not. With the same array twice it
    is `max_a target[a]`, the plain one.

    Shapes: both (..., A) -> (...).

    Errors: `TypeError` for dtypes, `ValueError` for shapes that differ.

    Paper: van Hasselt, Guez and Silver 2016, arXiv:1509.06461.

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> float(rl.double_q_values(jnp.array([1.0, 2.0]), jnp.array([5.0, 3.0])))
    3.0
    """
    check_steps("double_q_values", "online", {"online": online, "target": target}, {})
    best = jnp.argmax(online, axis=-1, keepdims=True)
    return jnp.take_along_axis(target, best, axis=-1)[..., 0]


def q_learning_loss(
    q_values: Float[Array, "N A"],
    actions: Int[Array, " N"],
    rewards: Float[Array, " N"],
    next_values: Float[Array, " N"],
    terminated: Bool[Array, " N"],
    *,
    gamma: float,
    delta: float = 1.0,
) -> Float[Array, " N"]:
    """Huber's loss of the error of temporal differences of the actions taken.

        δ = r + γ (1 - terminated) next_value - q_values[action]
        δ² / 2 where |δ| <= delta, delta (|δ| - delta / 2) elsewhere

    `next_values` are values of the best action in the states reached, from `double_q_values`; no gradient flows into
    them.

    Shapes: q_values (N, A), the others (N,) -> (N,).

    Errors: `TypeError` for dtypes, `ValueError` for shapes that do not fit, gamma outside [0, 1], delta not positive.

    Paper: Mnih et al. 2015, Nature 518.

    >>> import jax.numpy as jnp; from jaxml import rl
    >>> q, one = jnp.array([[1.0, 0.0]]), jnp.ones(1)
    >>> rl.q_learning_loss(q, jnp.array([0]), one, one, jnp.array([False]), gamma=0.5).tolist()
    [0.125]
    """
    name = "q_learning_loss"
    check_float(name, q_values=q_values, rewards=rewards, next_values=next_values)
    check_rank(name, "q_values", q_values, 2, "(N, A)")
    check_equal(name, "the shape of actions", actions.shape, q_values.shape[:1], q_values=q_values)
    if not jnp.issubdtype(actions.dtype, jnp.integer):
        raise TypeError(f"{name}: actions must be integers, got {actions.dtype}")
    check_within(name, "gamma", gamma, 0, 1)
    check_above(name, "delta", delta, 0)
    taken = jnp.take_along_axis(q_values, actions[:, None], axis=1)[:, 0]
    error = td_error(taken, rewards, jax.lax.stop_gradient(next_values), terminated, gamma=gamma)
    size = jnp.abs(error)
    return jnp.where(size <= delta, jnp.square(error) / 2, delta * (size - delta / 2))
