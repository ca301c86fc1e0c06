"""REINFORCE: the gradient of the expected return from whole episodes."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxml import optim
from jaxml.functional._checks import check_above, check_choice, check_positive, check_within
from jaxml.rl import _environment as environment
from jaxml.rl._checks import check_divides
from jaxml.rl._network import ACTIVATIONS, Params
from jaxml.rl._result import Result
from jaxml.rl._returns import discounted_returns
from jaxml.rl._rollout import Actor, Window, init_actor_critic, log_probability, rollout


@dataclass(frozen=True)
class ReinforceConfig:
    """The options of `reinforce`: in each update `num_envs` episodes, cut off after `episode_steps` steps.

    The learning rate falls linearly to zero where `anneal`.
    """

    num_envs: int = 16
    episode_steps: int = 500
    total_steps: int = 1_200_000
    learning_rate: float = 3e-3
    anneal: bool = True
    gamma: float = 0.98
    value_coefficient: float = 0.5
    max_grad_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"

    def __post_init__(self) -> None:
        name = "ReinforceConfig"
        sizes = (self.num_envs, self.episode_steps, self.total_steps, *self.hidden)
        check_positive(name, "num_envs, episode_steps, total_steps, hidden", sizes)
        each = self.num_envs * self.episode_steps
        check_divides(name, "total_steps", self.total_steps, each, "num_envs * episode_steps")
        check_above(name, "learning_rate", self.learning_rate, 0)
        check_above(name, "max_grad_norm", self.max_grad_norm, 0)
        check_within(name, "gamma", self.gamma, 0, 1)
        check_within(name, "value_coefficient", self.value_coefficient, 0)
        check_choice(name, "activation", self.activation, ACTIVATIONS)


def reinforce(
    key: jax.Array,
    env: environment.Environment,
    env_params: environment.EnvParams,
    *,
    config: ReinforceConfig | None = None,
) -> Result:
    """REINFORCE with a learned baseline: raises the probability of what went better than expected.

        θ ← θ + α mean_t (G_t - V(s_t)) ∇ log π(a_t | s_t)        V towards G by least squares

    G is the discounted return to the end of the episode; one that is cut off by the time limit or by `episode_steps`
    counts the value of the state it reached. The advantages G - V are normalised over the batch. Each update starts
    `num_envs` new episodes. One compiled scan; `jax.vmap` over keys trains several agents.

    env, env_params: as from `gymnax.make`, `None` for its default parameters; its actions must be Discrete.

    Cost: a forward pass of both networks a step, a forward and a backward pass an update.

    Errors: `ValueError` for actions that are not Discrete; `TypeError` for anything but an environment.

    Paper: Williams 1992, Machine Learning 8.
    """
    config = ReinforceConfig() if config is None else config
    env_params = environment.resolve("reinforce", env, env_params)
    environment.num_actions("reinforce", env, env_params)
    environment.input_size("reinforce", env, env_params)
    return _reinforce(key, env, env_params, config)


@partial(jax.jit, static_argnames=("env", "config"))
def _reinforce(
    key: jax.Array, env: environment.Environment, env_params: environment.EnvParams, config: ReinforceConfig
) -> Result:
    inputs, states = environment.input_size("reinforce", env, env_params)
    actor = Actor(env, env_params, states, config.activation)
    key_init, key_updates = jax.random.split(key)
    actions = environment.num_actions("reinforce", env, env_params)
    params = init_actor_critic(key_init, inputs, config.hidden, actions)
    updates = config.total_steps // (config.num_envs * config.episode_steps)
    rate = optax.linear_schedule(config.learning_rate, 0.0 if config.anneal else config.learning_rate, updates)
    tx = optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optim.adam(rate))

    def loss(params: Params, window: Window, returns: jax.Array, lives: jax.Array) -> jax.Array:
        values = actor.value(params, window.observation)
        advantages = jax.lax.stop_gradient(returns - values)
        center = jnp.mean(advantages, where=lives)
        scale = jnp.sqrt(jnp.mean(jnp.square(advantages - center), where=lives))
        log = log_probability(actor.logits(params, window.observation), window.action)
        policy = -jnp.mean((advantages - center) / (scale + 1e-8) * log, where=lives)
        return policy + config.value_coefficient * jnp.mean(jnp.square(returns - values), where=lives)

    def update(carry: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        params, moments = carry
        key_reset, key_rollout = jax.random.split(key)
        start = environment.reset(env, env_params, key_reset, config.num_envs)
        running = jnp.zeros(config.num_envs, jnp.float32)
        _, window, _ = rollout(key_rollout, actor, params, (*start, running), config.episode_steps)
        done = (window.terminated | window.truncated).astype(jnp.int32)
        lives = jnp.cumsum(done, axis=0) - done == 0  # up to the end of the first episode, that step included
        returns = discounted_returns(
            window.reward,
            actor.value(params, window.reached),
            window.terminated,
            window.truncated,
            gamma=config.gamma,
        )
        gradient = jax.grad(loss)(params, window, returns, lives)
        changes, moments = tx.update(gradient, moments, params)
        score = jnp.where(lives, window.reward, 0).sum(0).mean()
        return (optax.apply_updates(params, changes), moments), score

    (params, _), returns = jax.lax.scan(update, (params, tx.init(params)), jax.random.split(key_updates, updates))
    steps = config.num_envs * config.episode_steps * jnp.arange(1, updates + 1, dtype=jnp.int32)
    return Result(params, returns, steps, "policy", config.activation, states)
