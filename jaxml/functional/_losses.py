"""Losses from predictions or logits: one value per example, finite wherever the logits are not NaN.

The example axis is the first one; further axes (pixels, tokens) are averaged, so that `.mean()` of the result is
PyTorch's mean. `where` leaves elements out: the average runs over those that are left, and is 0 with gradient 0 where
none is, even if the elements left out are NaN. float16 and bfloat16 are computed in float32 and rounded once.
"""

import math

import jax
import jax.numpy as jnp
from jax.nn import softplus
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_equal, check_float
from jaxml.functional._dtypes import wide
from jaxml.functional._softmax import check_where, finite, shifted_exponentials


def mse_loss(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Mean squared error of each example, `mean((p - t)²)` over every axis but the first; `(N, ...)` to `(N,)`.

    Its derivative is `2 (p - t) / n`. Shapes must agree exactly: `(N, 1)` against `(N,)` is an error, where
    broadcasting would silently compare every prediction with every target. Nothing is clipped: an error whose square
    exceeds the dtype gives inf.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> mse_loss(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0, 4.0], [3.0, 4.0]])).tolist()
    [2.0, 0.0]
    """
    _check_pair("mse_loss", where, predictions=predictions, targets=targets)
    error = wide(predictions) - wide(targets)
    if where is not None:
        error = jnp.where(where, error, 0)
    return _mean_per_example(jnp.square(error), where).astype(predictions.dtype)


def binary_cross_entropy(
    logits: Float[Array, "*shape"], labels: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Cross entropy of independent yes/no labels, from logits; `(N, ...)` to `(N,)`.

    `mean(-z log σ(x) - (1 - z) log(1 - σ(x)))` over every axis but the first, for labels `z` in [0, 1]: PyTorch's
    `binary_cross_entropy_with_logits`. Its derivative `(σ(x) - z) / n` holds at ±inf too. An infinite logit counts as
    the largest finite one, so a right answer costs 0 there and a wrong one the largest number of the dtype.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> loss = binary_cross_entropy(jnp.array([0.0, jnp.inf, -2.0]), jnp.array([1.0, 1.0, 0.0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, 0.0, 0.1269]
    """
    _check_pair("binary_cross_entropy", where, logits=logits, labels=labels)
    x, z = finite(wide(logits)), wide(labels)
    if where is not None:
        x, z = jnp.where(where, x, 0), jnp.where(where, z, 0)
    # Both terms are needed: softplus(x) - z x cancels to 0 where the answer is nearly right.
    loss = (1 - z) * softplus(x) + z * softplus(-x)
    return _rounded(_mean_per_example(loss, where), logits)


