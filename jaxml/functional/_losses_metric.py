"""Losses of distances and angles between embeddings, `(N, D)` to `(N,)`; the rules are told in `_losses.py`.

The last axis is the embedding; of more axes, all but the first and the last are averaged, and `where` has their shape.
Equal embeddings and zero vectors have finite derivatives. Where a margin is met exactly the derivative is that of the
side that costs, as in PyTorch.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_above, check_equal, check_flags, check_float, check_within, static
from jaxml.functional._distances import check_norm, check_vectors, cosine, distance, shifted_difference
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._kinks import clamped
from jaxml.functional._per_example import mean_per_example, plain_mean, rounded
from jaxml.functional._softmax import check_where


def cosine_embedding_loss(
    x1: Float[Array, "*positions D"],
    x2: Float[Array, "*positions D"],
    targets: Float[Array, "*positions"],
    *,
    margin: float = 0.0,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """`1 - cos(x1, x2)` where the target is 1, and `max(0, cos(x1, x2) - margin)` where it is -1; `(N, D)` to `(N,)`.

    `cos = x1 · x2 / √((‖x1‖² + 1e-12) (‖x2‖² + 1e-12))`, with PyTorch's constant: a zero vector has cosine 0, and a
    large but finite derivative.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes that do not fit, or `margin` outside [-1, 1].

    >>> x, y = jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([[3.0, 4.0], [1.0, 0.0]])
    >>> cosine_embedding_loss(x, y, jnp.array([-1.0, 1.0]), margin=0.5).tolist()
    [0.5, 1.0]
    """
    name = "cosine_embedding_loss"
    check_vectors(name, x1=x1, x2=x2)
    check_float(name, x1=x1, targets=targets)
    _check_positions(name, x1, targets, where)
    check_within(name, "margin", margin, -1, 1)
    a, b = _counted(where, x1, x2)
    cos = cosine(a, b, -1, 1e-6, smooth=True)
    return _mean(jnp.where(targets > 0, 1 - cos, clamped(cos - margin)), x1, where)


def contrastive_loss(
    x1: Float[Array, "*positions D"],
    x2: Float[Array, "*positions D"],
    targets: Float[Array, "*positions"],
    *,
    margin: float = 1.0,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """Loss of a pair at distance d: `d² / 2` where the target is 1, `max(0, margin - d)² / 2` where it is -1; `(N,)`.

    `(N, D)` gives `(N,)`. A different pair at distance 0 has derivative 0, for its direction is unknown. Hadsell,
    Chopra and LeCun, 2006, where a similar pair is labelled 0 and a different one 1.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes that do not fit, or `margin` is not positive.

    >>> x, y = jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.zeros((2, 2))
    >>> contrastive_loss(x, y, jnp.array([1.0, -1.0])).tolist()
    [12.5, 0.5]
    """
    name = "contrastive_loss"
    check_vectors(name, x1=x1, x2=x2)
    check_float(name, x1=x1, targets=targets)
    _check_positions(name, x1, targets, where)
    check_above(name, "margin", margin, 0)
    if where is None:
        return rounded(guarded(_plain_contrastive, _contrastive, x1, x2, targets, margin=margin), x1)
    return rounded(_contrastive(x1, x2, targets, margin=margin, where=where), x1)


def _plain_contrastive(x1: Array, x2: Array, targets: Array, *, margin: float) -> Array:
    square = jnp.sum(jnp.square(wide(x1) - wide(x2)), -1)
    return plain_mean(jnp.where(targets > 0, square, jnp.square(jnp.maximum(margin - jnp.sqrt(square), 0))) / 2)


def _contrastive(x1: Array, x2: Array, targets: Array, *, margin: float, where: Array | None = None) -> Array:
    a, b = _counted(where, x1, x2)
    like = targets > 0
    near = jnp.where(like[..., None], a - b, 0)  # or an infinite square would reach the derivative of the other side
    loss = jnp.where(like, jnp.sum(jnp.square(near), -1), jnp.square(clamped(margin - distance(a, b, 2, 0))))
    return mean_per_example(loss / 2, where)


def triplet_margin_loss(
    anchors: Float[Array, "*positions D"],
    positives: Float[Array, "*positions D"],
    negatives: Float[Array, "*positions D"],
    *,
    margin: float = 1.0,
    order: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """The positive is to be nearer than the negative, `max(0, margin + d(a, p) - d(a, n))`; `(N, D)` to `(N,)`.

    `d` is `pairwise_distance` with `order` and `eps`. With `swap` the negative's distance is the smaller one of
    `d(a, n)` and `d(p, n)`; equal ones share the derivative. FaceNet, arXiv:1503.03832, squares the distances.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes that do not fit, `margin` is not positive, `order` or `eps` is negative.

    >>> a, p, n = jnp.zeros((1, 2)), jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 2.0]])
    >>> triplet_margin_loss(a, p, n, eps=0.0).tolist()
    [4.0]
    """
    name = "triplet_margin_loss"
    check_norm(name, order, eps)
    _check_triplet(name, anchors, positives, negatives, margin, swap, where)
    order = static(order)
    options = {"margin": margin, "order": order, "eps": static(eps), "swap": swap}
    if where is None and order == 2:
        loss = guarded(_plain_triplet, _own_triplet, anchors, positives, negatives, **options)
    else:
        loss = _own_triplet(anchors, positives, negatives, where=where, **options)
    return rounded(loss, anchors)


def _plain_triplet(*arrays: Array, margin: float, eps: float, swap: bool, **_: float) -> Array:
    def plain(x1: Array, x2: Array) -> Array:
        return jnp.sqrt(jnp.sum(jnp.square(shifted_difference(eps)(x1, x2)), -1))

    # One infinite distance leaves a loss of 0, as it should be.
    a, p, n = (wide(x) for x in arrays)
    far = jnp.minimum(plain(a, n), plain(p, n)) if swap else plain(a, n)
    return plain_mean(jnp.maximum(margin + plain(a, p) - far, 0))


def _own_triplet(
    *arrays: Array, margin: float, order: float, eps: float, swap: bool, where: Array | None = None
) -> Array:
    a, p, n = _counted(where, *arrays)
    return _triplet(a, p, n, lambda x1, x2: distance(x1, x2, order, eps), margin, swap, where)


def triplet_margin_with_distance_loss(
    anchors: Float[Array, "*positions D"],
    positives: Float[Array, "*positions D"],
    negatives: Float[Array, "*positions D"],
    *,
    distance: Callable[[Array, Array], Array],
    margin: float = 1.0,
    swap: bool = False,
    where: Bool[Array, "*positions"] | None = None,
) -> Float[Array, "..."]:
    """`triplet_margin_loss` with a distance of your own, `(..., D)` and `(..., D)` to `(...)`; `(N, D)` to `(N,)`.

    The distance is given float32 where the arrays are float16 or bfloat16.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, a `where` not boolean, `distance` not a function.
        ValueError: shapes that do not fit, or `margin` is not positive.

    >>> a, p, n = jnp.zeros((1, 2)), jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 2.0]])
    >>> triplet_margin_with_distance_loss(a, p, n, distance=lambda x, y: jnp.sum(jnp.square(x - y), -1)).tolist()
    [22.0]
    """
    name = "triplet_margin_with_distance_loss"
    if not callable(distance):
        raise TypeError(f"{name}: distance must be a function of two arrays, got {type(distance).__name__}")
    _check_triplet(name, anchors, positives, negatives, margin, swap, where)
    a, p, n = _counted(where, anchors, positives, negatives)
    shape = jax.eval_shape(distance, a, p).shape
    check_equal(name, "the shape of a distance", tuple(shape), tuple(a.shape[:-1]), anchors=anchors)
    return rounded(_triplet(a, p, n, distance, margin, swap, where), anchors)


def _triplet(
    a: Array,
    p: Array,
    n: Array,
    distance: Callable[[Array, Array], Array],
    margin: float,
    swap: bool,
    where: Array | None,
) -> Array:
    near, far = distance(a, p), distance(a, n)
    if swap:
        far = jnp.minimum(far, distance(p, n))
    return mean_per_example(clamped(margin + near - far), where)


def _check_triplet(name: str, a: Array, p: Array, n: Array, margin: float, swap: bool, where: Array | None) -> None:
    check_flags(name, swap=swap)
    check_vectors(name, anchors=a, positives=p, negatives=n)
    _check_positions(name, a, None, where)
    check_above(name, "margin", margin, 0)


def _check_positions(name: str, x: Array, targets: Array | None, where: Array | None) -> None:
    """`targets` and `where` have the shape of `x` without its last axis."""
    check_where(name, where)
    if targets is not None:
        check_equal(name, "the shape of targets", tuple(targets.shape), tuple(x.shape[:-1]), x1=x, targets=targets)
    if where is not None:
        check_equal(name, "the shape of where", tuple(where.shape), tuple(x.shape[:-1]), x=x, where=where)


def _counted(where: Array | None, *arrays: Array) -> list[Array]:
    """The arrays in the wide dtype, 0 where they do not count."""
    return [wide(x) if where is None else jnp.where(where[..., None], wide(x), 0) for x in arrays]


def _mean(loss: Array, like: Array, where: Array | None) -> Array:
    return rounded(mean_per_example(loss, where), like)
