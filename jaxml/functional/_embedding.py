"""Rows of a table, one by one or reduced over bags."""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxml.functional._checks import check_choice, check_equal, check_float, check_rank, check_within, static
from jaxml.functional._dtypes import wide
from jaxml.functional._explicit import along


def _checked(function: str, indices: Any, w: Any, padding_index: int | None) -> int | None:
    """`padding_index`, counted from 0."""
    check_float(function, w=w)
    check_rank(function, "w", w, 2, "(V, D)")
    if w.shape[0] == 0:
        raise ValueError(f"{function}: w must have at least 1 row (w: {tuple(w.shape)})")
    kind = getattr(indices, "dtype", type(indices).__name__)
    if not hasattr(indices, "dtype") or not jnp.issubdtype(kind, jnp.integer):
        raise TypeError(f"{function}: indices must be an integer array, got {kind}")
    if padding_index is None:
        return None
    rows = w.shape[0]
    if not isinstance(padding_index, int) or not -rows <= padding_index < rows:
        raise ValueError(f"{function}: padding_index must be one of the {rows} rows of w, got {padding_index}")
    return padding_index % rows


def _rows(w: Array, indices: Array) -> Array:
    read = lambda w, i: w.at[i].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)  # noqa: E731
    return along(indices, read, w, indices)


def embedding(
    indices: Int[Array, "*shape"],
    w: Float[Array, "V D"],
    *,
    padding_index: int | None = None,
    max_norm: float | None = None,
    order: float = 2.0,
) -> Float[Array, "*shape D"]:
    """Rows of a table, `y = w[indices]`; `indices` of any shape `(...)`, `w` of `(V, D)`, to `(..., D)`.

    An index outside `[0, V)` gives NaN, with gradient 0: PyTorch raises, which compiled code cannot. The row
    `padding_index` is looked up like others, but gets gradient 0. `max_norm` scales rows whose norm of that `order`
    exceeds it by `max_norm / (norm + 1e-7)`. Only what is returned is scaled, and the derivative is that of the scaled
    row; PyTorch writes the scaled rows back into its table and takes the scale as constant.

    Raises:
        TypeError: `indices` are not integers, or `w` is not floating point.
        ValueError: `w` has not 2 axes, `padding_index` is no row, `max_norm` is negative, or `order` below 1.

    >>> embedding(jnp.array([2, 0]), jnp.arange(6.0).reshape(3, 2)).tolist()
    [[4.0, 5.0], [0.0, 1.0]]
    """
    padding_index = _checked("embedding", indices, w, padding_index)
    check_within("embedding", "order", order, 1, math.inf)
    y = _rows(w, indices)
    if max_norm is not None:
        check_within("embedding", "max_norm", max_norm, 0, math.inf)
        y = _scaled(y, static(max_norm), static(order))
    if padding_index is not None:
        y = jnp.where((indices == padding_index)[..., None], jax.lax.stop_gradient(y), y)
    return y


def _scaled(y: Array, max_norm: float, order: float) -> Array:
    size = jnp.abs(wide(y))
    # Through the largest entry, so that the power neither overflows nor, at a zero row, has an infinite derivative.
    top = jax.lax.stop_gradient(jnp.max(size, -1, keepdims=True, initial=0))
    top = jnp.where(top == 0, 1, top)
    if order == jnp.inf:
        norm = jnp.max(size, -1, keepdims=True, initial=0)
    else:
        total = jnp.sum((size / top) ** order, -1, keepdims=True)
        norm = top * jnp.where(total == 0, 0, jnp.where(total == 0, 1, total) ** (1 / order))
    over = norm > max_norm
    factor = jnp.where(over, max_norm / (jnp.where(over, norm, 1) + 1e-7), 1)
    return (wide(y) * factor).astype(y.dtype)


