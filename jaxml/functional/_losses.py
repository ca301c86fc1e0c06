"""The squared error, and the rules of every loss: one value per example, finite wherever the logits are not NaN.

The example axis is the first one; further axes (pixels, tokens) are averaged, so that `.mean()` of the result is
PyTorch's mean. `where` leaves elements out: the average runs over those that are left, and is 0 with gradient 0 where
none is, even if the elements left out are NaN. float16 and bfloat16 are computed in float32 and rounded once.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._per_example import check_same_shape, mean_per_example, plain_mean


def mse_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    weights: Float[Array, "*shape"] | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Mean squared error of each example, `mean((p - t)²)` over every axis but the first; `(N, ...)` to `(N,)`.

    Its derivative is `2 (p - t) / n`. Shapes must agree exactly: `(N, 1)` against `(N,)` is an error, where
    broadcasting would silently compare every prediction with every target. Nothing is clipped: an error whose square
    exceeds the dtype gives inf. `weights` are factors of the elements, before the mean: PyTorch's weighted mean, which
    divides by their sum, is `mse_loss(p, t, weights=w).mean() / w.mean()`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> mse_loss(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0, 4.0], [3.0, 4.0]])).tolist()
    [2.0, 0.0]
    """
    check_same_shape("mse_loss", where, predictions=predictions, targets=targets, weights=weights)
    if where is None and weights is None:
        return guarded(_plain, _squares, predictions, targets).astype(predictions.dtype)
    return _squares(predictions, targets, where, weights).astype(predictions.dtype)


def _plain(predictions: Array, targets: Array) -> Array:
    return plain_mean(jnp.square(wide(predictions) - wide(targets)))


def _squares(predictions: Array, targets: Array, where: Array | None = None, weights: Array | None = None) -> Array:
    error = wide(predictions) - wide(targets)
    if where is not None:
        error = jnp.where(where, error, 0)
    loss = jnp.square(error)
    if weights is not None:
        loss = loss * wide(weights if where is None else jnp.where(where, weights, 0))
    return mean_per_example(loss, where)
