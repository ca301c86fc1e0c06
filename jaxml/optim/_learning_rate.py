"""The last link of every rule: the step's length, kept in the state so that it can be read."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._checks import LearningRate
from jaxml.optim._rule import first_step, next_step


class LearningRateState(NamedTuple):
    """`step` counts the updates made; `learning_rate` is what the last of them used, or the first will use."""

    step: Array | None  # shape (), int32; None at a constant rate
    learning_rate: Array


def scale_by_learning_rate(learning_rate: LearningRate) -> optax.GradientTransformation:
    """u <- -eta_t u, where eta_t is a number, or a schedule of the updates made so far."""

    def to_read(rate: Any) -> Array:
        return jnp.asarray(rate).astype(jnp.result_type(float))

    def init(params: Any) -> Any:
        del params
        step = first_step() if callable(learning_rate) else None
        return LearningRateState(step, to_read(rate_at(learning_rate, step)))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        rate = rate_at(learning_rate, state.step)
        updates = jax.tree.map(lambda u: -jnp.asarray(rate).astype(u.dtype) * u, updates)
        return updates, LearningRateState(next_step(state.step), to_read(rate))

    return optax.GradientTransformation(init, update)


def rate_at(learning_rate: LearningRate, step: Array | None) -> Any:
    return learning_rate(step) if callable(learning_rate) else learning_rate


def current_learning_rate(state: Any) -> Array:
    """The learning rate that the last update used; before the first, the one it will use.

    `state` is what `init` or `update` of an optimizer of this module returned, at a constant rate or a schedule, alone
    or within Optax's `chain`, `MultiSteps`, `partition` and so on, or of one wrapped by `optax.inject_hyperparams`.
    The result is a scalar, shape ().

    Errors: `ValueError` where the state holds no rate (Optax's own optimizers keep none at a constant rate), or more
    than one: then give it the state of one group, such as `state.inner_states["head"]`.

    >>> import optax; from jaxml import optim
    >>> tx = optim.adam(optax.linear_schedule(0.5, 0.0, 100))
    >>> state = tx.init(jnp.zeros(3))
    >>> float(optim.current_learning_rate(state))
    0.5
    """
    rates = [_rate(s) for s in jax.tree.leaves(state, is_leaf=_holds_rate) if _holds_rate(s)]
    if len(rates) != 1:
        why = "give the state of one group" if rates else "only jaxml.optim and optax.inject_hyperparams keep it there"
        raise ValueError(f"current_learning_rate: state must hold one learning rate, got {len(rates)}; {why}")
    return jnp.asarray(rates[0])


def _holds_rate(state: Any) -> bool:
    return isinstance(state, LearningRateState) or "learning_rate" in (getattr(state, "hyperparams", None) or ())


def _rate(state: Any) -> Any:
    return state.learning_rate if isinstance(state, LearningRateState) else state.hyperparams["learning_rate"]
