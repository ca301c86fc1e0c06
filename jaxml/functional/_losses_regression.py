"""Losses of an error `e = p - t`, beside `mse_loss`; the rules of every loss are told in `_losses.py`.

Nothing is clipped: a loss beyond the dtype is inf. The derivative at each kink is in the docstring.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_above, check_within, number, static
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._kinks import absolute, bent_square, huber, pinball
from jaxml.functional._per_example import check_same_shape, mean_per_example, plain_mean
from jaxml.functional._softmax import clipped, finite, scalars


def l1_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    weights: Float[Array, "*shape"] | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Mean absolute error of each example, `mean(|p - t|)` over every axis but the first; `(N, ...)` to `(N,)`.

    Its derivative is 0 where the error is. `weights` are factors of the elements, as in `mse_loss`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> l1_loss(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0, 4.0], [3.0, 4.0]])).tolist()
    [1.0, 0.0]
    """
    e = _error("l1_loss", predictions, targets, where, weights)
    return _mean(absolute(e), predictions, where, weights)


def smooth_l1_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    beta: float = 1.0,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Absolute error that is rounded off below `beta`; `(N, ...)` to `(N,)`.

    `e² / (2 beta)` where `|e| < beta`, else `|e| - beta / 2`; averaged. `huber_loss` divided by `beta`; at `beta` 0 it
    is `l1_loss`, with derivative 0 at 0. Fast R-CNN, arXiv:1504.08083.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `beta` is negative.

    >>> smooth_l1_loss(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])).tolist()
    [0.125, 2.5]
    """
    e = _error("smooth_l1_loss", predictions, targets, where)
    check_within("smooth_l1_loss", "beta", beta, 0)
    loss = absolute(e) if beta == 0 else huber(e, beta) / beta
    return _mean(loss, predictions, where)


def huber_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    delta: float = 1.0,
    weights: Float[Array, "*shape"] | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Half the squared error up to `delta`, linear beyond it; `(N, ...)` to `(N,)`.

    `e² / 2` where `|e| <= delta`, else `delta (|e| - delta / 2)`; averaged. Its derivative is `e` clipped to ±`delta`,
    without a kink. `weights` are factors of the elements, as in `mse_loss`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `delta` is not positive.

    >>> huber_loss(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0]), delta=2.0).tolist()
    [0.125, 4.0]
    """
    e = _error("huber_loss", predictions, targets, where, weights)
    check_above("huber_loss", "delta", delta, 0)
    return _mean(huber(e, delta), predictions, where, weights)


def log_cosh_loss(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Logarithm of the hyperbolic cosine of the error, `mean(log cosh(p - t))`; `(N, ...)` to `(N,)`.

    About `e² / 2` near 0 and `|e| - log 2` far off, both to the last place, where the usual form cancels near 0. Its
    derivative is `tanh(e)`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> loss = log_cosh_loss(jnp.array([0.0, 1.0, 100.0]), jnp.zeros(3))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.0, 0.4338, 99.3069]
    """
    e = _error("log_cosh_loss", predictions, targets, where)
    size = absolute(e)
    near = size < 1
    # With q = exp(-e) - 1, cosh e is 1 + q² / (2 (1 + q)), exact for a small error, and exp(e) (1 + q + q² / 2).
    q = jnp.expm1(-jnp.where(near, e, size))
    inside = jnp.where(near, jnp.square(q) / (2 * jnp.where(near, 1 + q, 1)), q + jnp.square(q) / 2)
    return _mean(jnp.where(near, 0, size) + jnp.log1p(inside), predictions, where)


def charbonnier_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    eps: float = 1e-3,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Absolute error without its kink, `mean(√(e² + eps²))`; `(N, ...)` to `(N,)`.

    At least `eps`; its derivative is `e / √(e² + eps²)`. The square may be beyond the dtype: the root is not. LapSRN,
    arXiv:1704.03915.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `eps` is not positive.

    >>> charbonnier_loss(jnp.array([3.0, 2.0**100]), jnp.zeros(2), eps=4.0).tolist()
    [5.0, 1.2676506002282294e+30]
    """
    e = _error("charbonnier_loss", predictions, targets, where)
    check_above("charbonnier_loss", "eps", eps, 0)
    far = 2.0**30  # from here on eps has no part in the sum, in float64 either
    z = e / eps
    root = eps * jnp.sqrt(1 + jnp.square(jnp.where(jnp.abs(z) < far, z, 0)))
    return _mean(jnp.where(jnp.abs(z) < far, root, absolute(e)), predictions, where)


