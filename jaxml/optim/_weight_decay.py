"""Weight decay in its three forms: in the gradient, beside the step, before the step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxml.optim._checks import DecayMask, LearningRate, Number, is_zero
from jaxml.optim._learning_rate import rate_at
from jaxml.optim._rule import check_params, first_step, next_step, preset


class ShrinkState(NamedTuple):
    """`step` counts the updates made."""

    step: Array | None  # shape (), int32; None at a constant rate
    decay: Any
    inner: Any


def decay_mask(params: Any) -> Any:
    """Which parameters decay as a rule: those with more than one axis, not biases, scales of a norm and the like.

    For `decay_mask=` of every optimizer that has `weight_decay`. The result is a tree of booleans like `params`.

    >>> from jaxml import optim
    >>> optim.decay_mask({"w": jnp.ones((3, 5)), "b": jnp.ones(5)})
    {'b': False, 'w': True}
    >>> tx = optim.adamw(1e-3, decay_mask=optim.decay_mask)
    """
    return jax.tree.map(lambda p: jnp.ndim(p) > 1, params)


def add_decay(function: str, weight_decay: Number, decay_mask: DecayMask) -> optax.GradientTransformation:
    """u <- u + lambda w. Before a rule, where u is the gradient, that is the L2 penalty lambda / 2 |w|^2."""
    if is_zero(weight_decay):
        return optax.identity()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        check_params(function, params)
        return jax.tree.map(lambda u, w: u + jnp.asarray(weight_decay).astype(w.dtype) * w, updates, params), state

    link = optax.GradientTransformation(lambda params: optax.EmptyState(), update)
    return link if decay_mask is None else optax.masked(link, decay_mask)


def shrink(
    function: str,
    tx: optax.GradientTransformation,
    learning_rate: LearningRate,
    weight_decay: Number,
    decay_mask: DecayMask,
    *,
    before: bool = True,
) -> optax.GradientTransformation:
    """w <- (1 - eta lambda) w, and then the step of `tx`, which sees the shrunk parameters if `before`.

    Keras does that in every optimizer, and PyTorch where weight decay is decoupled.
    """
    if is_zero(weight_decay):
        return tx
    decay = add_decay(function, weight_decay, decay_mask)

    def init(params: Any) -> Any:
        return ShrinkState(first_step() if callable(learning_rate) else None, decay.init(params), tx.init(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        check_params(function, params)
        rate = rate_at(learning_rate, state.step)
        decayed, decay_state = decay.update(jax.tree.map(jnp.zeros_like, updates), state.decay, params)
        change = jax.tree.map(lambda d: -jnp.asarray(rate).astype(d.dtype) * d, decayed)
        shrunk = jax.tree.map(jnp.add, params, change) if before else params
        updates, inner = tx.update(updates, state.inner, shrunk)
        return jax.tree.map(jnp.add, change, updates), ShrinkState(next_step(state.step), decay_state, inner)

    return optax.GradientTransformation(init, update)


def with_decay(
    function: str,
    step: optax.GradientTransformation,
    learning_rate: LearningRate,
    weight_decay: Number,
    decay_mask: DecayMask,
    *,
    apart: bool,
) -> optax.GradientTransformation:
    """The preset of `step` with weight decay `apart` from the gradient (Keras, AdamW), or within it (PyTorch's L2)."""
    if apart:
        return preset(function, shrink(function, step, learning_rate, weight_decay, decay_mask))
    return preset(function, add_decay(function, weight_decay, decay_mask), step)
