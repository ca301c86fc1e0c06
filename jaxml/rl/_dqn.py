"""Deep Q-learning: a table too large to write down, replaced by a network."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxml import optim
from jaxml.functional._checks import check_above, check_choice, check_positive, check_within
from jaxml.rl import _environment as environment
from jaxml.rl._checks import check_divides
from jaxml.rl._episodes import finished
from jaxml.rl._losses import double_q_values, q_learning_loss
from jaxml.rl._network import ACTIVATIONS, Params, init_mlp, mlp
from jaxml.rl._result import Result
from jaxml.rl._schedule import linear_schedule


@dataclass(frozen=True)
class DQNConfig:
    """The options of `dqn`.

    Every step of the `num_envs` environments is followed by one step of the gradient on `batch_size` transitions out
    of the last `buffer_size`; the first `learning_starts` are taken at random, before it. The target network is copied
    every `target_period` steps of the gradient. ε falls from `epsilon_start` to `epsilon_end` over `exploration` of the
    training; the learning rate falls linearly to zero where `anneal`. Errors above `delta` count linearly
    (`q_learning_loss`): Mnih et al. have 1, with rewards clipped to [-1, 1]; where values reach 100 that is too slow.
    """

    num_envs: int = 10
    total_steps: int = 500_000
    buffer_size: int = 10_000
    learning_starts: int = 10_000
    batch_size: int = 128
    learning_rate: float = 2.5e-4
    anneal: bool = False
    gamma: float = 0.99
    double: bool = False
    target_period: int = 50
    delta: float = 100.0
    epsilon_start: float = 1.0
    epsilon_end: float = 0.05
    exploration: float = 0.5
    hidden: tuple[int, ...] = (120, 84)
    activation: str = "relu"

    def __post_init__(self) -> None:
        name = "DQNConfig"
        sizes = self.num_envs, self.total_steps, self.buffer_size, self.learning_starts, self.batch_size
        names = "num_envs, total_steps, buffer_size, learning_starts, batch_size, target_period, hidden"
        check_positive(name, names, (*sizes, self.target_period, *self.hidden))
        for each in ("total_steps", "buffer_size", "learning_starts"):
            check_divides(name, each, getattr(self, each), self.num_envs, "num_envs")
        if self.learning_starts >= self.total_steps:
            raise ValueError(
                f"{name}: learning_starts must be below total_steps, or nothing is learned, got "
                f"{self.learning_starts} and {self.total_steps}"
            )
        check_above(name, "learning_rate", self.learning_rate, 0)
        check_above(name, "delta", self.delta, 0)
        for each in ("gamma", "epsilon_start", "epsilon_end", "exploration"):
            check_within(name, each, getattr(self, each), 0, 1)
        check_choice(name, "activation", self.activation, ACTIVATIONS)


class Transition(NamedTuple):
    """What one step taught; in the buffer each array has a leading axis of its size."""

    x: jax.Array
    action: jax.Array
    reward: jax.Array
    reached: jax.Array
    terminated: jax.Array


def dqn(
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    *,
    config: DQNConfig | None = None,
) -> Result:
    """Deep Q-learning with a replay buffer, a target network and, where `double`, double Q-learning.

        minimise  mean q_learning_loss

    The value of what follows is the target network's largest, or with `double` its at the online network's best action.

    Only termination ends what is to come: after a truncation the value of the state that was reached counts. The buffer
    is a set of arrays that travel through the scan, written round and round. One compiled scan for the random steps and
    one for training; `jax.vmap` over keys trains several agents.

    env, env_params: as from `gymnax.make`, `None` for its default parameters; its actions must be Discrete.

    Cost: a forward pass a step, and for every `num_envs` steps a forward and backward pass of `batch_size`.

    Errors: `ValueError` for actions that are not Discrete; `TypeError` for anything but an environment.

    Papers: Mnih et al. 2015, Nature 518; van Hasselt, Guez and Silver 2016, arXiv:1509.06461.
    """
    config = DQNConfig() if config is None else config
    env_params = environment.resolve("dqn", env, env_params)
    environment.num_actions("dqn", env, env_params)
    environment.input_size("dqn", env, env_params)
    return _dqn(key, env, env_params, config)


def write(buffer: Transition, transition: Transition, at: jax.Array) -> Transition:
    """`transition`, of as many environments, in the rows of the buffer from `at` on."""
    return jax.tree.map(lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, at, 0), buffer, transition)


@partial(jax.jit, static_argnames=("env", "config"))
def _dqn(key: jax.Array, env: environment.Environment, env_params: environment.EnvParams, config: DQNConfig) -> Result:
    inputs, states = environment.input_size("dqn", env, env_params)
    actions = environment.num_actions("dqn", env, env_params)
    count = config.num_envs
    warm = config.learning_starts // count
    updates = config.total_steps // count - warm
    end = 0.0 if config.anneal else config.learning_rate
    rate = optax.linear_schedule(config.learning_rate, end, updates)
    tx = optim.adam(rate)

    def read(observation: jax.Array) -> jax.Array:
        return jax.vmap(lambda one: environment.encode(one, states))(observation)

    def q_values(params: Params, x: jax.Array) -> jax.Array:
        return mlp(params, x, activation=config.activation)

    def loss(params: Params, target: Params, batch: Transition) -> jax.Array:
        judged = q_values(target, batch.reached)
        chooses = q_values(params, batch.reached) if config.double else judged
        following = double_q_values(chooses, judged)
        taken = q_values(params, batch.x)
        given = taken, batch.action, batch.reward, following, batch.terminated
        losses = q_learning_loss(*given, gamma=config.gamma, delta=config.delta)
        return losses.mean()

    def act(key: jax.Array, acting: tuple, action: jax.Array) -> tuple[tuple, Transition, tuple]:
        observation, state, running = acting
        step = environment.step(env, env_params, key, state, action)
        running, total, ended = finished(running, step)
        transition = Transition(read(observation), action, step.reward, read(step.reached), step.terminated)
        return (step.observation, step.state, running), transition, (total, ended)

    def explore(acting: tuple, key: jax.Array) -> tuple[tuple, tuple]:
        key_action, key_step = jax.random.split(key)
        acting, transition, ended = act(key_step, acting, jax.random.randint(key_action, (count,), 0, actions))
        return acting, (transition, ended)

    def update(carry: tuple, at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[tuple, tuple]:
        (params, target, moments, buffer, acting), (place, epsilon, key) = carry, at
        key_explore, key_action, key_step, key_sample = jax.random.split(key, 4)
        greedy = jnp.argmax(q_values(params, read(acting[0])), axis=1)
        anything = jax.random.randint(key_action, (count,), 0, actions, greedy.dtype)
        action = jnp.where(jax.random.uniform(key_explore, (count,)) < epsilon, anything, greedy)
        acting, transition, ended = act(key_step, acting, action)
        buffer = write(buffer, transition, place * count % config.buffer_size)
        filled = jnp.minimum((place + 1) * count, config.buffer_size)
        rows = jax.random.randint(key_sample, (config.batch_size,), 0, filled)
        batch = jax.tree.map(lambda a: a[rows], buffer)
        changes, moments = tx.update(jax.grad(loss)(params, target, batch), moments, params)
        params = optax.apply_updates(params, changes)
        copy = (place - warm + 1) % config.target_period == 0
        target = jax.tree.map(lambda new, old: jnp.where(copy, new, old), params, target)
        return (params, target, moments, buffer, acting), ended

    key_init, key_reset, key_warm, key_updates = jax.random.split(key, 4)
    params = init_mlp(key_init, (inputs, *config.hidden, actions), last_scale=1.0)
    acting = *environment.reset(env, env_params, key_reset, count), jnp.zeros(count, jnp.float32)
    acting, (random, _) = jax.lax.scan(explore, acting, jax.random.split(key_warm, warm))
    buffer = _buffer(random, config)
    places = jnp.arange(warm, warm + updates, dtype=jnp.int32)
    epsilons = linear_schedule(config.epsilon_start, config.epsilon_end, config.exploration, updates)
    carry = params, params, tx.init(params), buffer, acting
    (params, *_), (totals, ended) = jax.lax.scan(
        update, carry, (places, epsilons, jax.random.split(key_updates, updates))
    )
    return Result({"q_values": params}, totals / ended, (places + 1) * count, "q_values", config.activation, states)


def _buffer(random: Transition, config: DQNConfig) -> Transition:
    """The buffer as the random steps leave it: of more than it holds the last, in the rows where they would be."""

    def fill(steps: jax.Array) -> jax.Array:
        rows = steps.reshape(-1, *steps.shape[2:])
        first = max(0, rows.shape[0] - config.buffer_size)
        places = np.arange(first, rows.shape[0]) % config.buffer_size
        return jnp.zeros((config.buffer_size, *rows.shape[1:]), rows.dtype).at[places].set(rows[first:])

    return jax.tree.map(fill, random)
