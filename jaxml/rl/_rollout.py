"""Actors and critics: acting for a window of steps in many environments at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxml.rl import _environment as environment
from jaxml.rl._environment import encode
from jaxml.rl._episodes import finished
from jaxml.rl._network import Params, init_mlp, mlp


class Window(NamedTuple):
    """T steps of N environments, each array (T, N, ...); `reached` and `observation` as the networks read them."""

    observation: jax.Array
    action: jax.Array
    log_probability: jax.Array
    reward: jax.Array
    reached: jax.Array
    terminated: jax.Array
    truncated: jax.Array


class Actor(NamedTuple):
    """The environment and the static facts about the networks."""

    env: environment.Environment
    env_params: environment.EnvParams
    states: int | None
    activation: str

    def read(self, observation: jax.Array) -> jax.Array:
        """Observations with one leading axis as vectors."""
        return jax.vmap(lambda one: encode(one, self.states))(observation)

    def logits(self, params: Params, x: jax.Array) -> jax.Array:
        return mlp(params["policy"], x, activation=self.activation)

    def value(self, params: Params, x: jax.Array) -> jax.Array:
        return mlp(params["value"], x, activation=self.activation)[..., 0]


def init_actor_critic(key: jax.Array, inputs: int, hidden: tuple[int, ...], actions: int) -> Params:
    """A network for the policy and one for the value, sharing nothing."""
    key_policy, key_value = jax.random.split(key)
    policy = init_mlp(key_policy, (inputs, *hidden, actions), last_scale=0.01)
    return {"policy": policy, "value": init_mlp(key_value, (inputs, *hidden, 1), last_scale=1.0)}


def log_probability(logits: jax.Array, action: jax.Array) -> jax.Array:
    """log π(action), (..., A) and (...) -> (...)."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], axis=-1)[..., 0]


def entropy(logits: jax.Array) -> jax.Array:
    """Of the policy, in nats, (..., A) -> (...)."""
    logs = jax.nn.log_softmax(logits)
    return -(jnp.exp(logs) * logs).sum(-1)


def rollout(
    key: jax.Array, actor: Actor, params: Params, carry: tuple[Any, Any, jax.Array], steps: int
) -> tuple[tuple[Any, Any, jax.Array], Window, jax.Array]:
    """`steps` steps of the policy from `carry` = (observation, state, returns so far).

    -> the new carry, what happened, and the mean return of the episodes that ended.
    """

    def act(carry: tuple[Any, Any, jax.Array], key: jax.Array) -> tuple[tuple, tuple]:
        observation, state, running = carry
        key_action, key_step = jax.random.split(key)
        x = actor.read(observation)
        logits = actor.logits(params, x)
        action = jax.random.categorical(key_action, logits)
        step = environment.step(actor.env, actor.env_params, key_step, state, action)
        running, total, ended = finished(running, step)
        reached = actor.read(step.reached)
        window = Window(
            x, action, log_probability(logits, action), step.reward, reached, step.terminated, step.truncated
        )
        return (step.observation, step.state, running), (window, total, ended)

    carry, (window, totals, ended) = jax.lax.scan(act, carry, jax.random.split(key, steps))
    return carry, window, totals.sum() / ended.sum()
