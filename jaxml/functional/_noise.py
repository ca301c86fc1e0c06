"""Noise that keeps mean and variance, or adds some: alpha dropout and Gaussian noise."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_flags, check_float, check_within, number
from jaxml.functional._dropout import channels, checked_key
from jaxml.functional._dtypes import wide, wide_dtype

# What SELU tends to at -inf, -scale * alpha.
FLOOR = -1.7580993408473766


def _alpha_dropout(function: str, key: Any, x: Array, shape: tuple[int, ...], rate: float, train: bool) -> Array:
    check_flags(function, train=train)
    check_within(function, "rate", rate, 0, 1)
    if not train or rate == 0:
        return x
    key = checked_key(function, key)
    if rate == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    scale = ((1 - rate) * (1 + rate * FLOOR**2)) ** -0.5
    return (scale * jnp.where(kept, wide(x), FLOOR) - scale * rate * FLOOR).astype(x.dtype)


def alpha_dropout(
    key: Array | None, x: Float[Array, "*shape"], *, rate: float, train: bool = True
) -> Float[Array, "*shape"]:
    """Dropout for SELU networks, of any shape: mean 0 and variance 1 stay what they are.

    `y = a (m x + (1 - m) f) - a rate f` with independent `m ~ Bernoulli(1 - rate)`, `f = -1.7581` (SELU's limit at
    -inf) and `a = ((1 - rate) (1 + rate f²))^-1/2`; arXiv:1706.02515. Without `train`, and at rate 0, `x` is returned
    as it is and `key` may be `None`. At rate 1 all is 0, as in PyTorch.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `rate` is not in [0, 1].

    >>> alpha_dropout(None, jnp.ones(3), rate=0.5, train=False).tolist()
    [1.0, 1.0, 1.0]
    """
    check_float("alpha_dropout", x=x)
    return _alpha_dropout("alpha_dropout", key, x, x.shape, rate, train)


def feature_alpha_dropout(
    key: Array | None, x: Float[Array, "N *spatial C"], *, rate: float, train: bool = True
) -> Float[Array, "N *spatial C"]:
    """Drop whole channels of `(N, *spatial, C)` as `alpha_dropout` drops entries.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has fewer than 2 axes, or `rate` is not in [0, 1].

    >>> y = feature_alpha_dropout(jax.random.key(0), jnp.ones((2, 4, 8)), rate=0.5)
    >>> bool((y == y[:, :1]).all())
    True
    """
    check_float("feature_alpha_dropout", x=x)
    if x.ndim < 2:
        raise ValueError(f"feature_alpha_dropout: x must have at least 2 axes (N, *spatial, C), got x: {x.shape}")
    return _alpha_dropout("feature_alpha_dropout", key, x, channels(x), rate, train)


def gaussian_noise(
    key: Array | None, x: Float[Array, "*shape"], *, stddev: float, train: bool = True
) -> Float[Array, "*shape"]:
    """Add independent normal noise to every entry, of any shape: `y = x + stddev n`.

    Without `train`, and at `stddev` 0, `x` is returned as it is and `key` may be `None`.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `stddev` is negative.

    >>> gaussian_noise(None, jnp.ones(3), stddev=0.5, train=False).tolist()
    [1.0, 1.0, 1.0]
    """
    check_float("gaussian_noise", x=x)
    check_within("gaussian_noise", "stddev", stddev, 0)
    check_flags("gaussian_noise", train=train)
    if not train or stddev == 0:
        return x
    key = checked_key("gaussian_noise", key)
    noise = jax.random.normal(key, x.shape, wide_dtype(x.dtype))
    return (wide(x) + stddev * noise).astype(x.dtype)


def gaussian_dropout(
    key: Array | None, x: Float[Array, "*shape"], *, rate: float, train: bool = True
) -> Float[Array, "*shape"]:
    """Multiply every entry, of any shape, by normal noise with the mean and variance of dropout's factor.

    `y = x (1 + n sqrt(rate / (1 - rate)))`; Srivastava et al. 2014, section 10. Without `train`, and at rate 0, `x` is
    returned as it is and `key` may be `None`. At rate 1 the variance is infinite, and the rate an error.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `rate` is not in [0, 1).

    >>> gaussian_dropout(None, jnp.ones(3), rate=0.5, train=False).tolist()
    [1.0, 1.0, 1.0]
    """
    check_float("gaussian_dropout", x=x)
    if not 0 <= number("gaussian_dropout", "rate", rate) < 1:
        raise ValueError(f"gaussian_dropout: rate must lie between 0 and 1, 1 excluded, got {rate}")
    check_flags("gaussian_dropout", train=train)
    if not train or rate == 0:
        return x
    key = checked_key("gaussian_dropout", key)
    noise = jax.random.normal(key, x.shape, wide_dtype(x.dtype))
    return (wide(x) * (1 + (rate / (1 - rate)) ** 0.5 * noise)).astype(x.dtype)
