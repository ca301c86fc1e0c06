"""What the losses over classes share: the class axis, integer labels, masks, class weights, log probabilities."""

from functools import partial
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._checks import check_equal, check_float
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._softmax import below, check_where, finite, shifted_exponentials


def class_axis(name: str, axis: int, **array: Array) -> int:
    """`axis` of the one array, not negative."""
    ((what, x),) = array.items()
    if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{name}: axis {axis} does not exist ({what}: {tuple(x.shape)})")
    if x.shape[axis] == 0:
        raise ValueError(f"{name}: axis {axis} must not be empty ({what}: {tuple(x.shape)})")
    return axis % x.ndim


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape that labels of the class axis' entries have."""
    return tuple(shape[:axis] + shape[axis + 1 :])


def check_labels(name: str, labels: Array) -> None:
    """Labels are integers: floating point ones are nearly always dense labels, which another function takes."""
    if not hasattr(labels, "dtype") or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"{name}: labels must be integers, got {getattr(labels, 'dtype', type(labels).__name__)}")


def along(weights: Array, axis: int, ndim: int) -> Array:
    """One number per class, `(C,)`, shaped to multiply an array of `ndim` axes along `axis`."""
    return wide(weights).reshape((1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


def check_class_weights(name: str, x: Array, axis: int, weights: Array | None) -> None:
    """`weights` is `(C,)`, of the dtype of `x`."""
    if weights is not None:
        check_float(name, logits=x, class_weights=weights)
        check_equal(name, "the shape of class_weights", tuple(weights.shape), (x.shape[axis],), logits=x)


def check_mask(name: str, logits: Array, axis: int, where: Array | None) -> None:
    """`where` is boolean, of the logits' shape or of that without the class axis."""
    check_where(name, where)
    positions = without(logits.shape, axis)
    if where is not None and where.shape not in (logits.shape, positions):
        raise ValueError(
            f"{name}: where must have the shape of logits, {tuple(logits.shape)}, or that without the class axis, "
            f"{positions}, got {tuple(where.shape)}"
        )


def split_mask(where: Array | None, ndim: int, axis: int) -> tuple[Array | None, Array | None]:
    """The mask over classes, for logits of `ndim` axes, and the one over positions (without `axis`) of `where`."""
    if where is None or where.ndim < ndim:
        return None, where
    return where, jnp.any(where, axis)


def blanked(x: Array, positions: Array | None, axis: int) -> Array:
    """`x`, 0 at the positions that are left out, where it may be NaN."""
    return x if positions is None else jnp.where(jnp.expand_dims(positions, axis), x, 0)


def not_ignored(
    name: str, labels: Array, ignore_index: int | None, where: Array | None, axis: int = -1
) -> Array | None:
    """`where`, of the labels' shape or with the class axis too, without the labels that are `ignore_index`."""
    if ignore_index is None:
        return where
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, Integral):
        raise TypeError(f"{name}: ignore_index must be an integer or None, got {ignore_index!r}")
    kept = labels != ignore_index
    if where is None:
        return kept
    return where & (jnp.expand_dims(kept, axis) if where.ndim > kept.ndim else kept)


def chosen(labels: Array, shape: tuple[int, ...], axis: int) -> Array:
    """One-hot labels, as booleans."""
    return jnp.expand_dims(labels, axis) == jax.lax.broadcasted_iota(jnp.int32, shape, axis)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def at_labels(x: Array, labels: Array, axis: int) -> Array:
    """The entry of `x` that each label names; any for a label that is no class.

    Gathered, which is fastest, but with the derivative of a sum over one-hot labels, or it would be a scatter.
    """
    places = jnp.expand_dims(jnp.clip(labels, 0, x.shape[axis] - 1), axis)
    return jax.lax.squeeze(jnp.take_along_axis(x, places, axis), (axis,))


@at_labels.defjvp
def _at_labels_jvp(axis: int, primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    (x, labels), (dx, _) = primals, tangents
    return at_labels(x, labels, axis), jnp.sum(jnp.where(chosen(labels, x.shape, axis), dx, 0), axis)


def nan_outside(loss: Array, labels: Array, classes: int) -> Array:
    """NaN where the label is no class, which under `jit` can be told in no other way."""
    return jnp.where((labels >= 0) & (labels < classes), loss, jnp.nan)


def normalized(x: Array, axis: int) -> tuple[Array, Array]:
    """Logits of the wide dtype less the largest, and the logarithm of the sum of exponentials of that, with `axis`.

    The first less the second are the log probabilities. Both are finite, whatever `x` is but NaN.
    """
    shifted = below(x, finite(jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))))
    return shifted, jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True))


def label_costs(x: Array, labels: Array, axis: int) -> Array:
    """`-log softmax(x)` where the labels are, along `axis`, which goes; finite, in the wide dtype."""
    return guarded(_plain_label_costs, _label_costs, x, labels, shared=True, axis=axis)


def _plain_label_costs(x: Array, labels: Array, *, axis: int) -> Array:
    x = wide(x)
    top = jnp.max(x, axis, keepdims=True)
    return jnp.log(jnp.sum(jnp.exp(x - top), axis)) + (jax.lax.squeeze(top, (axis,)) - at_labels(x, labels, axis))


def _label_costs(x: Array, labels: Array, *, axis: int) -> Array:
    # The label's logit is looked up in x itself: what one looks up in, XLA:CPU writes out before.
    x = wide(x)
    top = finite(jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True)))
    own = below(at_labels(x, labels, axis), jax.lax.squeeze(top, (axis,)))
    return jnp.log(jnp.sum(jnp.exp(below(x, top)), axis)) - own


def log_probabilities(logits: Array, axis: int, classes: Array | None) -> Array:
    """The logarithm of softmax, finite everywhere, in the wide dtype."""
    if classes is None:
        shifted, log_total = normalized(wide(logits), axis)
        return shifted - log_total
    shifted, _, total = shifted_exponentials(wide(logits), axis, classes)
    return shifted - jnp.log(total)
