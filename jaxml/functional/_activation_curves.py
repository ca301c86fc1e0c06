"""The exponential and the normal curve of activations, in forms that are right in both tails and cost a division each.

XLA's `expm1` and `erfc` take two to three times as long as the plain forms `exp(x) - 1` and `1 + erf(x)`, which cancel.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._activation_parts import clamp
from jaxml.functional._dtypes import wide

# tanh(y) = y P(y²) / Q(y²), the rational function of Eigen and XLA; highest power first.
_P = (
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
    6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
_Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
# exp(x²/2) Φ(-|x|) = t R(t) with t = 1 / (1 + 0.35 |x|): a fit of relative error 3e-8 up to 14.6, where float32 ends.
_R = (
    -0.0291598, 0.14404035, -0.25585869, 0.15934244, -0.0232282, 0.10555929, 0.11981954, 0.13986376, 0.13962129,
)  # fmt: skip


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    y = jnp.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y = y * x + c
    return y


def _expm1(x: Array) -> Array:
    """`exp(x) - 1` for `x` up to 0."""
    if x.dtype == jnp.float64:
        return jnp.expm1(x)
    y = jnp.maximum(x, -17.4) / 2
    square = jnp.square(y)
    tanh, one = y * _polynomial(square, _P), _polynomial(square, _Q)
    return jnp.where(x < -17.4, -1, jnp.maximum(2 * tanh / (one - tanh), -1))


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def exponential_unit(x: Array, scale: float, width: float) -> Array:
    """`x` above 0, else `scale (exp(x / width) - 1)`; the derivative at 0 is the left one. float32 or float64."""
    return jnp.where(x > 0, x, scale * _expm1(jnp.where(x > 0, 0, x) / width))


@exponential_unit.defjvp
def _exponential_unit_jvp(
    scale: float, width: float, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    slope = scale / width * jnp.exp(jnp.where(x > 0, 0, x) / width)
    return exponential_unit(x, scale, width), dx * jnp.where(x > 0, 1, slope)


@jax.custom_jvp
def normal_cdf(x: Array) -> Array:
    """`Φ(x)`, of full relative precision below 0 too. float32 or float64."""
    if x.dtype == jnp.float64:
        return 0.5 * jax.lax.erfc(-(0.5**0.5) * x)
    t = 1 / (1 + 0.35 * jnp.abs(x))
    tail = _bell(x) * (t * _polynomial(t, _R))
    return jnp.where(x > 0, 1 - tail, tail)


@jax.custom_jvp
def _bell(x: Array) -> Array:
    """`exp(-x² / 2)`, the same in a value and its derivative, so that it is computed once; 0 at infinities."""
    return jnp.exp(-0.5 * x * x)


_bell.defjvps(lambda tangent, _, x: tangent * (-clamp(x, -50.0, 50.0) * _bell(x)))


def _density(x: Array) -> Array:
    return _bell(x) * 0.3989422804014327


normal_cdf.defjvps(lambda tangent, _, x: tangent * _density(x))


@jax.custom_jvp
def normal_gate(x: Array) -> Array:
    """`x Φ(x)` with the limits -0 and inf at -inf and inf. float32 or float64."""
    return jnp.maximum(x, -50.0) * normal_cdf(x)


normal_gate.defjvps(lambda tangent, _, x: tangent * (normal_cdf(x) + clamp(x, -50.0, 50.0) * _density(x)))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def algebraic_rectifier(x: Array, beta: float) -> Array:
    """`(x + √(x² + beta)) / 2`, of full relative precision below 0 too. float32 or float64."""
    size, root = _size_and_root(x, beta)
    return jnp.maximum(x, 0) + beta / 2 / (size + root)


@algebraic_rectifier.defjvp
def _algebraic_rectifier_jvp(beta: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return algebraic_rectifier(x, beta), dx * _algebraic_step(x, beta)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _algebraic_step(x: Array, beta: float) -> Array:
    """`(1 + x / √(x² + beta)) / 2`"""
    size, root = _size_and_root(x, beta)
    tail = beta / 2 / (size + root) / root
    return jnp.where(x > 0, 1 - tail, tail)


@_algebraic_step.defjvp
def _algebraic_step_jvp(beta: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    _, root = _size_and_root(x, beta)
    return _algebraic_step(x, beta), dx * (beta / 2 / root / root / root)


@jax.custom_jvp
def log_of_complement(x: Array) -> Array:
    """`log(1 - exp(-x))`, two forms, each where it is exact (Mächler). float32 or float64."""
    return jnp.where(x < math.log(2), jnp.log(-jnp.expm1(-x)), jnp.log1p(-jnp.exp(-x)))


log_of_complement.defjvps(lambda tangent, _, x: tangent * (jnp.exp(-x) / -jnp.expm1(-x)))


def _size_and_root(x: Array, beta: float) -> tuple[Array, Array]:
    """`|x|` and `√(x² + beta)`, of any finite x and beta."""
    size = jnp.abs(x)
    if 1e-30 < beta < 1e30:
        near = jnp.minimum(size, 2.0**60)  # beyond it beta has no part in the sum, and a square could overflow
        return size, jnp.sqrt(jnp.square(near) + beta) + (size - near)
    # In units of the larger of the two no square overflows. The unit drops out, so it needs no derivative.
    finite = jnp.minimum(size, float(jnp.finfo(x.dtype).max))
    unit = jax.lax.stop_gradient(jnp.maximum(finite, beta**0.5))
    return size, unit * jnp.sqrt(jnp.square(finite / unit) + jnp.square(beta**0.5 / unit))


def in_wide(f, x: Array, *options: float) -> Array:
    """`f` in the wide dtype, rounded once."""
    return f(wide(x), *options).astype(x.dtype)
