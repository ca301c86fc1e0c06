"""Cross entropies of softmax, with dense and with integer labels; from log probabilities too."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_equal, check_float, check_within
from jaxml.functional._classes import (
    along,
    at_labels,
    blanked,
    check_class_weights,
    check_labels,
    check_mask,
    chosen,
    class_axis,
    label_costs,
    log_probabilities,
    nan_outside,
    normalized,
    not_ignored,
    split_mask,
    without,
)
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._guarded import guarded
from jaxml.functional._per_example import check_same_shape, mean_per_example, rounded
from jaxml.functional._softmax import check_where, finite


def softmax_cross_entropy(
    logits: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    axis: int = -1,
    class_weights: Float[Array, " C"] | None = None,
    label_smoothing: float = 0.0,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy with dense labels or probabilities `y`, from logits: `-Σ_i w_i y_i log softmax(x)_i` along `axis`.

    `(N, C)` gives `(N,)`; of the axes that remain without `axis`, every one but the first is averaged. `where` is
    either of the logits' shape, and leaves classes out of the sum and of the softmax, or of that shape without `axis`,
    and leaves out positions (padding tokens, say). `class_weights` `w` is `(C,)`, 1 by default. `label_smoothing` `s`
    replaces `y` by `(1 - s) y + s / C`, as `smooth_labels` does; C is the number of classes that are not left out.

    Its derivative is `(Σ w y) softmax(x) - w y`. An infinite logit counts as the largest finite one: a class masked by
    -inf costs nothing with label 0, and the largest number of the dtype with label 1.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, `axis` does not exist or is empty, or `label_smoothing` is not in [0, 1].

    >>> logits, labels = jnp.array([[-jnp.inf, 1.0, 1.0]]), jnp.array([[0.0, 1.0, 0.0]])
    >>> round(softmax_cross_entropy(logits, labels).item(), 4)
    0.6931
    """
    name = "softmax_cross_entropy"
    check_same_shape(name, None, logits=logits, labels=labels)
    axis = class_axis(name, axis, logits=logits)
    check_class_weights(name, logits, axis, class_weights)
    check_mask(name, logits, axis, where)
    classes, positions = split_mask(where, logits.ndim, axis)
    x, y = blanked(logits, positions, axis), blanked(wide(labels), positions, axis)
    y = _smoothed(name, y, label_smoothing, axis, classes)
    if where is None and class_weights is None and not label_smoothing:
        loss = guarded(_plain_sum, _sum, logits, labels, shared=True, axis=axis)
    else:
        loss = _weighted_sum(x, y, axis, class_weights, classes)
    return rounded(mean_per_example(loss, positions), logits)


def softmax_cross_entropy_with_integer_labels(
    logits: Float[Array, "..."],
    labels: Integer[Array, "..."],
    *,
    axis: int = -1,
    class_weights: Float[Array, " C"] | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy with class numbers, from logits: `-w_label log softmax(x)_label` along `axis`.

    `labels` has the shape of `logits` without `axis`; all else is as in `softmax_cross_entropy` with one-hot labels.
    Positions whose label is `ignore_index` are left out, as by `where=labels != ignore_index`. Any other number outside
    `0 ... C - 1` gives NaN, not a guess.

    PyTorch's `cross_entropy` divides by the weights and by the positions of the whole batch: bring the positions to the
    first axis, `loss = f(x.reshape(-1, C), y.reshape(-1), ...)`, and take `loss.sum() / w[y].sum()`, summed over the
    `y` that count, or without weights `loss.sum()` over their number.

    Raises:
        TypeError: logits that are not floating point, labels that are not integers, or a `where` that is not boolean.
        ValueError: shapes that do not fit, `axis` does not exist or is empty, or `label_smoothing` is not in [0, 1].

    >>> logits = jnp.array([[0.0, 0.0], [0.0, jnp.inf]])
    >>> loss = softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 1]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, 0.0]
    """
    name = "softmax_cross_entropy_with_integer_labels"
    check_float(name, logits=logits)
    check_labels(name, labels)
    axis = class_axis(name, axis, logits=logits)
    want = without(logits.shape, axis)
    check_equal(name, "the shape of labels", tuple(labels.shape), want, logits=logits, labels=labels)
    check_class_weights(name, logits, axis, class_weights)
    check_mask(name, logits, axis, where)
    check_within(name, "label_smoothing", label_smoothing, 0, 1)
    classes, positions = split_mask(not_ignored(name, labels, ignore_index, where, axis), logits.ndim, axis)
    labels, x = labels.astype(jnp.int32), blanked(logits, positions, axis)
    if classes is None:
        loss = _integer(x, labels, axis, class_weights, label_smoothing)
    else:
        hot = chosen(labels, x.shape, axis).astype(wide_dtype(x.dtype))
        y = _smoothed(name, hot, label_smoothing, axis, classes)
        loss = _weighted_sum(x, y, axis, class_weights, classes)
    loss = nan_outside(loss, labels, x.shape[axis])
    return rounded(mean_per_example(loss, positions), logits)


def nll_loss(
    log_probabilities: Float[Array, "..."],
    labels: Integer[Array, "..."],
    *,
    axis: int = -1,
    class_weights: Float[Array, " C"] | None = None,
    ignore_index: int | None = None,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Negative log likelihood of class numbers, from log probabilities: `-w_label x_label` along `axis`.

    `(N, C)` gives `(N,)`; `labels` and `where` have the shape of `log_probabilities` without `axis`. Weights, ignored
    labels, labels out of range and PyTorch's mean are as in `softmax_cross_entropy_with_integer_labels`, which from
    logits is one step. The derivative is `-w` at the label, and 0 elsewhere; a log probability of -inf costs the
    largest number of the dtype.

    Raises:
        TypeError: log probabilities that are not floating point, labels that are not integers, or a `where` that is not
            boolean.
        ValueError: shapes that do not fit, or `axis` does not exist or is empty.

    >>> loss = nll_loss(jnp.log(jnp.array([[0.5, 0.5], [0.25, 0.75]])), jnp.array([0, 0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, 1.3863]
    """
    name, x = "nll_loss", log_probabilities
    check_float(name, log_probabilities=x)
    check_labels(name, labels)
    axis = class_axis(name, axis, log_probabilities=x)
    want = without(x.shape, axis)
    check_equal(name, "the shape of labels", tuple(labels.shape), want, log_probabilities=x, labels=labels)
    check_class_weights(name, x, axis, class_weights)
    check_where(name, where)
    if where is not None:
        check_equal(name, "the shape of where", tuple(where.shape), want, log_probabilities=x, where=where)
    labels, positions = labels.astype(jnp.int32), not_ignored(name, labels, ignore_index, where)
    loss = -finite(wide(at_labels(x, labels, axis)))
    if class_weights is not None:
        loss = loss * jnp.take(wide(class_weights), labels, mode="clip")
    return rounded(mean_per_example(nan_outside(loss, labels, x.shape[axis]), positions), x)


