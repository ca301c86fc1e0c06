"""Initialisers: each function returns `init(key, shape, dtype=float32)`, which draws an array.

Variances depend on the fans of a kernel of shape `(*window, C_in / groups, C_out)`, a linear weight `(I, O)` included:

    fan_in = Π window · C_in / groups        fan_out = Π window · C_out / groups

`groups` has to be given since the shape does not tell it: a depthwise kernel `(3, 3, 1, 256)` has `groups=256` and both
fans 9, where `jax.nn.initializers`, which knows no groups, takes 2304 for `fan_out` and draws 16 times too small.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxml.functional._checks import check_choice, check_positive
from jaxml.functional._dtypes import wide_dtype

__all__ = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "truncated_normal",
    "uniform",
    "zeros",
]

Initializer = Callable[..., Array]
"""`init(key, shape, dtype=float32)`."""

_MODES = ("fan_in", "fan_out", "fan_avg")
# Standard deviation of a standard normal truncated at ±2.
_TRUNCATED_STD = 0.87962566103423978


def he_normal(*, mode: str = "fan_in", groups: int = 1) -> Initializer:
    """Truncated normal of variance `2 / fan`, for rectifiers (arXiv:1502.01852).

    Truncated at two standard deviations and rescaled to the stated variance, as in Keras and Flax; PyTorch's
    `kaiming_normal_` is not truncated.

    >>> he_normal(groups=256)(jax.random.key(0), (3, 3, 1, 256)).shape
    (3, 3, 1, 256)
    """
    return _scaled("he_normal", 2.0, mode, groups, "normal")


def he_uniform(*, mode: str = "fan_in", groups: int = 1) -> Initializer:
    """Uniform in `±√(6 / fan)`, of variance `2 / fan`, for rectifiers (arXiv:1502.01852).

    >>> he_uniform(mode="fan_out")(jax.random.key(0), (3, 3, 8, 16)).shape
    (3, 3, 8, 16)
    """
    return _scaled("he_uniform", 2.0, mode, groups, "uniform")


def glorot_normal(*, mode: str = "fan_avg", groups: int = 1) -> Initializer:
    """Truncated normal of variance `2 / (fan_in + fan_out)` (Glorot and Bengio 2010, also called Xavier).

    >>> glorot_normal()(jax.random.key(0), (5, 7)).shape
    (5, 7)
    """
    return _scaled("glorot_normal", 1.0, mode, groups, "normal")


def glorot_uniform(*, mode: str = "fan_avg", groups: int = 1) -> Initializer:
    """Uniform in `±√(6 / (fan_in + fan_out))` (Glorot and Bengio 2010, also called Xavier).

    >>> glorot_uniform()(jax.random.key(0), (5, 7)).shape
    (5, 7)
    """
    return _scaled("glorot_uniform", 1.0, mode, groups, "uniform")


def lecun_normal(*, mode: str = "fan_in", groups: int = 1) -> Initializer:
    """Truncated normal of variance `1 / fan_in` (LeCun et al. 1998; for selu, arXiv:1706.02515).

    >>> lecun_normal()(jax.random.key(0), (5, 7)).shape
    (5, 7)
    """
    return _scaled("lecun_normal", 1.0, mode, groups, "normal")


def lecun_uniform(*, mode: str = "fan_in", groups: int = 1) -> Initializer:
    """Uniform in `±√(3 / fan_in)`, of variance `1 / fan_in` (LeCun et al. 1998).

    >>> lecun_uniform()(jax.random.key(0), (5, 7)).shape
    (5, 7)
    """
    return _scaled("lecun_uniform", 1.0, mode, groups, "uniform")


def truncated_normal(*, stddev: float = 0.02) -> Initializer:
    """Normal truncated at two standard deviations and rescaled, so that the result's own deviation is `stddev`.

    PyTorch's `trunc_normal_` does not rescale: its deviation is 0.88 times the one asked for. For any shape.

    >>> truncated_normal()(jax.random.key(0), (5,)).shape
    (5,)
    """

    _check_stddev("truncated_normal", stddev)

    def init(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        draw = jax.random.truncated_normal(key, -2.0, 2.0, tuple(shape), wide_dtype(dtype))
        return (draw * (stddev / _TRUNCATED_STD)).astype(dtype)

    return init


def normal(*, stddev: float = 0.01) -> Initializer:
    """Normal of mean 0 and the given standard deviation, for any shape.

    Half-precision draws are made in float32 and rounded, here and in all of these functions.

    >>> normal(stddev=0.1)(jax.random.key(0), (5,), jnp.bfloat16).dtype
    dtype(bfloat16)
    """

    _check_stddev("normal", stddev)

    def init(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        return (jax.random.normal(key, tuple(shape), wide_dtype(dtype)) * stddev).astype(dtype)

    return init


def uniform(*, minval: float = -0.05, maxval: float = 0.05) -> Initializer:
    """Uniform in `[minval, maxval)`, for any shape; the default range is Keras's.

    >>> uniform()(jax.random.key(0), (5,)).shape
    (5,)
    """

    if not minval <= maxval:
        raise ValueError(f"uniform: minval must not be above maxval, got {minval} and {maxval}")

    def init(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        return jax.random.uniform(key, tuple(shape), wide_dtype(dtype), minval, maxval).astype(dtype)

    return init


def constant(*, value: float) -> Initializer:
    """A constant, for any shape; the key is not used, and may be `None`.

    >>> constant(value=0.5)(None, (2,)).tolist()
    [0.5, 0.5]
    """

    def init(key: Array | None, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        del key
        return jnp.full(tuple(shape), value, dtype)

    return init


def zeros() -> Initializer:
    """All zeros, for any shape; the key is not used, and may be `None`.

    >>> zeros()(None, (2,)).tolist()
    [0.0, 0.0]
    """
    return constant(value=0.0)


def ones() -> Initializer:
    """All ones, for any shape; the key is not used, and may be `None`.

    >>> ones()(None, (2,)).tolist()
    [1.0, 1.0]
    """
    return constant(value=1.0)


def _check_stddev(name: str, stddev: float) -> None:
    if not stddev >= 0:
        raise ValueError(f"{name}: stddev must not be negative, got {stddev}")


def _scaled(name: str, scale: float, mode: str, groups: int, distribution: str) -> Initializer:
    check_choice(name, "mode", mode, _MODES)
    check_positive(name, "groups", (groups,))

    def init(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        deviation = math.sqrt(scale / _fan(name, tuple(shape), mode, groups))
        if distribution == "normal":
            return truncated_normal(stddev=deviation)(key, shape, dtype)
        limit = math.sqrt(3.0) * deviation
        return uniform(minval=-limit, maxval=limit)(key, shape, dtype)

    return init


def _fan(name: str, shape: tuple[int, ...], mode: str, groups: int) -> float:
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"{name}: shape must be (*window, C_in / groups, C_out), none of them 0, got {shape}")
    if shape[-1] % groups:
        raise ValueError(f"{name}: groups must divide the {shape[-1]} output channels, got {groups} (shape: {shape})")
    window = math.prod(shape[:-2])
    fans = {"fan_in": window * shape[-2], "fan_out": window * shape[-1] / groups}
    return fans[mode] if mode in fans else (fans["fan_in"] + fans["fan_out"]) / 2
