"""Norms of vectors in one pass, finite up to the ends of a dtype, with derivative 0 at 0.

The square of an entry beyond the dtype's root overflows, so that the vector must be scaled first. Whether any vector
needs it, the plain sum of squares tells: where none does, which is nearly always, its root is the norm and nothing is
computed twice.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._guarded import guarded, unless_infinite
from jaxml.functional._kinks import absolute
from jaxml.functional._softmax import finite


def _whole(x: Array) -> Array:
    return x


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
@partial(jax.jit, static_argnums=(0, 1, 2))  # outside of `jax.jit` each call would else compile its branches anew
def scaled_norm(combine: Callable[..., Array], axis: int, floor: float, *arrays: Array) -> tuple[Array, Array]:
    """`r` and `‖x r‖` for `x = combine(*arrays)`, along `axis`, which stays with size 1; `r` is 1 or a power of two.

    `combine` is given the arrays again where they must be scaled, so that x itself is never written. A norm below
    `floor`, which the caller takes in its place, may come out as 0.
    """
    squares = partial(squares_told, combine=combine, axis=axis)

    def usual(total: Array, *arrays: Array) -> tuple[Array, Array]:
        return jnp.ones_like(total), jnp.sqrt(total)

    def careful(*arrays: Array) -> tuple[Array, Array]:
        told, plain = (squares(*arrays, floor=f) for f in (floor, math.inf))
        r = jnp.where(told < _limit(told), 1, jnp.where(plain < 1, 1 / _small(told), _small(told))).astype(told.dtype)
        return r, jnp.sqrt(_sum(jnp.square(finite(combine(*arrays)) * r), axis))

    return unless_infinite(partial(squares, floor=floor), careful, usual, *arrays)


@scaled_norm.defjvp
def _scaled_norm_jvp(combine, axis, floor, arrays, tangents):
    r, norm = scaled_norm(combine, axis, floor, *arrays)
    x, dx = jax.jvp(combine, arrays, tangents)
    none = norm == 0
    unit = finite(x) * r * jnp.where(none, 0, 1 / jnp.where(none, 1, norm))
    return (r, norm), (jnp.zeros_like(r), _sum(unit * dx, axis) * r)


def squares_told(*arrays: Array, combine: Callable[..., Array] = _whole, axis: int, floor: float, **_: float) -> Array:
    """`Σ x²`; infinite where squares of a norm above `floor` may have been 0, or rounded off, for being so small.

    In float32 that is a norm below 1e-12: with a `floor` above it there is nothing to look for. At a `floor` of 0 a sum
    of 0 is let be, although squares of entries below 1e-19 have it: equal vectors are common, and would pay for them.
    """
    total = _sum(jnp.square(combine(*arrays)), axis)
    info = jnp.finfo(total.dtype)
    least = float(info.tiny) / float(info.eps) ** 2
    if floor**2 >= least:
        return total
    small = total < least if floor else (total < least) & (total > 0)
    return jnp.where(small, math.inf, total)


def _plain_norm(*arrays: Array, combine: Callable[..., Array], axis: int, floor: float) -> Array:
    return jnp.sqrt(squares_told(*arrays, combine=combine, axis=axis, floor=floor))


def _unscaled(*arrays: Array, combine: Callable[..., Array], axis: int, floor: float) -> Array:
    r, norm = scaled_norm(combine, axis, floor, *arrays)
    return norm / jax.lax.stop_gradient(r)  # a tangent of 0 times the inverse square of r would be NaN


def vector_norm(
    order: float, axis: int, *arrays: Array, combine: Callable[..., Array] = _whole, floor: float = 0
) -> Array:
    """`(Σ |x_i|^order)^(1/order)` of `x = combine(*arrays)` along `axis`, which stays with size 1.

    At `order` infinity several largest entries share the derivative; at `order` 0 the entries that are not 0 are
    counted, without one. Entries that are 0 pass none below order 1 either, where the limit is infinite. At order 2 a
    norm below `floor` may come out as 0.
    """
    if order == 2:
        return guarded(_plain_norm, _unscaled, *arrays, combine=combine, axis=axis, floor=floor)
    x = finite(combine(*arrays))
    if order == 0:
        return _sum((x != 0).astype(x.dtype), axis)
    size = absolute(x)
    if order == math.inf:
        return jnp.max(size, axis, keepdims=True)
    if order == 1:
        return _sum(size, axis)
    r, norm = _scaled_power_norm(order, combine, axis, *arrays)
    return norm / jax.lax.stop_gradient(r)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _scaled_power_norm(order: float, combine: Callable[..., Array], axis: int, *arrays: Array) -> tuple[Array, Array]:
    """As `scaled_norm`, of any order above 0; the vectors near 0 are scaled as well."""
    options = {"order": order, "combine": combine, "axis": axis}
    return guarded(_plain_powers, _careful_power_norm, *arrays, finish=_root, **options)


@_scaled_power_norm.defjvp
def _scaled_power_norm_jvp(order, combine, axis, arrays, tangents):
    """`Σ (|x_i| / ‖x‖)^(order - 1) sign(x_i) dx_i`: no power of a number above 1."""
    r, norm = _scaled_power_norm(order, combine, axis, *arrays)
    x, dx = jax.jvp(combine, arrays, tangents)
    none = norm == 0
    unit = finite(x) * r * jnp.where(none, 0, 1 / jnp.where(none, 1, norm))
    return (r, norm), (jnp.zeros_like(r), _sum(_power_below(absolute(unit), order) * jnp.sign(x) * dx, axis) * r)


def _plain_powers(*arrays: Array, order: float, combine: Callable[..., Array], axis: int) -> Array:
    """`Σ |x_i|^order`, infinite where a power, or the square of the norm or its inverse, may have been 0."""
    total = _sum(power(jnp.abs(combine(*arrays)), order), axis)
    tiny = float(jnp.finfo(total.dtype).tiny)
    usual = (total > tiny ** min(0.6, 0.4 * order)) & (total < tiny ** -min(0.99, 0.4 * order))
    return jnp.where(usual, total, math.inf)


def _root(total: Array, *arrays: Array, order: float, combine: Callable[..., Array], axis: int) -> tuple[Array, Array]:
    return jnp.ones_like(total), total ** (1 / order)


def _careful_power_norm(*arrays: Array, order: float, combine: Callable[..., Array], axis: int) -> tuple[Array, Array]:
    size = absolute(finite(combine(*arrays)))
    largest = jnp.max(size, axis, keepdims=True)
    far, small = _limit(size) ** 0.5, _small(size)
    r = jnp.where(largest < 1 / far, 1 / small, jnp.where(largest < far, 1, small)).astype(size.dtype)
    largest = jnp.where(largest == 0, 1, largest * r)
    total = _sum(power(size * r / largest, order), axis)
    some = total != 0
    return r, jnp.where(some, largest * jnp.where(some, total, 1) ** (1 / order), 0)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def power(x: Array, order: float) -> Array:
    """`x^order` of numbers that are not negative; derivative 0 at 0, for orders below 1 too."""
    return x ** (int(order) if float(order).is_integer() else order)


@power.defjvp
def _power_jvp(order: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return power(x, order), dx * (order * _power_below(x, order))


def _power_below(x: Array, order: float) -> Array:
    """`x^(order - 1)`, 0 at 0 unless `order` is 1."""
    if order == 1:
        return jnp.ones_like(x)
    if order > 1:
        return power(x, order - 1)
    return jnp.where(x == 0, 0, power(jnp.where(x == 0, 1, x), order - 1))


def _sum(x: Array, axis: int) -> Array:
    return jnp.sum(x, axis, keepdims=True)


def _small(x: Array) -> float:
    """What brings an entry at the end of the dtype so low that the squares of many have a sum."""
    return 2.0 ** -(jnp.finfo(x.dtype).maxexp // 2 + 12)


def _limit(x: Array) -> float:
    return float(jnp.finfo(x.dtype).max) / 4
