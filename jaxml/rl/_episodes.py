"""Whole episodes: their returns during training, and the evaluation of a policy."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_positive
from jaxml.rl import _environment as environment
from jaxml.rl._environment import Step


def finished(running: jax.Array, step: Step) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The sums of the rewards so far of each environment; the total of those whose episode ends here, and how many do.

    The mean return is total / how many: NaN where no episode ends.
    """
    running = running + step.reward
    done = step.terminated | step.truncated
    return jnp.where(done, 0, running), jnp.where(done, running, 0).sum(), done.sum().astype(running.dtype)


def evaluate(
    key: jax.Array,
    policy: Callable[[jax.Array], jax.Array],
    env: environment.Environment,
    env_params: environment.EnvParams,
    *,
    episodes: int = 100,
    max_steps: int | None = None,
) -> Float[Array, " E"]:
    """The undiscounted return of each of `episodes` episodes in which `policy` acts.

    policy: from one observation to an action, such as `result.policy`, which takes the best action and never explores.
    env, env_params: as from `gymnax.make`, `None` for its default parameters.
    max_steps: where an episode that has not ended is cut off; unless given, the environment's own limit.

    All episodes run side by side, and for as long as the longest does.

    Shapes: (episodes,).

    Errors: `TypeError` for anything but an environment, `ValueError` for sizes that are not positive.
    """
    env_params = environment.resolve("evaluate", env, env_params)
    check_positive("evaluate", "episodes", (episodes,))
    if max_steps is not None:
        check_positive("evaluate", "max_steps", (max_steps,))
    limit = env_params.max_steps_in_episode if max_steps is None else max_steps

    def more(carry: tuple) -> jax.Array:
        time, _, _, _, ended, _ = carry
        return ~ended.all() & (time < limit)

    def act(carry: tuple) -> tuple:
        time, observation, state, key, ended, returns = carry
        key, key_step = jax.random.split(key)
        step = environment.step(env, env_params, key_step, state, jax.vmap(policy)(observation))
        returns = returns + jnp.where(ended, 0, step.reward)
        return time + 1, step.observation, step.state, key, ended | step.terminated | step.truncated, returns

    key_reset, key = jax.random.split(key)
    observation, state = environment.reset(env, env_params, key_reset, episodes)
    ended, returns = jnp.zeros(episodes, jnp.bool_), jnp.zeros(episodes, jnp.float32)
    return jax.lax.while_loop(more, act, (jnp.int32(0), observation, state, key, ended, returns))[-1]
