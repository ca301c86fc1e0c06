"""Descents that remember their way: gradient descent, its stochastic form, and any Optax rule."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from jaxml.functional._checks import check_within


class Trajectory(NamedTuple):
    """Where a descent was: `points` with a first axis of `steps + 1`, the start first; the loss at each."""

    points: Any
    losses: Array


def follow(
    loss: Callable[[Any], Array], start: Any, optimizer: optax.GradientTransformation, *, steps: int
) -> Trajectory:
    """`steps` updates of an Optax rule from `start` on `loss`, every point recorded.

    One compiled `lax.scan`, so that it goes through `vmap`: over starts, or over rates inside of the rule.

    Raises:
        ValueError: `steps` below 1.

    >>> from jaxml import optim
    >>> way = follow(lambda p: p**2, jnp.float32(1.0), optim.sgd(0.25), steps=2)
    >>> way.points.tolist(), way.losses.tolist()
    ([1.0, 0.5, 0.25], [1.0, 0.25, 0.0625])
    """
    check_within("follow", "steps", steps, 1)
    return _run(lambda p, _: loss(p), start, optimizer, jnp.arange(steps), loss)


def gd(
    loss: Callable[[Any], Array], start: Any, *, learning_rate: float | Array, steps: int, momentum: float = 0.0
) -> Trajectory:
    """Gradient descent, `p_{t+1} = p_t - learning_rate dE/dp`; with `momentum` m along `v_{t+1} = m v_t + dE/dp`.

    Where the curvature is c it contracts for a rate below 2 / c, fastest at 1 / c, and diverges above.

    Raises:
        ValueError: `steps` below 1, or a `momentum` outside [0, 1).

    Reference: Cauchy 1847; Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    >>> gd(lambda p: p**2, jnp.float32(1.0), learning_rate=1.5, steps=2).points.tolist()
    [1.0, -2.0, 4.0]
    """
    check_within("gd", "momentum", momentum, 0, 1)
    check_within("gd", "steps", steps, 1)
    return _run(lambda p, _: loss(p), start, _rule(learning_rate, momentum), jnp.arange(steps), loss)


def sgd(
    key: Array,
    loss: Callable[[Any, Any], Array],
    data: Any,
    start: Any,
    *,
    learning_rate: float | Array,
    batch_size: int,
    steps: int,
    momentum: float = 0.0,
) -> Trajectory:
    """Stochastic gradient descent: each step sees `batch_size` examples drawn without replacement, epoch by epoch.

    `loss(params, batch)` is a mean over the examples, the first axis of every array of `data`. Its gradient over a
    batch has the whole one as its mean, and a variance that falls as 1 / batch_size. `losses` are over all of `data`.

    Raises:
        ValueError: a `batch_size` that is not in [1, the number of examples], `steps` below 1, or a `momentum` outside
            [0, 1).

    Reference: Robbins and Monro 1951, "A stochastic approximation method".
    """
    n = jax.tree.leaves(data)[0].shape[0]
    check_within("sgd", "batch_size", batch_size, 1, n)
    check_within("sgd", "momentum", momentum, 0, 1)
    check_within("sgd", "steps", steps, 1)
    batches = n // batch_size
    epochs = -(-steps // batches)
    orders = jax.vmap(lambda k: jax.random.permutation(k, n))(jax.random.split(key, epochs))
    chosen = orders[:, : batches * batch_size].reshape(-1, batch_size)[:steps]
    take = partial(jax.tree.map, lambda a, rows: a[rows])

    def on_batch(p: Any, rows: Array) -> Array:
        return loss(p, take(data, jax.tree.map(lambda _: rows, data)))

    return _run(on_batch, start, _rule(learning_rate, momentum), chosen, lambda p: loss(p, data))


def _rule(learning_rate: float | Array, momentum: float) -> optax.GradientTransformation:
    return optax.chain(optax.trace(momentum), optax.scale(-1.0 * learning_rate))


def _run(
    loss: Callable[[Any, Any], Array],
    start: Any,
    rule: optax.GradientTransformation,
    inputs: Array,
    whole: Callable[[Any], Array],
) -> Trajectory:
    """The recorded updates; `loss` sees the step's input, `whole` says what is recorded."""
    start = jax.tree.map(jnp.asarray, start)

    def step(carry: tuple[Any, Any], given: Array) -> tuple[tuple[Any, Any], tuple[Any, Array]]:
        p, state = carry
        change, state = rule.update(jax.grad(loss)(p, given), state, p)
        return (optax.apply_updates(p, change), state), (p, whole(p))

    (last, _), (points, losses) = lax.scan(step, (start, rule.init(start)), inputs)
    points = jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), points, last)
    return Trajectory(points, jnp.append(losses, whole(last)))
