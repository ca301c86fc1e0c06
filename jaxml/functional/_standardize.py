"""What the normalisations share: zero mean and variance one, accurate for a large mean; scale and bias; checks."""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._channels import per_channel
from jaxml.functional._checks import check_above, check_equal, check_float
from jaxml.functional._dtypes import wide_dtype


def standardized(x: Array, shift: Array, mean: Callable[[Array], Array], eps: float) -> Array:
    """`(x - mean(x)) / sqrt(var + eps)` of a wide `x`, where `var = mean((x - mean(x))^2)`.

    `shift` is any entry of what `mean` averages: with it gone first, the mean of 10,000.1 ± 0.01 is as accurate as that
    of 0.1 ± 0.01, and constant rows are 0 exactly. It costs no pass over memory, and has no derivative to be missed.
    """
    x = x - lax.stop_gradient(shift)
    centred = x - mean(x)
    return centred * lax.rsqrt(mean(jnp.square(centred)) + eps)


def first_entry(x: Array, axes: Sequence[int]) -> Array:
    """Entry 0 along each of `axes`, which stay with size 1."""
    return x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(x.ndim))]


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
    check_float(f, **parameters)
    check_above(f, "eps", eps, 0)


def spatial_axes(x: Array) -> tuple[int, ...]:
    """The axes of `(N, *spatial, C)` between the first and the last."""
    return tuple(range(1, x.ndim - 1))