def softmax_cross_entropy(
    logits: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy with dense labels or probabilities `y`, from logits: `-Σ_i y_i log softmax(x)_i` along `axis`.

    `(N, C)` gives `(N,)`; of the axes that remain without `axis`, every one but the first is averaged. `where` is
    either of the logits' shape, and leaves classes out of the sum and of the softmax, or of that shape without `axis`,
    and leaves out positions (padding tokens, say).

    Its derivative is `(Σ y) softmax(x) - y`. An infinite logit counts as the largest finite one: a class masked by -inf
    costs nothing with label 0, and the largest number of the dtype with label 1.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `axis` does not exist or is empty.

    >>> logits, labels = jnp.array([[-jnp.inf, 1.0, 1.0]]), jnp.array([[0.0, 1.0, 0.0]])
    >>> round(softmax_cross_entropy(logits, labels).item(), 4)
    0.6931
    """
    name = "softmax_cross_entropy"
    _check_pair(name, None, logits=logits, labels=labels)
    axis = _class_axis(name, logits, axis)
    classes, positions = _masks(name, logits, axis, where)
    log_p = _log_probabilities(logits, axis, classes)
    y = wide(labels)
    if classes is not None:
        y = jnp.where(classes, y, 0)
    return _rounded(_mean_per_example(jnp.sum(y * -log_p, axis), positions), logits)


def softmax_cross_entropy_with_integer_labels(
    logits: Float[Array, "..."],
    labels: Integer[Array, "..."],
    *,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy with class numbers, from logits: `-log softmax(x)_label` along `axis`; PyTorch's `cross_entropy`.

    `labels` has the shape of `logits` without `axis`; all else is as in `softmax_cross_entropy` with one-hot labels. A
    number outside `0 ... C - 1` gives NaN, not a guess; leave such positions out with `where=labels >= 0`.

    Raises:
        TypeError: logits that are not floating point, labels that are not integers, or a `where` that is not boolean.
        ValueError: shapes that do not fit, or `axis` does not exist or is empty.

    >>> logits = jnp.array([[0.0, 0.0], [0.0, jnp.inf]])
    >>> loss = softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 1]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, 0.0]
    """
    name = "softmax_cross_entropy_with_integer_labels"
    check_float(name, logits=logits)
    if not hasattr(labels, "dtype") or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"{name}: labels must be integers, got {getattr(labels, 'dtype', type(labels).__name__)}")
    axis = _class_axis(name, logits, axis)
    without = logits.shape[:axis] + logits.shape[axis + 1 :]
    check_equal(name, "the shape of labels", tuple(labels.shape), without, logits=logits, labels=labels)
    classes, positions = _masks(name, logits, axis, where)
    labels = labels.astype(jnp.int32)
    # A comparison fuses into the sum, where gathering would make the gradient a scatter.
    chosen = jnp.expand_dims(labels, axis) == jax.lax.broadcasted_iota(jnp.int32, logits.shape, axis)
    if classes is not None:
        chosen = chosen & classes
    loss = jnp.sum(jnp.where(chosen, -_log_probabilities(logits, axis, classes), 0), axis)
    loss = jnp.where((labels >= 0) & (labels < logits.shape[axis]), loss, jnp.nan)
    return _rounded(_mean_per_example(loss, positions), logits)


def _check_pair(name: str, where: Array | None, **pair: Array) -> None:
    check_float(name, **pair)
    check_where(name, where)
    (first_name, first), (second_name, second) = pair.items()
    check_equal(name, f"the shape of {second_name}", tuple(second.shape), tuple(first.shape), **pair)
    if where is not None:
        what = {first_name: first, "where": where}
        check_equal(name, "the shape of where", tuple(where.shape), tuple(first.shape), **what)


def _class_axis(name: str, logits: Array, axis: int) -> int:
    if not isinstance(axis, int) or not -logits.ndim <= axis < logits.ndim:
        raise ValueError(f"{name}: axis {axis} does not exist (logits: {tuple(logits.shape)})")
    if logits.shape[axis] == 0:
        raise ValueError(f"{name}: axis {axis} must not be empty (logits: {tuple(logits.shape)})")
    return axis % logits.ndim


def _masks(name: str, logits: Array, axis: int, where: Array | None) -> tuple[Array | None, Array | None]:
    """The mask over classes (the logits' shape) and the one over positions (without `axis`) that `where` means."""
    check_where(name, where)
    if where is None:
        return None, None
    without = logits.shape[:axis] + logits.shape[axis + 1 :]
    if where.shape not in (logits.shape, without):
        raise ValueError(
            f"{name}: where must have the shape of logits, {tuple(logits.shape)}, or that without the class axis, "
            f"{tuple(without)}, got {tuple(where.shape)}"
        )
    if where.ndim < logits.ndim:
        return jnp.broadcast_to(jnp.expand_dims(where, axis), logits.shape), where
    return where, jnp.any(where, axis)


def _log_probabilities(logits: Array, axis: int, classes: Array | None) -> Array:
    shifted, _, total = shifted_exponentials(wide(logits), axis, classes)
    return shifted - jnp.log(total)


def _mean_per_example(loss: Array, where: Array | None) -> Array:
    """Mean over every axis but the first of the elements that count; 0 where there are none."""
    axes = tuple(range(1, loss.ndim))
    count = jnp.asarray(max(1, math.prod(loss.shape[1:])), loss.dtype)
    if where is not None:
        loss = jnp.where(where, loss, 0)
        count = jnp.maximum(jnp.sum(where, axes, keepdims=True), 1).astype(loss.dtype)
    # Divided before it is summed: losses near the end of the dtype have a mean, though their sum overflows.
    return jnp.sum(loss / count, axes)


def _rounded(loss: Array, logits: Array) -> Array:
    return finite(loss.astype(logits.dtype))