def smooth_labels(labels: Float[Array, "*shape"], *, label_smoothing: float, axis: int = -1) -> Float[Array, "*shape"]:
    """Labels mixed with the uniform distribution, `(1 - s) y + s / C` along `axis`; any shape, arXiv:1512.00567.

    Raises:
        TypeError: `labels` is not floating point: make integers one-hot first.
        ValueError: `label_smoothing` is not in [0, 1], or `axis` does not exist or is empty.

    >>> smooth_labels(jnp.array([0.0, 1.0]), label_smoothing=0.5).tolist()
    [0.25, 0.75]
    """
    check_float("smooth_labels", labels=labels)
    axis = class_axis("smooth_labels", axis, labels=labels)
    return _smoothed("smooth_labels", wide(labels), label_smoothing, axis, None).astype(labels.dtype)


def _smoothed(name: str, y: Array, label_smoothing: float, axis: int, classes: Array | None) -> Array:
    check_within(name, "label_smoothing", label_smoothing, 0, 1)
    if label_smoothing == 0:
        return y
    share = label_smoothing / y.shape[axis]
    if classes is not None:
        share = label_smoothing / jnp.maximum(jnp.sum(classes, axis, keepdims=True), 1).astype(y.dtype)
    return (1 - label_smoothing) * y + share


def _weighted_sum(logits: Array, y: Array, axis: int, weights: Array | None, classes: Array | None) -> Array:
    """`-Σ w y log p` along `axis`, over the classes left in."""
    if weights is not None:
        y = y * along(weights, axis, y.ndim)
    if classes is not None:
        y = jnp.where(classes, y, 0)
    return jnp.sum(y * -log_probabilities(logits, axis, classes), axis)


def _plain_sum(logits: Array, labels: Array, *, axis: int) -> Array:
    shifted = wide(logits) - jnp.max(wide(logits), axis, keepdims=True)
    return jnp.sum(wide(labels) * (jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True)) - shifted), axis)


def _sum(logits: Array, labels: Array, *, axis: int) -> Array:
    return _weighted_sum(logits, wide(labels), axis, None, None)


def _integer(x: Array, labels: Array, axis: int, weights: Array | None, label_smoothing: float) -> Array:
    """The same for integer labels and all classes, without one-hot labels."""
    if not label_smoothing:
        return _factors(labels, weights) * label_costs(x, labels, axis)
    shifted, log_total = normalized(wide(x), axis)
    cost = jax.lax.squeeze(log_total, (axis,)) - at_labels(shifted, labels, axis)
    w = 1 if weights is None else along(weights, axis, x.ndim)
    # Divided before it is summed: several excluded classes have a mean, though their sum overflows.
    uniform = jnp.sum((log_total - shifted) * w / x.shape[axis], axis)
    return (1 - label_smoothing) * _factors(labels, weights) * cost + label_smoothing * uniform


def _factors(labels: Array, weights: Array | None) -> Array | int:
    return 1 if weights is None else jnp.take(wide(weights), labels, mode="clip")
