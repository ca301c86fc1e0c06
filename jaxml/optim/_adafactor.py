"""Adafactor: the second moment of a matrix kept as one row and one column."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from jaxml.optim._checks import (
    DecayMask,
    LearningRate,
    Number,
    check_decay,
    check_learning_rate,
    check_not_negative,
    check_only_for,
    check_positive,
    check_style,
    is_zero,
)
from jaxml.optim._learning_rate import scale_by_learning_rate
from jaxml.optim._rule import per_array, preset, zeros_like
from jaxml.optim._weight_decay import add_decay, shrink


def adafactor(
    learning_rate: LearningRate | None,
    *,
    decay_rate: Number = 0.8,
    eps: Number | None = None,
    min_scale: Number | None = None,
    clipping_threshold: Number | None = 1.0,
    multiply_by_parameter_scale: bool = True,
    min_dim_size_to_factor: int | None = None,
    momentum: Number = 0.0,
    weight_decay: Number = 0.0,
    decay_mask: DecayMask = None,
    style: str = "torch",
) -> optax.GradientTransformation:
    """Adafactor: RMSprop that keeps n + k numbers for a matrix (n, k) instead of n k.

    With gradient g at update t = 1, 2, ..., learning rate eta, b = 1 - t^(-decay_rate), rms(x)^2 = mean(x^2) and
    r = c = v = 0 at the start:

        factored       r <- b r + (1 - b) mean_j(g_ij^2)          c <- b c + (1 - b) mean_i(g_ij^2)
                       v = r_i c_j / mean(r)
        the others     v <- b v + (1 - b) g^2
        all            u = g / sqrt(v)                            u <- u / max(1, rms(u) / clipping_threshold)
        torch, keras   w <- w - min(eta, 1 / sqrt(t)) max(min_scale, rms(w)) u
        optax          w <- w - (eta max(0.001, rms(w)) u + lambda w)

        torch          the last two axes are factored; mean(r) is eps at least, v eps^2; eps is that of the
                       dtype, float32 at least; w <- (1 - eta lambda) w besides, with rms(w) from before
        keras          the last two axes are factored; g^2 + eps in place of g^2, eps = 1e-30; w <- (1 - eta lambda) w
                       first
        optax          the two longest axes are factored where both have `min_dim_size_to_factor` = 128; g^2 + eps as
                       Keras; momentum averages what precedes lambda w; `learning_rate=None` leaves eta out

    `None` takes the style's own value (and switches clipping off). Weight decay in Optax's style is not multiplied by
    the learning rate. `current_learning_rate` gives min(eta, 1 / sqrt(t)).

    Errors: `ValueError` for a rate, decay rate or weight decay that is negative or not finite, a momentum outside
    [0, 1), an eps, min_scale or threshold that is not positive, an unknown style, or an option that style lacks; at
    the update, where no parameters are given.
    Paper: Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost, arXiv:1804.04235.

    >>> import optax
    >>> tx, w = adafactor(0.25), jnp.ones((2, 3))
    >>> updates, state = tx.update(2 * w, tx.init(w), w)
    >>> [[round(x, 4) for x in row] for row in optax.apply_updates(w, updates).tolist()]
    [[0.75, 0.75, 0.75], [0.75, 0.75, 0.75]]
    """
    check_style("adafactor", style)
    check_only_for("adafactor", "learning_rate=None", learning_rate is None, style, ("optax",))
    check_only_for("adafactor", "min_scale", min_scale is not None, style, ("torch", "keras"))
    check_only_for("adafactor", "momentum", not is_zero(momentum), style, ("optax",))
    check_only_for("adafactor", "min_dim_size_to_factor", min_dim_size_to_factor is not None, style, ("optax",))
    check_only_for("adafactor", "multiply_by_parameter_scale=False", not multiply_by_parameter_scale, style, ("optax",))
    if learning_rate is not None:
        check_learning_rate("adafactor", learning_rate)
    scale = 1e-3 if min_scale is None else min_scale
    size = 128 if min_dim_size_to_factor is None else min_dim_size_to_factor
    check_not_negative("adafactor", decay_rate=decay_rate, weight_decay=weight_decay)
    check_decay("adafactor", momentum=momentum)
    check_positive("adafactor", min_scale=scale, min_dim_size_to_factor=size)
    if eps is not None:
        check_positive("adafactor", eps=eps)
    if clipping_threshold is not None:
        check_positive("adafactor", clipping_threshold=clipping_threshold)

    def rule(t: Array, g: Array, w: Array, v: Any) -> tuple[Array, tuple[Any]]:
        new = t.astype(g.dtype) ** -decay_rate
        u, v = _divide(g, v, new, eps, _factored_axes(g.shape, style, size), style)
        if clipping_threshold is not None:
            u = u / jnp.maximum(1, _rms(u) / clipping_threshold)
        return (jnp.maximum(scale, _rms(w)) * u if multiply_by_parameter_scale else u), (v,)

    def start(p: Any) -> tuple[Array, ...]:
        axes = _factored_axes(p.shape, style, size)
        if axes is None:
            return (zeros_like(p, p.shape),)
        of_row, of_column = axes
        return zeros_like(p, _without(p.shape, of_column)), zeros_like(p, _without(p.shape, of_row))

    scaled = per_array("adafactor", rule, {"v": start}, reads_params=True)
    if style == "optax":
        rate = optax.scale(-1.0) if learning_rate is None else scale_by_learning_rate(learning_rate)
        # The sign is changed already here, so that weight decay is subtracted.
        return preset("adafactor", scaled, rate, *_average(momentum), add_decay("adafactor", -weight_decay, decay_mask))
    assert learning_rate is not None
    step = optax.chain(scaled, scale_by_learning_rate(_at_most_relative(learning_rate)))
    before = style == "keras"
    return preset("adafactor", shrink("adafactor", step, learning_rate, weight_decay, decay_mask, before=before))


def _divide(
    g: Array, v: tuple[Array, ...], new: Array, eps: Number | None, axes: tuple[int, int] | None, style: str
) -> tuple[Array, tuple[Array, ...]]:
    """g / sqrt(v), and the row and the column that v is made of; or v itself where `axes` is None."""
    if eps is None:
        eps = float(jnp.finfo(g.dtype).eps) if style == "torch" else 1e-30
    square = g**2 if style == "torch" else g**2 + eps

    def mix(old: Array, fresh: Array) -> Array:
        return (1 - new) * old + new * fresh

    if axes is None:
        (full,) = v
        full = mix(full, square)
        return g * lax.rsqrt(jnp.maximum(full, eps**2) if style == "torch" else full), (full,)
    row_axis, column_axis = axes
    row, column = mix(v[0], jnp.mean(square, column_axis)), mix(v[1], jnp.mean(square, row_axis))
    mean = jnp.mean(row, row_axis - (row_axis > column_axis), keepdims=True)
    if style == "torch":
        product = jnp.expand_dims(row / jnp.maximum(mean, eps), column_axis) * jnp.expand_dims(column, row_axis)
        return g * lax.rsqrt(jnp.maximum(product, eps**2)), (row, column)
    # The roots of a row and a column are n + k instead of n k.
    of_row = jnp.expand_dims(lax.rsqrt(row / mean), column_axis)
    return g * of_row * jnp.expand_dims(lax.rsqrt(column), row_axis), (row, column)


def _factored_axes(shape: tuple[int, ...], style: str, size: int) -> tuple[int, int] | None:
    """The axis along which the row runs, and that of the column; None where the array is kept whole."""
    if len(shape) < 2:
        return None
    if style != "optax":
        return len(shape) - 2, len(shape) - 1
    second, longest = (int(axis) for axis in np.argsort(shape)[-2:])
    return (second, longest) if shape[second] >= size else None


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _rms(x: Array) -> Array:
    return jnp.sqrt(jnp.mean(x**2))


def _at_most_relative(learning_rate: LearningRate) -> LearningRate:
    """min(eta, 1 / sqrt(t)), where the schedule's count is t - 1."""

    def at(count: Array) -> Array:
        rate = jnp.asarray(learning_rate(count) if callable(learning_rate) else learning_rate)
        rate = rate.astype(jnp.result_type(float))
        return jnp.minimum(rate, lax.rsqrt((count + 1).astype(rate.dtype)))

    return at


def _average(momentum: Number) -> list[optax.GradientTransformation]:
    if is_zero(momentum):
        return []

    def rule(t: Array | None, u: Array, m: Array) -> tuple[Array, tuple[Array]]:
        m = momentum * m + (1 - momentum) * u
        return m, (m,)

    return [per_array("adafactor", rule, {"m": 0.0}, counts=False)]
