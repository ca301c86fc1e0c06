"""Losses of the overlap of two regions, for segmentation."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_probabilities, check_within
from jaxml.functional._dtypes import wide
from jaxml.functional._per_example import check_same_shape, mean_per_example, rounded


def dice_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    smooth: float = 1.0,
    axis: int | tuple[int, ...] | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """1 minus the overlap of predicted probabilities `p` and targets `z`, `1 - (2 Σ p z + s) / (Σ p + Σ z + s)`.

    The sums run over `axis`, by default every axis but the first, and `(N, ...)` gives `(N,)`; axes that remain are
    averaged: `axis=(1, 2)` for `(N, H, W, C)` is the mean over classes. `where` leaves elements out of the sums. `s` is
    `smooth`: with 0, nothing predicted where nothing is to be found costs 0 with gradient 0. arXiv:1606.04797 squares
    the terms of the denominator; here, as in Keras and optax (whose `smooth` is half of this one), they are not.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, an `axis` does not exist or is the first, `smooth` is negative, or a prediction is
            not in [0, 1] (unless it is traced: its value is not known then).

    >>> round(dice_loss(jnp.array([[1.0, 1.0, 0.0]]), jnp.array([[1.0, 0.0, 0.0]]), smooth=0.0).item(), 4)
    0.3333
    """
    check_within("dice_loss", "smooth", smooth, 0)
    return _overlap("dice_loss", predictions, targets, 0.5, 0.5, smooth / 2, axis, where)


def tversky_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
    axis: int | tuple[int, ...] | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Dice loss with prices for false positives and negatives, `1 - (TP + s) / (TP + α FP + β FN + s)`.

    `TP = Σ p z`, `FP = Σ p (1 - z)` and `FN = Σ (1 - p) z` for predicted probabilities `p` and targets `z`; axes,
    `where` and `smooth` are as in `dice_loss`, `(N, ...)` gives `(N,)`. The defaults, those of arXiv:1706.05721, make a
    miss the dearer mistake; Keras's are 0.5 and 0.5, which give `dice_loss` with twice the `smooth`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, an `axis` does not exist or is the first, a number is negative, or a prediction is
            not in [0, 1] (unless it is traced: its value is not known then).

    >>> tversky_loss(jnp.array([[1.0, 1.0, 0.0]]), jnp.array([[1.0, 0.0, 1.0]]), smooth=0.0).tolist()
    [0.5]
    """
    for option, value in {"alpha": alpha, "beta": beta, "smooth": smooth}.items():
        check_within("tversky_loss", option, value, 0)
    return _overlap("tversky_loss", predictions, targets, alpha, beta, smooth, axis, where)


def _overlap(
    name: str,
    predictions: Array,
    targets: Array,
    alpha: float,
    beta: float,
    smooth: float,
    axis: int | tuple[int, ...] | None,
    where: Array | None,
) -> Array:
    check_same_shape(name, where, predictions=predictions, targets=targets)
    axes = _axes(name, predictions, axis)
    check_probabilities(name, where, predictions=predictions)
    p, z = wide(predictions), wide(targets)
    if where is not None:
        p, z = jnp.where(where, p, 0), jnp.where(where, z, 0)
    hit = jnp.sum(p * z, axes)
    # Written as the distance from a full overlap: a loss near 0 is not the difference of two numbers near 1.
    if alpha == beta:  # `p (1 - z) + (1 - p) z` in half of the operations; exact for targets of 0 and 1
        missed = alpha * jnp.sum(p + z * (1 - 2 * p), axes)
    else:
        missed = jnp.sum(alpha * (p * (1 - z)) + beta * ((1 - p) * z), axes)
    total = hit + missed + smooth
    empty = total == 0
    loss = jnp.where(empty, 0, missed / jnp.where(empty, 1, total))
    counted = None if where is None else jnp.any(where, axes)
    return rounded(mean_per_example(loss, counted), predictions)


def _axes(name: str, x: Array, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(1, x.ndim))
    axes = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    if any(not isinstance(a, int) or not -x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"{name}: axis {axis} does not exist (predictions: {tuple(x.shape)})")
    if any(a % x.ndim == 0 for a in axes):
        raise ValueError(f"{name}: axis {axis} must not hold the first one, that of the examples")
    return axes
