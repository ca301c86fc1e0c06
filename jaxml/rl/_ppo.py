"""Proximal policy optimization, and the advantage actor-critic it grew out of."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxml import optim
from jaxml.functional._checks import check_above, check_choice, check_positive, check_within
from jaxml.rl import _environment as environment
from jaxml.rl._checks import check_divides
from jaxml.rl._losses import ppo_loss
from jaxml.rl._network import ACTIVATIONS, Params
from jaxml.rl._result import Result
from jaxml.rl._returns import generalized_advantages
from jaxml.rl._rollout import Actor, entropy, init_actor_critic, log_probability, rollout


@dataclass(frozen=True)
class PPOConfig:
    """The options of `ppo`; unless given, those that solve CartPole-v1.

    An update takes `num_envs * rollout_steps` steps and goes over them `epochs` times in `minibatches` parts; the
    learning rate falls linearly to zero where `anneal`.
    """

    num_envs: int = 32
    rollout_steps: int = 64
    total_steps: int = 512_000
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 2.5e-3
    anneal: bool = True
    gamma: float = 0.98
    trace_decay: float = 0.8
    clip: float = 0.2
    normalize_advantages: bool = True
    value_coefficient: float = 0.5
    entropy_coefficient: float = 0.01
    max_grad_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"

    def __post_init__(self) -> None:
        check_actor_critic(self)
        name = type(self).__name__
        check_positive(name, "epochs, minibatches", (self.epochs, self.minibatches))
        each = self.num_envs * self.rollout_steps
        check_divides(name, "num_envs * rollout_steps", each, self.minibatches, "minibatches")
        check_above(name, "clip", self.clip, 0, 1)


@dataclass(frozen=True)
class A2CConfig:
    """The options of `a2c`: an update takes `num_envs * rollout_steps` steps, and goes over them once."""

    num_envs: int = 64
    rollout_steps: int = 16
    total_steps: int = 2_048_000
    learning_rate: float = 2e-3
    anneal: bool = True
    gamma: float = 0.98
    trace_decay: float = 0.8
    normalize_advantages: bool = True
    value_coefficient: float = 0.5
    entropy_coefficient: float = 0.01
    max_grad_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"

    def __post_init__(self) -> None:
        check_actor_critic(self)


def check_actor_critic(config: PPOConfig | A2CConfig) -> None:
    name = type(config).__name__
    sizes = (config.num_envs, config.rollout_steps, config.total_steps, *config.hidden)
    check_positive(name, "num_envs, rollout_steps, total_steps, hidden", sizes)
    each = config.num_envs * config.rollout_steps
    check_divides(name, "total_steps", config.total_steps, each, "num_envs * rollout_steps")
    check_above(name, "learning_rate", config.learning_rate, 0)
    check_above(name, "max_grad_norm", config.max_grad_norm, 0)
    check_within(name, "gamma", config.gamma, 0, 1)
    check_within(name, "trace_decay", config.trace_decay, 0, 1)
    check_within(name, "value_coefficient", config.value_coefficient, 0)
    check_within(name, "entropy_coefficient", config.entropy_coefficient, 0)
    check_choice(name, "activation", config.activation, ACTIVATIONS)


def ppo(
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    *,
    config: PPOConfig | None = None,
) -> Result:
    """Proximal policy optimization: several passes over each window of steps, held near the policy that took them.

        minimise  mean ppo_loss + value_coefficient mean (V - R)² / 2 - entropy_coefficient mean entropy

    with advantages A by `generalized_advantages`, normalised in each minibatch, and R = A + V. An episode that is
    truncated counts the value of the state it reached. Networks of their own for policy and value, orthogonal at the
    start; the gradient is clipped to the norm `max_grad_norm`. One compiled scan; `jax.vmap` over keys trains several
    agents.

    env, env_params: as from `gymnax.make`, `None` for its default parameters; its actions must be Discrete.

    Cost: a forward pass of both networks a step, and `epochs` forward and backward passes.

    Errors: `ValueError` for actions that are not Discrete; `TypeError` for anything but an environment.

    Papers: Schulman et al. 2017, arXiv:1707.06347; Andrychowicz et al. 2021, arXiv:2006.05990; on time limits Pardo et
    al. 2018, arXiv:1712.00378.
    """
    return _prepare("ppo", key, env, env_params, PPOConfig() if config is None else config)


def a2c(
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    *,
    config: A2CConfig | None = None,
) -> Result:
    """Advantage actor-critic: one step of the gradient for each window of steps.

        minimise  mean(-A log π(a | s)) + value_coefficient mean (V - R)² / 2 - entropy_coefficient mean entropy

    with A by `generalized_advantages`, and R = A + V: the synchronous form of A3C, which `ppo` with one epoch and one
    minibatch equals. Everything else is as for `ppo`.

    env, env_params: as from `gymnax.make`, `None` for its default parameters; its actions must be Discrete.

    Errors: `ValueError` for actions that are not Discrete; `TypeError` for anything but an environment.

    Papers: Mnih et al. 2016, arXiv:1602.01783; Huang et al. 2022, arXiv:2205.09123.
    """
    return _prepare("a2c", key, env, env_params, A2CConfig() if config is None else config)


def _prepare(
    function: str,
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    config: PPOConfig | A2CConfig,
) -> Result:
    env_params = environment.resolve(function, env, env_params)
    environment.num_actions(function, env, env_params)
    environment.input_size(function, env, env_params)
    return _train(key, env, env_params, config)


@partial(jax.jit, static_argnames=("env", "config"))
def _train(
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    config: PPOConfig | A2CConfig,
) -> Result:
    # A2C is one pass without the clip.
    several = isinstance(config, PPOConfig)
    epochs, minibatches, clip = (config.epochs, config.minibatches, config.clip) if several else (1, 1, None)
    each = config.num_envs * config.rollout_steps
    updates = config.total_steps // each
    inputs, states = environment.input_size("ppo", env, env_params)
    actor = Actor(env, env_params, states, config.activation)
    end = 0.0 if config.anneal else config.learning_rate
    rate = optax.linear_schedule(config.learning_rate, end, updates * epochs * minibatches)
    tx = optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optim.adam(rate, eps=1e-5))

    def loss(params: Params, batch: tuple[jax.Array, ...]) -> jax.Array:
        x, action, old, advantages, targets = batch
        if config.normalize_advantages:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        logits = actor.logits(params, x)
        log = log_probability(logits, action)
        policy = ppo_loss(log, old, advantages, clip=clip) if clip is not None else -advantages * log
        value = jnp.square(actor.value(params, x) - targets) / 2
        return (
            policy.mean()
            + config.value_coefficient * value.mean()
            - config.entropy_coefficient * entropy(logits).mean()
        )

    def improve(carry: tuple, batch: tuple[jax.Array, ...]) -> tuple[tuple, None]:
        params, moments = carry
        changes, moments = tx.update(jax.grad(loss)(params, batch), moments, params)
        return (optax.apply_updates(params, changes), moments), None

    def update(carry: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        params, moments, acting = carry
        key_rollout, key_epochs = jax.random.split(key)
        acting, window, returns = rollout(key_rollout, actor, params, acting, config.rollout_steps)
        values = actor.value(params, window.observation)
        advantages = generalized_advantages(
            window.reward,
            values,
            actor.value(params, window.reached),
            window.terminated,
            window.truncated,
            gamma=config.gamma,
            trace_decay=config.trace_decay,
        )
        batch = window.observation, window.action, window.log_probability, advantages, advantages + values
        flat = jax.tree.map(lambda a: a.reshape(each, *a.shape[2:]), batch)

        def epoch(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            order = jax.random.permutation(key, each).reshape(minibatches, -1)
            return jax.lax.scan(improve, carry, jax.tree.map(lambda a: a[order], flat))

        if minibatches == 1:
            (params, moments), _ = jax.lax.scan(lambda c, _: improve(c, flat), (params, moments), length=epochs)
        else:
            (params, moments), _ = jax.lax.scan(epoch, (params, moments), jax.random.split(key_epochs, epochs))
        return (params, moments, acting), returns

    key_init, key_reset, key_updates = jax.random.split(key, 3)
    params = init_actor_critic(key_init, inputs, config.hidden, environment.num_actions("ppo", env, env_params))
    start = *environment.reset(env, env_params, key_reset, config.num_envs), jnp.zeros(config.num_envs, jnp.float32)
    carry = params, tx.init(params), start
    (params, *_), returns = jax.lax.scan(update, carry, jax.random.split(key_updates, updates))
    steps = each * jnp.arange(1, updates + 1, dtype=jnp.int32)
    return Result(params, returns, steps, "policy", config.activation, states)
