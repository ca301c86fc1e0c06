"""Similarities and distances of vectors along an axis, or of all pairs of rows; finite at zero vectors.

An infinite entry counts as the largest finite one, and so does a distance beyond the dtype.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxml.functional._checks import check_above, check_equal, check_float, check_within, number, static
from jaxml.functional._dtypes import wide
from jaxml.functional._explicit import along
from jaxml.functional._guarded import guarded
from jaxml.functional._per_example import check_same_shape, rounded
from jaxml.functional._softmax import finite
from jaxml.functional._vector_norm import scaled_norm, squares_told, vector_norm

# Distances at the end of a dtype have an inverse below its least normal number: it is kept times this.
FAR = 2.0**20


def normalize(
    x: Float[Array, "*shape"], *, axis: int = -1, order: float = 2.0, eps: float = 1e-12
) -> Float[Array, "*shape"]:
    """Vectors of norm 1, `x / max(‖x‖, eps)` along `axis`, of any shape; PyTorch's `normalize`.

    The norm is that of `order`, above 0 and infinity too. A zero vector stays one, with derivative `1 / eps`; entries
    at the end of the dtype have their direction, and an infinite one counts as the largest finite.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: `axis` does not exist or is empty, `order` or `eps` is not positive.

    >>> normalize(jnp.array([3e38, 0.0, -4e-3])).tolist()
    [1.0, 0.0, -0.0]
    """
    check_float("normalize", x=x)
    axis = _axis("normalize", x, axis)
    if not number("normalize", "order", order) > 0:
        raise ValueError(f"normalize: order must be above 0, got {order}")
    check_above("normalize", "eps", eps, 0)
    return unit(wide(x), axis, static(order), eps).astype(x.dtype)


def cosine_similarity(
    x1: Float[Array, "*shape"], x2: Float[Array, "*shape"], *, axis: int = -1, eps: float = 1e-8
) -> Float[Array, "..."]:
    """Cosine of the angle of two vectors, `x1 · x2 / (max(‖x1‖, eps) max(‖x2‖, eps))` along `axis`.

    `(..., D)` and `(..., D)` give `(...)`. A zero vector has similarity 0 and the derivative `x2 / (eps ‖x2‖)`, large
    and finite, PyTorch's; the plain form is NaN there. The distance of Keras and optax is 1 minus it.

    Raises:
        TypeError: arrays that are not floating point, or mixed dtypes.
        ValueError: shapes differ, `axis` does not exist or is empty, or `eps` is not positive.

    >>> cosine_similarity(jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([[4.0, 3.0], [1.0, 2.0]])).round(4)
    Array([0.96, 0.  ], dtype=float32)
    """
    check_same_shape("cosine_similarity", None, x1=x1, x2=x2)
    axis = _axis("cosine_similarity", x1, axis, "x1")
    check_above("cosine_similarity", "eps", eps, 0)
    return cosine(wide(x1), wide(x2), axis, eps).astype(x1.dtype)


def pairwise_distance(
    x1: Float[Array, "*shape"], x2: Float[Array, "*shape"], *, order: float = 2.0, eps: float = 1e-6
) -> Float[Array, "..."]:
    """Distance of each vector to its partner, `‖x1 - x2 + eps‖` along the last axis; `(..., D)` to `(...)`.

    The norm is that of `order`, from 0 (entries that are not 0) to infinity; `eps` is added to every entry, as PyTorch
    does, and may be 0: where the difference is 0 the derivative is 0 for every order, not NaN. At order 2 entries whose
    squares are 0 count as 0, in float32 those below 1e-19.

    Raises:
        TypeError: arrays that are not floating point, or mixed dtypes.
        ValueError: shapes differ, there is no axis or an empty one, `order` or `eps` is negative.

    >>> pairwise_distance(jnp.array([[3.0, 4.0], [1.0, 1.0]]), jnp.array([[0.0, 0.0], [1.0, 1.0]]), eps=0.0).tolist()
    [5.0, 0.0]
    """
    name = "pairwise_distance"
    check_vectors(name, x1=x1, x2=x2)
    check_norm(name, order, eps)
    return rounded(distance(wide(x1), wide(x2), static(order), static(eps), floor=static(eps)), x1)


def cdist(x1: Float[Array, "*batch P D"], x2: Float[Array, "*batch R D"], *, order: float = 2.0) -> Float[Array, "..."]:
    """Distance of every row to every other, `d_ij = ‖x1_i - x2_j‖`; `(..., P, D)` and `(..., R, D)` to `(..., P, R)`.

    The norm is that of `order`, from 0 to infinity. Differences are taken before they are squared, so that near rows
    have an exact distance: PyTorch's result without its matrix product, `‖a‖² + ‖b‖² - 2 a·b`, which cancels. The
    derivative is 0 where rows are equal, and at order 2 where they differ by less than the root of the dtype's smallest
    number, 1e-19 in float32. Costs P R D MACs and no memory for the differences.

    Raises:
        TypeError: arrays that are not floating point, or mixed dtypes.
        ValueError: fewer than 2 axes, sizes that do not fit, D is 0, or `order` is negative.

    >>> cdist(jnp.array([[0.0, 0.0], [3.0, 4.0]]), jnp.array([[0.0, 0.0]])).tolist()
    [[0.0], [5.0]]
    """
    _check_rows("cdist", x1=x1, x2=x2)
    sizes = x1.shape[:-2], x1.shape[-1]
    check_equal("cdist", "leading axes and the last of x2", (x2.shape[:-2], x2.shape[-1]), sizes, x1=x1, x2=x2)
    _check_order("cdist", order)
    return _all_distances(x1, x2, static(order))


def pdist(x: Float[Array, "*batch N D"], *, order: float = 2.0) -> Float[Array, "..."]:
    """Distance of every two rows once, `‖x_i - x_j‖` for i < j in rows; `(..., N, D)` to `(..., N (N - 1) / 2)`.

    The upper triangle of `cdist(x, x)`, as SciPy and PyTorch order it.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: fewer than 2 axes, D is 0, or `order` is negative.

    >>> pdist(jnp.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).tolist()
    [5.0, 1.0, 4.242...]
    """
    _check_rows("pdist", x=x)
    _check_order("pdist", order)
    # Rows that are sharded meet all the others: only a batch can stay where it is.
    return along(x if x.ndim > 2 else None, partial(_upper_distances, static(order)), x)


def cosine(x1: Array, x2: Array, axis: int, eps: float, *, smooth: bool = False) -> Array:
    """`cosine_similarity` of arrays that are checked and wide; `smooth` divides by `√(‖x‖² + eps²)` instead."""
    return jnp.squeeze(_cosine(x1, x2, axis, eps, smooth), axis)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _cosine(x1: Array, x2: Array, axis: int, eps: float, smooth: bool) -> Array:
    return guarded(_products, _scaled_cosine, x1, x2, finish=_plain_cosine, axis=axis, eps=eps, smooth=smooth)


def _products(x1: Array, x2: Array, *, axis: int, eps: float, **_: float) -> list[Array]:
    return [jnp.sum(x1 * x2, axis, keepdims=True), *(squares_told(x, axis=axis, floor=eps) for x in (x1, x2))]


def _plain_cosine(products: list[Array], *_: Array, axis: int, eps: float, smooth: bool) -> Array:
    y, *squares = products
    # One by one: the product of two small norms may be 0.
    for square in squares:
        y = y / _floored(jnp.sqrt(square), jnp.asarray(eps, y.dtype), smooth)
    return y


def _scaled_cosine(x1: Array, x2: Array, *, axis: int, eps: float, smooth: bool) -> Array:
    (r1, n1), (r2, n2) = (scaled_norm(same, axis, eps, x) for x in (x1, x2))
    y = jnp.sum(finite(x1) * r1 * (finite(x2) * r2), axis, keepdims=True)
    return y / _floored(n1, eps * r1, smooth) / _floored(n2, eps * r2, smooth)


@_cosine.defjvp
def _cosine_jvp(axis: int, eps: float, smooth: bool, primals: tuple[Array, Array], tangents: tuple[Array, Array]):
    y = _cosine(*primals, axis, eps, smooth)
    scales, norms = zip(*(scaled_norm(same, axis, eps, x) for x in primals), strict=True)
    factors = [1 / _floored(norm, eps * r, smooth) for r, norm in zip(scales, norms, strict=True)]
    units = [finite(x) * r * factor for x, r, factor in zip(primals, scales, factors, strict=True)]
    dy = jnp.zeros_like(y)
    for i, (r, norm, factor, dx) in enumerate(zip(scales, norms, factors, tangents, strict=True)):
        # Below eps the norm has no part in it: the derivative is the other's direction alone.
        kept = y if smooth else jnp.where(norm >= eps * r, y, 0)
        dy = dy + jnp.sum((units[1 - i] - kept * units[i]) * (r * factor) * dx, axis, keepdims=True)
    return y, dy


def _floored(norm: Array, least: Array, smooth: bool) -> Array:
    return jnp.sqrt(jnp.square(norm) + jnp.square(least)) if smooth else jnp.maximum(norm, least)


def same(x: Array) -> Array:
    return x


@lru_cache
def shifted_difference(eps: float) -> Callable[[Array, Array], Array]:
    """`x1 - x2 + eps`, one function an eps: `scaled_norm` is told which by identity."""
    return (lambda x1, x2: x1 - x2 + eps) if eps else (lambda x1, x2: x1 - x2)


def distance(x1: Array, x2: Array, order: float, eps: float, floor: float = math.inf) -> Array:
    """`pairwise_distance` of arrays that are checked and wide; below `floor`, at order 2, it may be 0."""
    return jnp.squeeze(vector_norm(order, -1, x1, x2, combine=shifted_difference(eps), floor=floor), -1)


def check_vectors(name: str, **arrays: Array) -> None:
    """Arrays of one shape and dtype, whose last axis is not empty."""
    check_same_shape(name, None, **arrays)
    what, x = next(iter(arrays.items()))
    _axis(name, x, -1, what)


def check_norm(name: str, order: float, eps: float) -> None:
    _check_order(name, order)
    check_within(name, "eps", eps, 0)


def unit(x: Array, axis: int, order: float, eps: float) -> Array:
    """`normalize` of an array that is checked and wide."""
    # Scaled with its norm: that of two entries at the end of the dtype is beyond it, their direction is not.
    if order == 2:
        return _unit(x, axis, eps)
    r, _ = scaled_norm(same, axis, math.inf, x)
    x = finite(x) * r
    norm = vector_norm(order, axis, x)
    return x / jnp.where(norm >= eps * r, norm, eps * r)


def _squares(x: Array, *, axis: int, eps: float) -> Array:
    return squares_told(x, axis=axis, floor=eps)


def _divided(square: Array, x: Array, *, eps: float, **_: float) -> Array:
    return x * (1 / jnp.maximum(jnp.sqrt(square), eps))


def _scaled_unit(x: Array, *, axis: int, eps: float) -> Array:
    r, norm = scaled_norm(same, axis, eps, x)
    return finite(x) * r * (1 / jnp.maximum(norm, eps * r))


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _unit(x: Array, axis: int, eps: float) -> Array:
    return guarded(_squares, _scaled_unit, x, finish=_divided, axis=axis, eps=eps)


@_unit.defjvp
def _unit_jvp(axis: int, eps: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = _unit(*primals, axis, eps)
    r, norm = scaled_norm(same, axis, eps, *primals)
    dx = tangents[0] * (r / jnp.maximum(norm, eps * r))
    # Along the vector itself nothing changes, but below eps, where the norm has no part in it.
    return y, dx - y * jnp.where(norm >= eps * r, jnp.sum(y * dx, axis, keepdims=True), 0)


def _row_squares(*rows: Array) -> list[Array]:
    """Where four times these are finite, so are the squares of all distances."""
    return [4 * jnp.sum(jnp.square(wide(x)), -1) for x in rows]


def _all_distances(x1: Array, x2: Array, order: float) -> Array:
    if order == 2:
        return _euclidean(x1, x2)
    a, b = finite(wide(x1)), finite(wide(x2))
    return rounded(jnp.squeeze(vector_norm(order, -1, a, b, combine=_pairs), -1), x1)


@jax.custom_jvp
def _euclidean(x1: Array, x2: Array) -> Array:
    return _distances_and_inverses(x1, x2)[0]


@_euclidean.defjvp
def _euclidean_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    """`dd = (x1 - x2) · (dx1 - dx2) / d`: one number a pair is kept, and the differences are taken anew."""
    d, inverse = _distances_and_inverses(*primals)
    # No difference of these is beyond the dtype.
    a, b = (finite(wide(x)) / FAR for x in primals)
    along_it = jnp.sum(_pairs(a, b) * _pairs(*(wide(t) for t in tangents)), -1)
    return d, (along_it * inverse).astype(d.dtype)


def _distances_and_inverses(x1: Array, x2: Array) -> tuple[Array, Array]:
    """`d` and `FAR / d`, 0 where rows are equal."""
    return guarded(_row_squares, _careful_distances, x1, x2, finish=_plain_distances)


def _plain_distances(_: list[Array], x1: Array, x2: Array) -> tuple[Array, Array]:
    d = jnp.sqrt(jnp.sum(jnp.square(_pairs(wide(x1), wide(x2))), -1))
    return d.astype(x1.dtype), jnp.where(d == 0, 0, FAR / jnp.where(d == 0, 1, d))


def _careful_distances(x1: Array, x2: Array) -> tuple[Array, Array]:
    # Halves, whose differences are not beyond the dtype.
    halves = (finite(wide(x)) / 2 for x in (x1, x2))
    r, norm = (jnp.squeeze(v, -1) for v in scaled_norm(_pairs, -1, math.inf, *halves))
    none = norm == 0
    return rounded(2 * (norm / r), x1), jnp.where(none, 0, FAR / 2 * r / jnp.where(none, 1, norm))


def _upper_distances(order: float, x: Array) -> Array:
    i, j = np.triu_indices(x.shape[-2], 1)
    return _all_distances(x, x, order)[..., i, j]


def _pairs(a: Array, b: Array) -> Array:
    return a[..., :, None, :] - b[..., None, :, :]


def _axis(name: str, x: Array, axis: int, what: str = "x") -> int:
    if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{name}: axis {axis} does not exist ({what}: {tuple(x.shape)})")
    if x.shape[axis] == 0:
        raise ValueError(f"{name}: axis {axis} must not be empty ({what}: {tuple(x.shape)})")
    return axis


def _check_order(name: str, order: float) -> None:
    check_within(name, "order", order, 0, math.inf)


def _check_rows(name: str, **arrays: Array) -> None:
    check_float(name, **arrays)
    for what, x in arrays.items():
        if x.ndim < 2:
            raise ValueError(
                f"{name}: {what} must have at least 2 axes (..., N, D), got {x.ndim} ({what}: {tuple(x.shape)})"
            )
        _axis(name, x, -1, what)
