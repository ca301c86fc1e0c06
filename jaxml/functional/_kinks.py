"""Kinks with one stated derivative, and the softplus that rounds one off: arithmetic that the losses share.

The values are made of maxima, absolute values, signs and products alone, and each derivative is written beside it, of
the same. XLA:CPU computes a sum over such a chain, and the products after it, in one pass; a `where` or a clamp in
between makes it write the array out first, which costs up to ten times as much where that is beyond the cache.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._checks import known_below
from jaxml.functional._softmax import clipped, finite, scalars


@jax.custom_jvp
def absolute(x: Array) -> Array:
    """`|x|` with derivative 0 at 0; that of `jnp.abs` is 1 there."""
    return jnp.abs(x)


absolute.defjvps(lambda tangent, _, x: tangent * jnp.sign(x))


@jax.custom_jvp
def clamped(x: Array) -> Array:
    """`max(x, 0)` with derivative 1 at 0: PyTorch's `clamp_min(0)`, where that of `relu` is 0."""
    return jnp.maximum(x, 0)


clamped.defjvps(lambda tangent, _, x: tangent * (1 - _one_below(jnp.sign(x))))


@jax.custom_jvp
def above_zero(x: Array) -> Array:
    """`max(x, 0)` with derivative 0 at 0, that of `relu`; a NaN stays one."""
    return jnp.maximum(x, 0)


above_zero.defjvps(lambda tangent, _, x: tangent * _one_below(-jnp.sign(x)))


def _one_below(sign: Array) -> Array:
    """1 for -1; 0 for 0 and 1. Compared with 0 it would share that with the value, and XLA:CPU write an array of it."""
    return sign * (sign - 1) / 2


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def pinball(x: Array, low: float, high: float) -> Array:
    """`low x` below 0 and `high x` above it, for `low < high`; derivative 0 at 0."""
    return jnp.maximum(low * x, high * x)


@pinball.defjvp
def _pinball_jvp(low: float, high: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return pinball(x, low, high), dx * _chosen(x, low, high)


def _chosen(x: Array, low: float, high: float) -> Array:
    """`low` where x is below 0, `high` where it is above, 0 at 0."""
    below, above = scalars(x.dtype, -low, high)
    return jnp.sign(x) * jnp.where(x > 0, above, below)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def bent_square(x: Array, low: float, high: float) -> Array:
    """`low x²` below 0 and `high x²` above it."""
    size = jnp.abs(x)
    return jnp.maximum(high * x, -low * x) * size


@bent_square.defjvp
def _bent_square_jvp(low: float, high: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return bent_square(x, low, high), dx * (_chosen(x, 2 * low, 2 * high) * x)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def huber(x: Array, delta: float) -> Array:
    """`x² / 2` up to `|x| = delta`, linear beyond it, where its second derivative is 0."""
    size = jnp.abs(x)
    near = jnp.minimum(size, delta)
    return near * (size - near / 2)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _chosen_huber(x: Array, delta: float) -> Array:
    """The same by a choice, which beside the derivative is the faster while the array it writes is small."""
    size = jnp.abs(x)
    return jnp.where(size <= delta, size * (size / 2), delta * (size - delta / 2))


def _huber_jvp(delta: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    value = _chosen_huber if known_below(x.size * x.dtype.itemsize, 2**20 + 1) else huber
    return value(x, delta), dx * bounded(x, delta)


huber.defjvp(_huber_jvp)
_chosen_huber.defjvp(_huber_jvp)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def bounded(x: Array, limit: float) -> Array:
    """`jnp.clip(x, -limit, limit)` with derivative 1 at both ends."""
    return clipped(x, limit)


@bounded.defjvp
def _bounded_jvp(limit: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return bounded(x, limit), jnp.where(jnp.abs(x) <= limit, dx, 0)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def at_most(x: Array, most: float) -> Array:
    """`min(x, most)` with derivative 1 everywhere, at infinity too."""
    return jnp.minimum(x, *scalars(x.dtype, most))


@at_most.defjvp
def _at_most_jvp(most: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return at_most(*primals, most), tangents[0]


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def at_least(x: Array, least: float) -> Array:
    """`max(x, least)` with derivative 1 everywhere: what is too small finds its way back."""
    return jnp.maximum(x, *scalars(x.dtype, least))


@at_least.defjvp
def _at_least_jvp(least: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return at_least(*primals, least), tangents[0]


@jax.custom_jvp
def times(x: Array, y: Array) -> Array:
    """`x y` for an `x` that may be infinite: its derivative by `y` is the largest finite number there."""
    return x * y


times.defjvps(lambda tangent, _, x, y: tangent * y, lambda tangent, _, x, y: finite(x) * tangent)


@jax.custom_jvp
def softplus(x: Array) -> Array:
    """`log(1 + exp(x))`, exact throughout; `jnp.logaddexp` has a `where` of its own, and costs four times as much."""
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


softplus.defjvps(lambda tangent, _, x: tangent * jax.nn.sigmoid(x))


@jax.custom_jvp
def softplus_pair(x: Array) -> tuple[Array, Array]:
    """`softplus(x)` and `softplus(-x)` for one logarithm; neither cancels."""
    rest = jnp.log1p(jnp.exp(-jnp.abs(x)))
    return jnp.maximum(x, 0) + rest, jnp.maximum(-x, 0) + rest


@softplus_pair.defjvp
def _softplus_pair_jvp(primals: tuple[Array], tangents: tuple[Array]) -> Any:
    (x,), (dx,) = primals, tangents
    return softplus_pair(x), (dx * jax.nn.sigmoid(x), -dx * jax.nn.sigmoid(-x))
