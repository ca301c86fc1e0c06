"""The optimizer of a run: the user's, within what `fit` was asked to add to it."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import DTypeLike

from jaxml.functional._checks import check_above
from jaxml.optim._learning_rate import LearningRateState
from jaxml.train._average import averaged
from jaxml.train._loss_scale import loss_scaled


class FactorState(NamedTuple):
    """What every update is multiplied by."""

    factor: Array


def composed(
    optimizer: optax.GradientTransformation,
    *,
    clip_norm: float | None,
    plateau: bool,
    ema: float | None,
    compute_dtype: DTypeLike | None,
) -> optax.GradientTransformation:
    """Gradients are unscaled, then clipped, then go through `optimizer`; the update is scaled, then averaged over."""
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(f"fit: optimizer must be an optax.GradientTransformation, got {type(optimizer).__name__}")
    if clip_norm is not None:
        check_above("fit", "clip_norm", clip_norm, 0)
        optimizer = optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
    if plateau:
        optimizer = optax.chain(optimizer, _times_factor())
    if ema is not None:
        check_above("fit", "ema", ema, 0, 1)
        optimizer = averaged(optimizer, decay=ema)
    if compute_dtype is not None and jnp.dtype(compute_dtype) == jnp.float16:
        optimizer = loss_scaled(optimizer)
    return optimizer


def with_factor(opt_state: Any, factor: float) -> Any:
    """`opt_state` with the factor of `composed(plateau=True)` set, where the old one lies."""

    def replaced(node: Any) -> Any:
        if not _is_factor(node):
            return node
        return FactorState(jax.device_put(jnp.asarray(factor, jnp.float32), node.factor.sharding))

    return jax.tree.map(replaced, opt_state, is_leaf=_is_factor)


def changing_rate(opt_state: Any) -> float | None:
    """The learning rate of the last update, times the factor; None where there is not one, or it is constant."""
    nodes = jax.tree.leaves(opt_state, is_leaf=lambda node: _is_factor(node) or isinstance(node, LearningRateState))
    factors = [node.factor for node in nodes if _is_factor(node)]
    rates = [node for node in nodes if isinstance(node, LearningRateState)]
    if len(rates) != 1 or (rates[0].step is None and not factors):
        return None
    return float(rates[0].learning_rate) * math.prod(map(float, factors))


def _is_factor(node: Any) -> bool:
    return isinstance(node, FactorState)


def _times_factor() -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        return jax.tree.map(lambda u: u * state.factor.astype(u.dtype), updates), state

    return optax.GradientTransformation(lambda params: FactorState(jnp.ones([], jnp.float32)), update)
