"""Negative log likelihoods of regression, and errors relative to the target; the rules are told in `_losses.py`."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_above, check_flags
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._kinks import absolute, at_least, at_most, clamped
from jaxml.functional._per_example import check_same_shape, mean_per_example, plain_mean
from jaxml.functional._softmax import finite


def gaussian_nll_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    variances: Float[Array, "*shape"],
    *,
    full: bool = False,
    eps: float = 1e-6,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Negative log likelihood under `N(p, v)`, `mean((log v + (t - p)² / v) / 2)`; `(N, ...)` to `(N,)`.

    `full` adds `log(2π) / 2`. A variance below `eps` counts as `eps`, and its derivative is that at `eps`, so that it
    finds its way back: PyTorch's. Variances are given for every element; broadcast one that is shared.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `eps` is not positive.

    >>> gaussian_nll_loss(jnp.array([1.0, 3.0]), jnp.array([1.0, 1.0]), jnp.array([1.0, 1.0])).tolist()
    [0.0, 2.0]
    """
    name = "gaussian_nll_loss"
    check_same_shape(name, where, predictions=predictions, targets=targets, variances=variances)
    check_flags(name, full=full)
    check_above(name, "eps", eps, 0)
    e, v = wide(predictions) - wide(targets), wide(variances)
    if where is not None:
        e, v = jnp.where(where, e, 0), jnp.where(where, v, 1)
    v = at_least(v, eps)
    # e (e / v), for the square may be beyond the dtype.
    loss = (jnp.log(v) + e * (e / v)) / 2 + (math.log(2 * math.pi) / 2 if full else 0)
    return mean_per_example(loss, where).astype(predictions.dtype)


def poisson_nll_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Negative log likelihood of counts, from the logarithm of the rate: `mean(exp(p) - t p)`; `(N, ...)` to `(N,)`.

    Without `log_input` predictions are the rates themselves, `p - t log(p + eps)`; a negative one gives NaN. `full`
    adds Stirling's `t log t - t + log(2π t) / 2` for targets above 1, as PyTorch does. An infinite prediction counts as
    the largest finite one; an exponential beyond the dtype is inf.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `eps` is not positive.

    >>> poisson_nll_loss(jnp.array([0.0, -jnp.inf]), jnp.array([3.0, 0.0])).tolist()
    [1.0, 0.0]
    """
    name = "poisson_nll_loss"
    check_flags(name, log_input=log_input, full=full)
    check_same_shape(name, where, predictions=predictions, targets=targets)
    check_above(name, "eps", eps, 0)
    if where is None and log_input and not full:
        return guarded(_plain_poisson, _poisson, predictions, targets).astype(predictions.dtype)
    loss = _poisson(predictions, targets, eps=eps, log_input=log_input, full=full, where=where)
    return loss.astype(predictions.dtype)


def _plain_poisson(predictions: Array, targets: Array) -> Array:
    x = wide(predictions)
    return plain_mean(jnp.exp(x) - wide(targets) * x)


def _poisson(
    predictions: Array,
    targets: Array,
    *,
    eps: float = 0.0,
    log_input: bool = True,
    full: bool = False,
    where: Array | None = None,
) -> Array:
    x, t = finite(wide(predictions)), wide(targets)
    if where is not None:
        x, t = jnp.where(where, x, 0), jnp.where(where, t, 0)
    # From 1000 on the exponential is inf in every dtype; t x would be inf too, and their difference NaN.
    loss = jnp.exp(x) - t * at_most(x, 1000) if log_input else x - t * jnp.log(x + eps)
    if full:
        above = jnp.where(t > 1, t, 1)
        loss = loss + jnp.where(t > 1, above * (jnp.log(above) - 1) + jnp.log(2 * math.pi * above) / 2, 0)
    return mean_per_example(loss, where)


def msle_loss(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """Mean squared logarithmic error, `mean((log(1 + p) - log(1 + t))²)`; `(N, ...)` to `(N,)`.

    Negative numbers count as 0, as in Keras, with derivative 0 below it and that of the right at it.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ.

    >>> loss = msle_loss(jnp.array([1.0, 0.0, -3.0]), jnp.array([0.0, 0.0, 1.0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.4805, 0.0, 0.4805]
    """
    p, t = _counted("msle_loss", predictions, targets, where)
    most = float(jnp.finfo(p.dtype).max)
    loss = jnp.square(jnp.log1p(at_most(clamped(p), most)) - jnp.log1p(at_most(clamped(t), most)))
    # A logarithm is never so large that the sum of its squares would be beyond the dtype.
    mean = plain_mean(loss) if where is None else mean_per_example(loss, where)
    return mean.astype(predictions.dtype)


def mape_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    eps: float = 1e-7,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Mean absolute percentage error, `mean(100 |p - t| / max(|t|, eps))`; `(N, ...)` to `(N,)`.

    In percent, as in Keras; scikit-learn's is a fraction. Its derivative is 0 where the error is 0.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `eps` is not positive.

    >>> mape_loss(jnp.array([[3.0, 4.0]]), jnp.array([[2.0, 4.0]])).tolist()
    [25.0]
    """
    p, t = _counted("mape_loss", predictions, targets, where)
    check_above("mape_loss", "eps", eps, 0)
    loss = 100 * (absolute(p - t) / jnp.maximum(absolute(t), eps))
    return mean_per_example(loss, where).astype(predictions.dtype)


def _counted(name: str, predictions: Array, targets: Array, where: Array | None) -> tuple[Array, Array]:
    """Both in the wide dtype, 1 where they do not count."""
    check_same_shape(name, where, predictions=predictions, targets=targets)
    p, t = wide(predictions), wide(targets)
    return (p, t) if where is None else (jnp.where(where, p, 1), jnp.where(where, t, 1))
