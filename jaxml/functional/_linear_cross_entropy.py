"""A dense layer and the cross entropy of its logits in one, which never holds all the logits."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_equal, check_float, check_rank, check_some_axis, check_within
from jaxml.functional._class_costs import class_costs
from jaxml.functional._classes import check_class_weights, check_labels, nan_outside, not_ignored
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._explicit import along
from jaxml.functional._per_example import mean_per_example, rounded
from jaxml.functional._softmax import check_where

# How many logits are held at a time, and between which widths a chunk of the classes stays.
LOGITS, NARROWEST, WIDEST = 2**22, 512, 8192


def linear_cross_entropy(
    x: Float[Array, "*batch I"],
    w: Float[Array, "I C"],
    labels: Integer[Array, "*batch"],
    b: Float[Array, " C"] | None = None,
    *,
    class_weights: Float[Array, " C"] | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    where: Bool[Array, "*batch"] | None = None,
) -> Float[Array, "..."]:
    """`softmax_cross_entropy_with_integer_labels(linear(x, w, b), labels)` for a large vocabulary, in little memory.

    `x` is `(N, ..., I)`, `w` `(I, C)`, `b` `(C,)`; `labels` and `where` have the shape of `x` without its last axis,
    and `(N,)` comes back. The options are those of the cross entropy, PyTorch's mean included. More than 4 million
    logits are computed a chunk of classes at a time, and again in the backward pass, so that about 4 million of them
    are held and not all. Half precision products are accumulated in float32, and the logits are not rounded.

    Reverse mode to any order, and forward over reverse; forward mode alone raises, as for any `jax.custom_vjp`. Beyond
    the first derivative all logits are kept.

    Cost: `I * C` multiply-adds for each label, and three times as many for the gradient (twice, up to
    4 million logits).

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, labels that are not integers, or a `where` that is
            not boolean.
        ValueError: a wrong rank, sizes that do not fit, or `label_smoothing` is not in [0, 1].

    >>> x, w = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    >>> [round(v, 4) for v in linear_cross_entropy(x, w, jnp.array([0, 2])).tolist()]
    [1.0986, 0.0002]
    """
    name = "linear_cross_entropy"
    _check(name, x, w, labels, b, class_weights, where)
    check_within(name, "label_smoothing", label_smoothing, 0, 1)
    where = not_ignored(name, labels, ignore_index, where)
    if where is not None:
        x = jnp.where(where[..., None], x, 0)
    classes = w.shape[1]
    numbers = labels.astype(jnp.int32).reshape(-1)
    shares = None
    if label_smoothing:
        shares = jnp.ones(classes, wide_dtype(x.dtype)) if class_weights is None else wide(class_weights)
    width = _width(classes, numbers.shape[0])
    rows = x.reshape(-1, x.shape[-1])
    loss, uniform = along(rows, lambda *operands: class_costs(*operands, width), rows, w, b, shares, numbers)
    if class_weights is not None:
        loss = loss * jnp.take(wide(class_weights), numbers, mode="clip")
    if label_smoothing:
        loss = (1 - label_smoothing) * loss + label_smoothing / classes * uniform
    loss = nan_outside(loss, numbers, classes).reshape(labels.shape)
    return rounded(mean_per_example(loss, where), x)


def _width(classes: int, rows: int) -> int:
    """How many classes a chunk has: all of them where that is little. As many rows as a symbol says may be large."""
    if not isinstance(rows, int):
        return min(classes, NARROWEST)
    if rows * classes <= LOGITS:
        return classes
    width = min(WIDEST, max(NARROWEST, LOGITS // max(1, rows)))
    return min(classes, width // 128 * 128)


def _check(
    name: str, x: Array, w: Array, labels: Array, b: Array | None, class_weights: Array | None, where: Array | None
) -> None:
    check_float(name, {"b": b}, x=x, w=w)
    check_rank(name, "w", w, 2, "(I, C)")
    check_some_axis(name, x, "(..., I)")
    check_equal(name, "the last axis of x", x.shape[-1], w.shape[0], x=x, w=w)
    if w.shape[1] == 0:
        raise ValueError(f"{name}: w must have 1 class or more, got 0 (w: {tuple(w.shape)})")
    if b is not None:
        check_equal(name, "the shape of b", tuple(b.shape), (w.shape[1],), w=w, b=b)
    check_labels(name, labels)
    check_equal(name, "the shape of labels", tuple(labels.shape), tuple(x.shape[:-1]), x=x, labels=labels)
    check_class_weights(name, w, 1, class_weights)
    check_where(name, where)
    if where is not None:
        check_equal(name, "the shape of where", tuple(where.shape), tuple(labels.shape), x=x, where=where)
