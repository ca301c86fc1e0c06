"""The bridge to gymnax: what the algorithms ask of an environment, and how they step through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

# A gymnax environment, its parameters and its state: gymnax is not imported: any object of its interface will do.
Environment = Any
EnvParams = Any
EnvState = Any


class Step(NamedTuple):
    """What one step gives. `reached` is the observation that the action led to; `observation` the one to act on next,
    which is that of a new episode after `terminated` (the task ended) or `truncated` (the time was up)."""

    observation: jax.Array
    state: EnvState
    reward: jax.Array
    reached: jax.Array
    terminated: jax.Array
    truncated: jax.Array


@contextmanager
def _implicit_promotion() -> Iterator[None]:
    """gymnax adds integers to floats, so it runs as JAX comes, also where the caller's own code is strict."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def resolve(function: str, env: Environment, env_params: EnvParams | None) -> EnvParams:
    """The parameters to use, after a look at whether `env` is an environment at all."""
    missing = [name for name in ("reset", "step", "action_space", "observation_space") if not hasattr(env, name)]
    if missing:
        raise TypeError(
            f"{function}: env must be a gymnax environment, got {type(env).__name__} without {', '.join(missing)}; "
            f"env, env_params = gymnax.make('CartPole-v1') gives one"
        )
    return env.default_params if env_params is None else env_params


def num_actions(function: str, env: Environment, env_params: EnvParams) -> int:
    """How many actions there are to choose from; an error for a space that is not a choice."""
    space = env.action_space(env_params)
    if not hasattr(space, "n"):
        raise ValueError(
            f"{function}: the actions of {env.name} are {space!r}, and {function} chooses among finitely many; "
            f"use an environment with a Discrete action space, such as CartPole-v1, or one wrapped so that it maps "
            f"0, 1, ... to values of that space"
        )
    return int(space.n)


def num_states(function: str, env: Environment, env_params: EnvParams) -> int:
    """How many observations there are; an error for a space that cannot index a table."""
    space = env.observation_space(env_params)
    if not hasattr(space, "n"):
        raise ValueError(
            f"{function}: the observations of {env.name} are {space!r}, and a table has a row for each of finitely "
            f"many; use an environment with a Discrete observation space, such as FrozenLake-misc, or rl.dqn"
        )
    return int(space.n)


def input_size(function: str, env: Environment, env_params: EnvParams) -> tuple[int, int | None]:
    """Entries of an observation as a network reads it, and for a Discrete space, read one-hot, the number of them."""
    space = env.observation_space(env_params)
    if hasattr(space, "n"):
        return int(space.n), int(space.n)
    if getattr(space, "spaces", None) is not None:
        raise ValueError(
            f"{function}: the observations of {env.name} are {space!r}, and a network here reads one array; "
            f"use an environment with a Box or Discrete observation space"
        )
    size = 1
    for axis in space.shape:
        size *= int(axis)
    return size, None


def encode(observation: jax.Array, states: int | None) -> jax.Array:
    """One observation as the vector that a network reads."""
    if states is not None:
        return jax.nn.one_hot(observation, states, dtype=jnp.float32)
    return jnp.asarray(observation).astype(jnp.float32).reshape(-1)


def reset(env: Environment, env_params: EnvParams, key: jax.Array, num_envs: int) -> tuple[jax.Array, EnvState]:
    """`num_envs` new episodes side by side."""
    with _implicit_promotion():
        return jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(key, num_envs), env_params)


def step(env: Environment, env_params: EnvParams, key: jax.Array, state: EnvState, action: jax.Array) -> Step:
    """One step of each of the environments whose states and actions have a leading axis."""

    def one(key: jax.Array, state: EnvState, action: jax.Array) -> Step:
        found = env.step(key, state, action, env_params)
        if len(found) != 6:
            raise TypeError(
                f"rl: env.step must return (observation, state, reward, terminated, truncated, info), got "
                f"{len(found)} values; gymnax does from 1.0 on: pip install 'jaxml-nn[rl]'"
            )
        observation, state, reward, terminated, truncated, info = found
        flags = jnp.asarray(terminated, jnp.bool_), jnp.asarray(truncated, jnp.bool_)
        return Step(observation, state, jnp.asarray(reward, jnp.float32), info["final_observation"], *flags)

    with _implicit_promotion():
        return jax.vmap(one)(jax.random.split(key, action.shape[0]), state, action)
