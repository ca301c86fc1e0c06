"""Variants of the softmax cross entropy that weigh easy, hard or mislabelled examples otherwise."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_equal, check_finite, check_float, check_within, number, static
from jaxml.functional._classes import (
    at_labels,
    blanked,
    check_class_weights,
    check_labels,
    chosen,
    class_axis,
    label_costs,
    nan_outside,
    not_ignored,
    without,
)
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._losses_binary import focal
from jaxml.functional._per_example import check_same_shape, mean_per_example, rounded
from jaxml.functional._softmax import below, check_where, finite


def softmax_focal_loss(
    logits: Float[Array, "..."],
    labels: Integer[Array, "..."],
    *,
    gamma: float = 2.0,
    axis: int = -1,
    class_weights: Float[Array, " C"] | None = None,
    ignore_index: int | None = None,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy that well classified examples add little to: `-w (1 - p)^γ log p` of the label's `p`.

    `p` is softmax along `axis`; `(N, C)` gives `(N,)`, and `labels` and `where` have the shape of `logits` without
    `axis`. The weights `w`, α in arXiv:1708.02002, are `(C,)`, one a class. `gamma=0` gives
    `softmax_cross_entropy_with_integer_labels`, whose rules hold for labels that are ignored or out of range.

    Raises:
        TypeError: logits that are not floating point, labels that are not integers, or a `where` that is not boolean.
        ValueError: shapes that do not fit, `axis` does not exist or is empty, or `gamma` is negative.

    >>> round(softmax_focal_loss(jnp.array([[0.0, 0.0]]), jnp.array([0])).item(), 4)
    0.1733
    """
    name = "softmax_focal_loss"
    check_within(name, "gamma", gamma, 0)
    axis, labels, where = _checked(name, logits, labels, axis, class_weights, ignore_index, where)
    if where is None:
        margin = guarded(_plain_margin, _margin, logits, labels, shared=True, axis=axis)
    else:
        margin = _margin(blanked(logits, where, axis), labels, axis=axis)
    loss = focal(margin, jnp.ones_like(margin), gamma)
    if class_weights is not None:
        loss = loss * jnp.take(wide(class_weights), labels, mode="clip")
    return _averaged(loss, labels, logits, axis, where)


def generalized_cross_entropy(
    logits: Float[Array, "..."],
    labels: Integer[Array, "..."],
    *,
    exponent: float = 0.7,
    axis: int = -1,
    ignore_index: int | None = None,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy for labels that may be wrong: `(1 - p^q) / q` of the label's `p`, arXiv:1805.07836.

    `p` is softmax along `axis` and `q`, the `exponent`, lies in (0, 1]: near 0 it is the cross entropy, at 1 the
    probability of a mistake, which is bounded. `(N, C)` gives `(N,)`; `labels` and `where` have the shape of `logits`
    without `axis`, and the rules of `softmax_cross_entropy_with_integer_labels`.

    Raises:
        TypeError: logits that are not floating point, labels that are not integers, or a `where` that is not boolean.
        ValueError: shapes that do not fit, `axis` does not exist or is empty, or `exponent` is not in (0, 1].

    >>> generalized_cross_entropy(jnp.array([[0.0, 0.0]]), jnp.array([0]), exponent=1.0).tolist()
    [0.5]
    """
    name = "generalized_cross_entropy"
    if not 0 < number(name, "exponent", exponent) <= 1:
        raise ValueError(f"{name}: exponent must be above 0 and at most 1, got {exponent}")
    axis, labels, where = _checked(name, logits, labels, axis, None, ignore_index, where)
    cost = label_costs(blanked(logits, where, axis), labels, axis)
    return _averaged(-jnp.expm1(-exponent * cost) / exponent, labels, logits, axis, where)


def poly_loss(
    logits: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    coefficient: float = 2.0,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy with dense labels, plus `ε` times its first polynomial term: `Σ_i y_i (-log p_i + ε (1 - p_i))`.

    Poly-1 of arXiv:2204.12511, with `p` softmax along `axis` and `ε` the `coefficient`; `(N, C)` gives `(N,)`. `where`
    has the shape of `logits` without `axis`. Smooth labels with `smooth_labels`. The labels of an example sum to 1.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `axis` does not exist or is empty.

    >>> round(poly_loss(jnp.array([[0.0, 0.0]]), jnp.array([[1.0, 0.0]])).item(), 4)
    1.6931
    """
    name = "poly_loss"
    check_finite(name, "coefficient", coefficient)
    check_same_shape(name, None, logits=logits, labels=labels)
    axis = class_axis(name, axis, logits=logits)
    where = _position_mask(name, logits, axis, where)
    options = {"coefficient": static(coefficient), "axis": axis}
    if where is None:
        loss = guarded(_plain_poly, _poly, logits, labels, shared=True, **options)
    else:
        loss = _poly(blanked(logits, where, axis), blanked(labels, where, axis), **options)
    return rounded(mean_per_example(loss, where), logits)


def _plain_poly(logits: Array, labels: Array, *, coefficient: float, axis: int) -> Array:
    x, y = wide(logits), wide(labels)
    shifted = x - jnp.max(x, axis, keepdims=True)
    log_p = shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True))
    return jnp.sum(y * (-log_p - coefficient * jnp.expm1(log_p)), axis)


