"""Losses that ask for a margin, with targets 1 and -1; the rules of every loss are told in `_losses.py`.

An infinite prediction counts as the largest finite one. At the kink, where the margin is met exactly, `hinge_loss` and
`squared_hinge_loss` have the derivative 0; the ranking and embedding losses have PyTorch's, that of the side that
costs.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_within, static
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import Form, guarded
from jaxml.functional._kinks import above_zero, clamped, softplus, times
from jaxml.functional._per_example import check_same_shape, mean_per_example, plain_mean, rounded
from jaxml.functional._softmax import finite


def hinge_loss(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Hinge loss of a support vector machine, `mean(max(0, 1 - t p))` for targets ±1; `(N, ...)` to `(N,)`.

    Its derivative is 0 at the margin, `t p = 1`. Keras turns targets 0 and 1 into ±1 itself; here that is `2 t - 1`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> hinge_loss(jnp.array([0.5, -2.0, 3.0]), jnp.array([1.0, 1.0, 1.0])).tolist()
    [0.5, 3.0, 0.0]
    """
    return _hinge("hinge_loss", predictions, targets, where, 1)


def squared_hinge_loss(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Squared hinge loss, `mean(max(0, 1 - t p)²)` for targets ±1, without a kink; `(N, ...)` to `(N,)`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> squared_hinge_loss(jnp.array([0.5, -2.0, 3.0]), jnp.array([1.0, 1.0, 1.0])).tolist()
    [0.25, 9.0, 0.0]
    """
    return _hinge("squared_hinge_loss", predictions, targets, where, 2)


def soft_margin_loss(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Logistic loss for targets ±1, `mean(log(1 + exp(-t p)))`; `(N, ...)` to `(N,)`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> loss = soft_margin_loss(jnp.array([0.0, 100.0, -jnp.inf]), jnp.array([1.0, 1.0, -1.0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, 0.0, 0.0]
    """
    check_same_shape("soft_margin_loss", where, predictions=predictions, targets=targets)
    loss = _usual(_plain_logistic, _logistic, where, predictions, targets)
    return rounded(loss, predictions)


def margin_ranking_loss(
    x1: Float[Array, "*shape"],
    x2: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    margin: float = 0.0,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Whether `x1` ranks above `x2` (target 1) or below (-1): `mean(max(0, margin - t (x1 - x2)))`.

    `(N, ...)` to `(N,)`. Where the margin is met exactly the derivative is that of the side that costs, `-t` by `x1`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `margin` is negative.

    >>> ones = jnp.ones(2)
    >>> margin_ranking_loss(jnp.array([3.0, 1.0]), jnp.array([1.0, 1.0]), ones, margin=0.5).tolist()
    [0.0, 0.5]
    """
    name = "margin_ranking_loss"
    check_same_shape(name, where, x1=x1, x2=x2, targets=targets)
    check_within(name, "margin", margin, 0)
    return rounded(_usual(_plain_ranking, _ranking, where, x1, x2, targets, margin=static(margin)), x1)


def hinge_embedding_loss(
    distances: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    margin: float = 1.0,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Mean of the distance itself where the target is 1, and of `max(0, margin - d)` where it is -1.

    `(N, ...)` to `(N,)`. Where `d` is the margin exactly, the derivative for target -1 is -1.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `margin` is negative.

    >>> hinge_embedding_loss(jnp.array([0.25, 0.25, 3.0]), jnp.array([1.0, -1.0, -1.0])).tolist()
    [0.25, 0.75, 0.0]
    """
    name = "hinge_embedding_loss"
    check_same_shape(name, where, distances=distances, targets=targets)
    check_within(name, "margin", margin, 0)
    d = finite(wide(distances))
    if where is not None:
        d = jnp.where(where, d, 0)
    loss = jnp.where(targets > 0, d, clamped(margin - d))
    return rounded(mean_per_example(loss, where), distances)


def _product(predictions: Array, targets: Array, where: Array | None) -> Array:
    """`t p` in the wide dtype, 0 where it does not count."""
    p, t = wide(predictions), wide(targets)
    return times(p, t) if where is None else times(jnp.where(where, p, 0), jnp.where(where, t, 0))


def _hinge(name: str, predictions: Array, targets: Array, where: Array | None, power: int) -> Array:
    check_same_shape(name, where, predictions=predictions, targets=targets)
    return rounded(_usual(_plain_margins, _margins, where, predictions, targets, power=power), predictions)


def _usual(plain: Form, careful: Form, where: Array | None, *arrays: Array, **options: Any) -> Array:
    """`guarded`, for all elements; some of them are left to the careful form."""
    if where is None:
        return guarded(plain, careful, *arrays, **options)
    return careful(*arrays, where=where, **options)


def _plain_margins(predictions: Array, targets: Array, *, power: int) -> Array:
    return plain_mean(jnp.maximum(1 - wide(targets) * wide(predictions), 0) ** power)


def _margins(predictions: Array, targets: Array, *, power: int, where: Array | None = None) -> Array:
    loss = above_zero(1 - _product(predictions, targets, where)) ** power
    # A square beyond the dtype leaves a mean beyond it too, unlike a difference that is infinite.
    return mean_per_example(loss, where, capped=power == 1)


def _plain_logistic(predictions: Array, targets: Array) -> Array:
    return plain_mean(jnp.log1p(jnp.exp(-wide(targets) * wide(predictions))))


def _logistic(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    return mean_per_example(softplus(-_product(predictions, targets, where)), where, capped=True)


def _plain_ranking(x1: Array, x2: Array, targets: Array, *, margin: float) -> Array:
    return plain_mean(jnp.maximum(margin - wide(targets) * (wide(x1) - wide(x2)), 0))


def _ranking(x1: Array, x2: Array, targets: Array, *, margin: float, where: Array | None = None) -> Array:
    difference = finite(wide(x1)) - finite(wide(x2))
    return mean_per_example(clamped(margin - _product(difference, targets, where)), where, capped=True)
