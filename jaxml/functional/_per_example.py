"""What the losses share: arrays of one shape, and one value per example."""

import math

import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._checks import check_equal, check_float
from jaxml.functional._kinks import at_most
from jaxml.functional._softmax import check_where, finite


def check_same_shape(name: str, where: Array | None, *, weights: Array | None = None, **arrays: Array) -> None:
    """All arrays are floating point, share one dtype and have the shape of the first, and so has `where`."""
    check_float(name, {"weights": weights}, **arrays)
    check_where(name, where)
    if weights is not None:
        arrays["weights"] = weights
    (first_name, first), *rest = arrays.items()
    for other_name, other in rest:
        shapes = {first_name: first, other_name: other}
        check_equal(name, f"the shape of {other_name}", tuple(other.shape), tuple(first.shape), **shapes)
    if where is not None:
        shapes = {first_name: first, "where": where}
        check_equal(name, "the shape of where", tuple(where.shape), tuple(first.shape), **shapes)


def mean_per_example(loss: Array, where: Array | None, *, capped: bool = False) -> Array:
    """Mean over every axis but the first of the elements that count; 0 where there are none.

    With `capped`, an element of inf counts as the largest finite number, with the derivative that it has in the limit.
    """
    axes = tuple(range(1, loss.ndim))
    most = float(jnp.finfo(loss.dtype).max)
    # Divided before it is summed: losses near the end of the dtype have a mean, though their sum overflows.
    if where is None:
        count = max(1, math.prod(loss.shape[1:]))
        if count == 1:
            return jnp.sum(at_most(loss, most) if capped else loss, axes)
        loss = loss * (1 / count)
        return jnp.sum(at_most(loss, most / count) if capped else loss, axes)
    loss = jnp.where(where, at_most(loss, most) if capped else loss, 0)
    return jnp.sum(loss / jnp.maximum(jnp.sum(where, axes, keepdims=True), 1).astype(loss.dtype), axes)


def plain_mean(loss: Array) -> Array:
    """The same without `where` for losses whose sum is finite: divided once, after it."""
    return jnp.sum(loss, tuple(range(1, loss.ndim))) * (1 / max(1, math.prod(loss.shape[1:])))


def rounded(loss: Array, like: Array) -> Array:
    """`loss` in the dtype of `like`, the largest number where it is beyond that."""
    return finite(loss.astype(like.dtype))