def general_robust_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    alpha: float = 1.0,
    scale: float = 1.0,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Barron's family of losses, from the squared error to redescending ones; `(N, ...)` to `(N,)`.

    With `z = e / scale` and `b = |alpha - 2|`: `b / alpha ((z² / b + 1)^(alpha/2) - 1)`, averaged, and its limits: half
    the squared error at `alpha` 2, `√(z² + 1) - 1` at 1, Cauchy's `log(z² / 2 + 1)` at 0, Geman and McClure's at -2,
    Welsch's `1 - exp(-z² / 2)` at -inf. Below 0 it is bounded. `alpha` is a number here, not learnt. arXiv:1701.03077.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, `alpha` is NaN or inf, or `scale` is not positive.

    >>> general_robust_loss(jnp.array([0.0, 2.0, 1e30]), jnp.zeros(3), alpha=-2.0).tolist()
    [0.0, 1.0, 2.0]
    """
    name = "general_robust_loss"
    e = _error(name, predictions, targets, where)
    check_above(name, "scale", scale, 0)
    if not number(name, "alpha", alpha) < math.inf:
        raise ValueError(f"{name}: alpha must be a number below inf, got {alpha}")
    if alpha in (1, -2):  # in closed form, five times as fast
        options = {"alpha": static(alpha), "scale": static(scale)}
        if where is None:
            loss = guarded(_plain_mean_robust, _mean_robust, predictions, targets, shared=True, **options)
        else:
            loss = _mean_robust(predictions, targets, where=where, **options)
        return loss.astype(predictions.dtype)
    z = finite(e / scale)
    if alpha == 2:
        return _mean(jnp.square(z) / 2, predictions, where)
    if alpha == -math.inf:
        near = jnp.abs(z) < 2.0**10
        return _mean(-jnp.expm1(jnp.where(near, -jnp.square(jnp.where(near, z, 0)) / 2, -math.inf)), predictions, where)
    b = abs(alpha - 2)
    # log(z² / b + 1), and beyond the square's range without the 1; there a power, since exp(log) would lose digits.
    near = jnp.abs(z) < 2.0**30
    log, size = jnp.log1p(jnp.square(jnp.where(near, z, 0)) / b), jnp.abs(jnp.where(near, 2.0**30, z)) / math.sqrt(b)
    if alpha == 0:
        return _mean(jnp.where(near, log, 2 * jnp.log(size)), predictions, where)
    far = b / alpha * (size**alpha - 1)
    return _mean(jnp.where(near, b / alpha * jnp.expm1(alpha / 2 * log), far), predictions, where)


def _plain_mean_robust(predictions: Array, targets: Array, *, alpha: float, scale: float) -> Array:
    return plain_mean(_robust_of_square(jnp.square((wide(predictions) - wide(targets)) / scale), alpha))


def _mean_robust(
    predictions: Array, targets: Array, *, alpha: float, scale: float, where: Array | None = None
) -> Array:
    e = wide(predictions) - wide(targets)
    e = e if where is None else jnp.where(where, e, 0)
    return mean_per_example(_robust(finite(e / scale), alpha), where)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _robust(z: Array, alpha: float) -> Array:
    """`general_robust_loss` of one error, for `alpha` 1 or -2; nothing cancels near 0, and no square overflows."""
    size = jnp.abs(z)
    near = jnp.minimum(size, _far(z))
    loss = _robust_of_square(jnp.square(near), alpha)
    return loss + (size - near) if alpha == 1 else loss


def _robust_of_square(square: Array, alpha: float) -> Array:
    return square / (1 + jnp.sqrt(1 + square)) if alpha == 1 else square / (2 + square / 2)


@_robust.defjvp
def _robust_jvp(alpha: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _robust(*primals, alpha), tangents[0] * _robust_slope(*primals, alpha)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _robust_slope(z: Array, alpha: float) -> Array:
    """`z (z² / b + 1)^(alpha/2 - 1)`"""
    near = clipped(z, _far(z))
    one, quarter = scalars(z.dtype, 1, 0.25)
    if alpha == 1:
        return near / jnp.sqrt(one + jnp.square(near))
    inverse = one / (one + jnp.square(near) * quarter)
    return near * inverse * inverse


@_robust_slope.defjvp
def _robust_slope_jvp(alpha: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (z,), (dz,) = primals, tangents
    square = jnp.square(jnp.minimum(jnp.abs(z), _far(z)))
    inverse = 1 / (1 + square / (2 - alpha))
    curved = jnp.sqrt(inverse) if alpha == 1 else inverse * ((1 - 3 / 4 * square) * inverse)
    return _robust_slope(z, alpha), dz * (inverse * curved)


def _far(z: Array) -> float:
    """An error that is all there is beside 1, and whose square has room for more."""
    return 2.0 ** (jnp.finfo(z.dtype).maxexp // 2 - 4)


def quantile_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    level: float = 0.5,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Pinball loss, smallest in the mean at the quantile `level` of the targets; `(N, ...)` to `(N,)`.

    `level (t - p)` where the prediction is too small, else `(1 - level) (p - t)`; averaged. At `level` 0.5 it is half
    of `l1_loss`. Its derivative is 0 where the error is 0.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `level` is not strictly between 0 and 1.

    >>> quantile_loss(jnp.array([0.0, 4.0]), jnp.array([4.0, 0.0]), level=0.75).tolist()
    [3.0, 1.0]
    """
    e = _error("quantile_loss", predictions, targets, where)
    check_above("quantile_loss", "level", level, 0, 1)
    return _mean(pinball(e, -level, 1 - level), predictions, where)


def expectile_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    level: float = 0.5,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Asymmetric squared error, smallest in the mean at the expectile `level` of the targets; `(N, ...)` to `(N,)`.

    `level e²` where the prediction is too small, else `(1 - level) e²`; averaged. At `level` 0.5 it is half of
    `mse_loss`. Implicit Q-learning, arXiv:2110.06169.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `level` is not strictly between 0 and 1.

    >>> expectile_loss(jnp.array([0.0, 2.0]), jnp.array([2.0, 0.0]), level=0.75).tolist()
    [3.0, 1.0]
    """
    e = _error("expectile_loss", predictions, targets, where)
    check_above("expectile_loss", "level", level, 0, 1)
    return _mean(bent_square(e, level, 1 - level), predictions, where)


def _error(name: str, predictions: Array, targets: Array, where: Array | None, weights: Array | None = None) -> Array:
    """`p - t` in the wide dtype, 0 where it does not count."""
    check_same_shape(name, where, predictions=predictions, targets=targets, weights=weights)
    e = wide(predictions) - wide(targets)
    return e if where is None else jnp.where(where, e, 0)


def _mean(loss: Array, like: Array, where: Array | None, weights: Array | None = None) -> Array:
    if weights is not None:
        loss = loss * wide(weights if where is None else jnp.where(where, weights, 0))
    return mean_per_example(loss, where).astype(like.dtype)
