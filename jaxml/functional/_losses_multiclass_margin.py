"""Margins between the scores of classes, which are the last axis; the rules of every loss are told in `_losses.py`.

An infinite score counts as the largest finite one. Where a margin is met exactly the derivative is 0, PyTorch's.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_above, check_choice, check_equal, check_float
from jaxml.functional._classes import along, check_class_weights, check_labels, chosen, nan_outside
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._kinks import above_zero
from jaxml.functional._losses_binary import label_entropy, mean_label_entropy
from jaxml.functional._per_example import check_same_shape, mean_per_example, rounded
from jaxml.functional._softmax import check_where, finite


def categorical_hinge_loss(
    logits: Float[Array, "*positions C"],
    labels: Float[Array, "*positions C"],
    *,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """Keras's hinge loss over classes, with one-hot labels `y`: `max(0, 1 + max_i (1 - y_i) x_i - Σ_i y_i x_i)`.

    `(N, C)` gives `(N,)`; of more axes, all but the first and the last are averaged. The inner maximum runs over all
    classes, so it is at least the 0 that the right one gives; several largest scores share the derivative.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, there is no class axis, or it is empty.

    >>> categorical_hinge_loss(jnp.array([[2.0, 1.5, -1.0]]), jnp.array([[1.0, 0.0, 0.0]])).tolist()
    [0.5]
    """
    name = "categorical_hinge_loss"
    check_same_shape(name, None, logits=logits, labels=labels)
    _check_scores(name, logits, where)
    if where is None:
        lead = guarded(_lead, _finite_lead, logits, labels, shared=True)
    else:
        lead = _finite_lead(*(jnp.where(where[..., None], a, 0) for a in (logits, labels)))
    loss = above_zero(1 + lead)
    return rounded(mean_per_example(loss, where), logits)


def _lead(logits: Array, labels: Array) -> Array:
    """How far the best score of the other classes is above that of the label."""
    return _lead_of(wide(logits), wide(labels))


def _finite_lead(logits: Array, labels: Array) -> Array:
    return finite(_lead_of(finite(wide(logits)), wide(labels)))


def _lead_of(x: Array, y: Array) -> Array:
    return jnp.max((1 - y) * x, -1) - jnp.sum(y * x, -1)


def multi_margin_loss(
    logits: Float[Array, "*positions C"],
    labels: Integer[Array, "*positions"],
    *,
    class_weights: Float[Array, " C"] | None = None,
    margin: float = 1.0,
    exponent: int = 1,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """Margins between the score of the label `y` and all others, `Σ_{i≠y} max(0, margin - x_y + x_i)^exponent / C`.

    `(N, C)` and `(N,)` give `(N,)`; of more axes, all but the first and the last are averaged. `class_weights` multiply
    the loss of their label, and nothing is divided by their sum: PyTorch's. A label that is no class gives NaN.

    Raises:
        TypeError: logits or weights that are not floating point, labels that are not integers, a `where` not boolean.
        ValueError: shapes that do not fit, an empty class axis, `margin` not positive, or `exponent` not 1 or 2.

    >>> multi_margin_loss(jnp.array([[2.0, 1.5, -1.0, 3.0]]), jnp.array([0])).tolist()
    [0.625]
    """
    name = "multi_margin_loss"
    _check_scores(name, logits, where, class_weights)
    check_labels(name, labels)
    check_equal(name, "the shape of labels", labels.shape, logits.shape[:-1], logits=logits, labels=labels)
    check_above(name, "margin", margin, 0)
    check_choice(name, "exponent", exponent, (1, 2))
    x, labels, classes = _scores(logits, where), labels.astype(jnp.int32), logits.shape[-1]
    own = chosen(labels, x.shape, labels.ndim)
    # Gathered: the sum of a comparison would read the scores once more than everything else does.
    gap = jnp.take_along_axis(x, labels[..., None], -1, mode="clip") - x
    loss = jnp.sum(jnp.where(own, 0, above_zero(margin - gap) ** exponent / classes), -1)
    if class_weights is not None:
        loss = loss * jnp.take(wide(class_weights), labels, mode="clip")
    return rounded(mean_per_example(nan_outside(loss, labels, classes), where), logits)


def multilabel_margin_loss(
    logits: Float[Array, "*positions C"],
    labels: Integer[Array, "*positions C"],
    *,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """Margins between every label and every other class, `Σ_j Σ_{i no label} max(0, 1 - x_{y_j} + x_i) / C`.

    `(N, C)` and `(N, C)` give `(N,)`; of more axes, all but the first and the last are averaged. The labels of an
    example are the class numbers before the first negative one, as in PyTorch; one of C or more gives NaN. C² memory.

    Raises:
        TypeError: logits that are not floating point, labels that are not integers, or a `where` that is not boolean.
        ValueError: shapes that differ, or an empty class axis.

    >>> multilabel_margin_loss(jnp.array([[0.5, 0.25, 0.25, 1.0]]), jnp.array([[3, 0, -1, 1]])).tolist()
    [0.5]
    """
    name = "multilabel_margin_loss"
    _check_scores(name, logits, where)
    check_labels(name, labels)
    check_equal(name, "the shape of labels", labels.shape, logits.shape, logits=logits, labels=labels)
    x, labels, classes = _scores(logits, where), labels.astype(jnp.int32), logits.shape[-1]
    counts = jnp.cumsum(labels < 0, -1) == 0
    # A class that is listed twice costs twice.
    times = jnp.sum(counts[..., None] & chosen(labels, (*labels.shape, classes), labels.ndim), -2)
    gap = finite(x[..., :, None] - x[..., None, :])  # an infinite one would be NaN for a class that is no label
    pairs = above_zero(1 - gap) * times.astype(x.dtype)[..., :, None]
    loss = jnp.sum(jnp.where((times == 0)[..., None, :], pairs / classes, 0), (-2, -1))
    loss = jnp.where(jnp.any(counts & (labels >= classes), -1), jnp.nan, loss)
    return rounded(mean_per_example(loss, where), logits)


def multilabel_soft_margin_loss(
    logits: Float[Array, "*positions C"],
    labels: Float[Array, "*positions C"],
    *,
    class_weights: Float[Array, " C"] | None = None,
    where: Bool[Array, "*positions C"] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy of independent labels, weighted by class: `mean(-w (z log σ(x) + (1 - z) log σ(-x)))`.

    Labels `z` are in [0, 1]. `(N, C)` gives `(N,)`, the mean over every axis but the first. Without weights it is
    `binary_cross_entropy`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes that do not fit, or an empty class axis.

    >>> weights = jnp.array([2.0, 0.0])
    >>> loss = multilabel_soft_margin_loss(jnp.array([[0.0, 7.0]]), jnp.array([[1.0, 0.0]]), class_weights=weights)
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931]
    """
    name = "multilabel_soft_margin_loss"
    check_same_shape(name, where, logits=logits, labels=labels)
    _check_scores(name, logits, None, class_weights)
    if class_weights is None and where is None:
        return mean_label_entropy(logits, labels)
    x, z = wide(logits), wide(labels)
    if where is not None:
        x, z = jnp.where(where, x, 0), jnp.where(where, z, 0)
    loss = label_entropy(x, z)
    if class_weights is not None:
        loss = loss * along(class_weights, x.ndim - 1, x.ndim)
    return rounded(mean_per_example(loss, where), logits)


def _scores(logits: Array, where: Array | None) -> Array:
    x = finite(wide(logits))
    return x if where is None else jnp.where(where[..., None], x, 0)


def _check_scores(name: str, logits: Array, where: Array | None, class_weights: Array | None = None) -> None:
    check_float(name, logits=logits)
    check_where(name, where)
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"{name}: logits must have a last axis of classes, not empty (logits: {tuple(logits.shape)})")
    if where is not None:
        check_equal(name, "the shape of where", where.shape, logits.shape[:-1], logits=logits, where=where)
    check_class_weights(name, logits, -1, class_weights)
