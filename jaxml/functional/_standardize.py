"""What the normalisations share: zero mean and variance one, accurate for a large mean; scale and bias; checks."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._channels import per_channel
from jaxml.functional._checks import check_above, check_equal, check_float, known_below
from jaxml.functional._dtypes import wide_dtype
from jaxml.functional._guarded import guarded

# From so many entries on the array that is saved costs XLA:CPU more than the branch that saves it.
LARGE = 2**16


def standardized(x: Array, axes: Sequence[int], eps: float, groups: int | None = None) -> Array:
    """`(x - mean) / sqrt(var + eps)` of a wide `x` over `axes`, and over each of `groups` runs of its last axis.

    A mean far from 0 is taken of what is left without the first entry: that of 10,000.1 ± 0.01 is then as accurate as
    that of 0.1 ± 0.01, and constant rows are 0 exactly; and with it all is multiplied by a power of two, 1/16 to
    1/65,536, with which differences and sums stay within the dtype. A spread that has no square all the same gives 0:
    to look for the largest entry would cost a pass over memory.
    """
    return _standardized(x, tuple(axes), eps, groups)[0]


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _standardized(x: Array, axes: tuple[int, ...], eps: float, groups: int | None) -> tuple[Array, Array]:
    """`y`, and `r = 1 / sqrt(var + eps)`; both are 0 where the variance is infinite, and so are their derivatives."""
    options = {"axes": axes, "eps": eps, "groups": groups}
    if known_below(x.size, LARGE):
        moments = _careful_moments(x, **options)
    else:
        moments = guarded(_plain_moments, _careful_moments, x, finish=_from_zero, **options)
    unit, origin, centre, inverse = moments
    return (x * unit - origin - centre) * inverse, inverse * unit


@_standardized.defjvp
def _standardized_jvp(
    axes: tuple[int, ...], eps: float, groups: int | None, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """`dy = (dx - mean(dx) - y mean(y dx)) r`. Autodiff multiplies by `r^3`, which is 0 for a deviation beyond 1e12."""
    (dx,) = tangents
    y, r = _standardized(*primals, axes, eps, groups)
    along = _mean(y * dx, axes, groups)
    return (y, r), (dx * r - _mean(dx, axes, groups) * r - y * (r * along), -r * (r * along))


def _plain_moments(x: Array, *, axes: tuple[int, ...], eps: float, groups: int | None) -> tuple[Array, Array]:
    """Mean and variance; an infinite one where the mean is so large beside it that it was rounded too much."""
    mean = _mean(x, axes, groups)
    variance = _mean(jnp.square(x - mean), axes, groups)
    return mean, jnp.where(jnp.square(mean) <= 16 * variance, variance, jnp.inf)


def _from_zero(
    moments: tuple[Array, Array], x: Array, *, axes: tuple[int, ...], eps: float, groups: int | None
) -> tuple[Array, ...]:
    mean, variance = moments
    return jnp.ones((), x.dtype), jnp.zeros_like(mean), mean, lax.rsqrt(variance + eps)


def _careful_moments(x: Array, *, axes: tuple[int, ...], eps: float, groups: int | None) -> tuple[Array, ...]:
    width = 1 if groups is None else x.shape[-1] // groups
    count = width * math.prod(x.shape[i] for i in axes)
    small = 2.0 ** -(min(count.bit_length() + 2, 16) if isinstance(count, int) else 16)
    first = x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(x.ndim))]
    first = first if width == 1 else jnp.repeat(first[..., ::width], width, axis=-1)
    shifted = x * small - first * small
    mean = _mean(shifted, axes, groups)
    inverse = lax.rsqrt(_mean(jnp.square(shifted - mean), axes, groups) + eps * small**2)
    return jnp.full((), small, x.dtype), first * small, mean, inverse


def _mean(a: Array, axes: tuple[int, ...], groups: int | None) -> Array:
    """One number a channel, averaged over its group; the big array itself keeps its layout."""
    a = a.mean(axes, keepdims=True)
    width = 1 if groups is None else a.shape[-1] // groups
    if width == 1:
        return a
    grouped = a.reshape(*a.shape[:-1], groups, width)
    return jnp.broadcast_to(grouped.mean(-1, keepdims=True), grouped.shape).reshape(a.shape)


@jax.custom_jvp
def rsqrt(x: Array) -> Array:
    """`1 / sqrt(x)`, whose derivative does not compute `r / x`: that is 0 for an x beyond 1e25."""
    return lax.rsqrt(x)


@rsqrt.defjvp
def _rsqrt_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    r = rsqrt(*primals)
    return r, tangents[0] / primals[0] * (-0.5 * r)


def inverse_root(square: Array, eps: float) -> Array:
    """`1 / sqrt(square + eps)`; 0, with derivative 0, where a sum of squares is beyond the dtype."""
    beyond = square == jnp.inf
    return jnp.where(beyond, 0, rsqrt(jnp.where(beyond, 1, square) + eps))


def scaled(y: Array, scale: Array | None, bias: Array | None, like: Array) -> Array:
    """`y * scale + bias` in the dtype of `like`; both are `(C,)` for the last axis, or have the rank of `y`."""

    def shaped(a: Array) -> Array:
        return (a if a.ndim == y.ndim else per_channel(a, y.ndim)).astype(wide_dtype(y.dtype))

    y = y if scale is None else y * shaped(scale)
    y = y if bias is None else y + shaped(bias)
    return y.astype(like.dtype)


def check_images(f: str, x: Array, eps: float, **channels: Array | None) -> None:
    """`x` is `(N, ..., C)` and not empty, each of `channels` is `(C,)`, float32 beside a half `x` if it likes."""
    check_norm(f, x, eps, **channels)
    if x.ndim < 2:
        raise ValueError(f"{f}: x must have at least 2 axes (N, ..., C), got {x.ndim} (x: {tuple(x.shape)})")
    if math.prod(x.shape[1:]) == 0:
        raise ValueError(f"{f}: an example must not be empty (x: {tuple(x.shape)})")
    for name, a in channels.items():
        if a is not None:
            check_equal(f, f"the shape of {name}", tuple(a.shape), (x.shape[-1],), x=x)


def check_norm(f: str, x: Array, eps: float, **parameters: Array | None) -> None:
    """`x` is floating point, the parameters are and share a dtype, `eps` is positive."""
    check_float(f, x=x)
    check_float(f, parameters)
    check_above(f, "eps", eps, 0)


def spatial_axes(x: Array) -> tuple[int, ...]:
    """The axes of `(N, *spatial, C)` between the first and the last."""
    return tuple(range(1, x.ndim - 1))