def embedding_bag(
    indices: Int[Array, "..."],
    w: Float[Array, "V D"],
    weights: Float[Array, "..."] | None = None,
    *,
    offsets: Int[Array, " B"] | None = None,
    mode: Literal["sum", "mean", "max"] = "mean",
    padding_index: int | None = None,
) -> Float[Array, "B D"]:
    """Sum, mean or maximum over bags of the rows of a table `w` of `(V, D)`, to `(B, D)`.

    `indices` is `(B, L)`, one bag a row, or `(T,)` with bag `b` running from `offsets[b]` to the next one (ascending,
    the first 0). `weights`, of the shape of `indices`, are factors of the rows of a sum. `padding_index` is left out of
    every bag, and of the count of a mean. An empty bag gives 0; an index outside `[0, V)` gives NaN. Where several rows
    hold the maximum, the first takes the gradient.

    Raises:
        TypeError: `indices` are not integers, `w` or `weights` not floating point, or of two dtypes.
        ValueError: a wrong rank or shape, `offsets` given with `(B, L)` or not with `(T,)`, `weights` not with a sum,
            or `padding_index` is no row.

    >>> w = jnp.arange(6.0).reshape(3, 2)
    >>> embedding_bag(jnp.array([0, 2, 1]), w, offsets=jnp.array([0, 2]), mode="sum").tolist()
    [[4.0, 6.0], [2.0, 3.0]]
    """
    name = "embedding_bag"
    padding_index = _checked(name, indices, w, padding_index)
    check_float(name, {"weights": weights}, w=w)
    check_rank(name, "indices", indices, (1, 2), "(B, L) or (T,)")
    check_choice(name, "mode", mode, ("sum", "mean", "max"))
    if (offsets is None) == (indices.ndim == 1):
        raise ValueError(f"{name}: offsets must be given with indices (T,), and only then (indices: {indices.shape})")
    if weights is not None:
        check_equal(name, "the shape of weights", tuple(weights.shape), tuple(indices.shape))
        if mode != "sum":
            raise ValueError(f'{name}: weights are those of a sum, got mode "{mode}"')
    rows = wide(_rows(w, indices))
    kept = jnp.ones(indices.shape, bool) if padding_index is None else indices != padding_index
    if weights is not None:
        rows = rows * wide(weights)[..., None]
    if mode == "max":
        y = _bag_max(rows, kept, offsets)
    else:
        y = _bag_sum(jnp.where(kept[..., None], rows, 0), offsets)
        if mode == "mean":
            count = _bag_sum(kept.astype(y.dtype)[..., None], offsets)
            y = y / jnp.maximum(count, 1)
    return y.astype(w.dtype)


def _bags(offsets: Array, length: int) -> Array:
    """The bag of each of `length` entries: how many offsets do not exceed its place, less 1."""
    places = jnp.arange(length, dtype=offsets.dtype)
    return jnp.searchsorted(offsets, places, side="right") - 1


def _bag_sum(x: Array, offsets: Array | None) -> Array:
    if offsets is None:
        return jnp.sum(x, 1)
    bags = _bags(offsets, x.shape[0])
    return jax.ops.segment_sum(x, bags, offsets.shape[0], indices_are_sorted=True)


def _bag_max(x: Array, kept: Array, offsets: Array | None) -> Array:
    """The maximum of what is kept, as a lookup of its first place: which is what its derivative is, too."""
    x = jnp.where(kept[..., None], x, -jnp.inf)
    if offsets is None:
        if x.shape[1] == 0:
            return jnp.zeros((x.shape[0], x.shape[2]), x.dtype)
        top = jnp.take_along_axis(x, jnp.argmax(x, 1, keepdims=True), 1)[:, 0]
        return jnp.where(jnp.any(kept, 1)[:, None], top, 0)
    if x.shape[0] == 0:
        return jnp.zeros((offsets.shape[0], x.shape[1]), x.dtype)
    bags, count, constant = _bags(offsets, x.shape[0]), offsets.shape[0], jax.lax.stop_gradient(x)
    top = jax.ops.segment_max(constant, bags, count, indices_are_sorted=True)
    reached = (constant == top[bags]) | jnp.isnan(constant)
    places = jnp.where(reached, jnp.arange(x.shape[0])[:, None], x.shape[0] - 1)
    first = jax.ops.segment_min(places, bags, count, indices_are_sorted=True)
    filled = jax.ops.segment_max(kept.astype(jnp.int32), bags, count, indices_are_sorted=True) > 0
    y = jnp.take_along_axis(x, jnp.clip(first, 0, x.shape[0] - 1), 0)
    return jnp.where(filled[:, None], y, 0)