def _poly(logits: Array, labels: Array, *, coefficient: float, axis: int) -> Array:
    x, y = wide(logits), wide(labels)
    shifted = below(x, finite(jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))))
    exponentials = jnp.exp(shifted)
    total = jnp.sum(exponentials, axis, keepdims=True)
    inverse, log_p = 1 / total, shifted - jnp.log(total)
    # Nothing cancels: the largest exponential is 1, and the sum without it exact.
    others = _with_slope((total - exponentials) * inverse, log_p, exponentials * inverse)
    return jnp.sum(y * (coefficient * others - log_p), axis)


@jax.custom_jvp
def _with_slope(others: Array, log_p: Array, p: Array) -> Array:
    """`1 - p`, with the derivative `-p` by `log p`, which cancels less than that of the difference."""
    del log_p, p
    return others


_with_slope.defjvps(None, lambda tangent, _, others, log_p, p: -p * tangent, None)


def _position_mask(name: str, logits: Array, axis: int, where: Array | None) -> Array | None:
    check_where(name, where)
    if where is not None:
        want = without(logits.shape, axis)
        check_equal(name, "the shape of where", tuple(where.shape), want, logits=logits, where=where)
    return where


def _checked(
    name: str,
    logits: Array,
    labels: Array,
    axis: int,
    weights: Array | None,
    ignore_index: int | None,
    where: Array | None,
) -> tuple[int, Array, Array | None]:
    check_float(name, logits=logits)
    check_labels(name, labels)
    axis = class_axis(name, axis, logits=logits)
    want = without(logits.shape, axis)
    check_equal(name, "the shape of labels", tuple(labels.shape), want, logits=logits, labels=labels)
    check_class_weights(name, logits, axis, weights)
    where = _position_mask(name, logits, axis, where)
    return axis, labels.astype(jnp.int32), not_ignored(name, labels, ignore_index, where)


def _plain_margin(logits: Array, labels: Array, *, axis: int) -> Array:
    x = wide(logits)
    top = jnp.max(x, axis, keepdims=True)
    others = jnp.sum(jnp.where(chosen(labels, x.shape, axis), 0, jnp.exp(x - top)), axis)
    # Relative to a label far above them, exponentials of the others would be lost: that is left to the careful form.
    return at_labels(x, labels, axis) - jax.lax.squeeze(top, (axis,)) - jnp.log(jnp.where(others > 1e-20, others, 0))


def _margin(logits: Array, labels: Array, *, axis: int) -> Array:
    """`x_label - log Σ exp(x)` over the other classes: the logit of the label against the others together.

    Written so, `1 - p` is a sigmoid, and does not cancel where p is nearly 0 or 1.
    """
    x = finite(wide(logits))
    lowest = jnp.finfo(x.dtype).min
    own = at_labels(x, labels, axis)
    others = jnp.where(chosen(labels, x.shape, axis), lowest, x)
    top = jax.lax.stop_gradient(jnp.max(others, axis))
    # The label's own exponential is in the sum: 0, or 1 where all others are as low or there are none.
    total = jnp.sum(jnp.exp(others - jnp.expand_dims(top, axis)), axis) - jnp.exp(lowest - top)
    return finite(finite(own - top) - jnp.log(jnp.where(total == 0, 1, total)))


def _averaged(loss: Array, labels: Array, logits: Array, axis: int, where: Array | None) -> Array:
    return rounded(mean_per_example(nan_outside(loss, labels, logits.shape[axis]), where), logits)
