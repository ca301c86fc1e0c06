"""Batch normalisation as a pure function of the running statistics."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._channels import as_rows, per_channel
from jaxml.functional._checks import check_equal, check_flags, check_float, number
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._standardize import rsqrt


def batch_norm(
    x: Float[Array, "*batch C"],
    mean: Float[Array, " C"],
    var: Float[Array, " C"],
    scale: Float[Array, " C"] | None = None,
    bias: Float[Array, " C"] | None = None,
    *,
    train: bool,
    momentum: float = 0.9,
    eps: float = 1e-5,
    axis_name: str | None = None,
) -> tuple[Float[Array, "*batch C"], Float[Array, " C"], Float[Array, " C"]]:
    """Normalise every channel over all other axes and return the new running statistics beside the result.

        train:  mu = mean of x, v = mean of (x - mu)^2        y = (x - mu) / sqrt(v + eps) * scale + bias
                new_mean = momentum*mean + (1 - momentum)*mu  new_var = momentum*var + (1 - momentum)*v
        eval:   y = (x - mean) / sqrt(var + eps) * scale + bias, statistics unchanged

    Shapes: x `(..., C)`; mean, var, scale, bias `(C,)` -> y like x, new_mean `(C,)`, new_var `(C,)`.

    Variants: `momentum` is the share of the old statistic that is kept (Flax, Keras; PyTorch's is `1 - momentum`);
    the running variance is the biased one (Flax, Keras; PyTorch keeps `n/(n-1)` of it). The variance is computed in two
    passes, so a large mean costs no accuracy. Half precision: statistics and arithmetic are float32, y has x's dtype;
    mean, var, scale and bias may be float32 beside a half-precision x. `axis_name` averages the statistics over a
    mapped axis (`vmap`, `shard_map`). The new statistics carry no gradient.

    Errors: TypeError for integer arrays, ValueError for shapes that are not `(C,)`, a momentum outside [0, 1],
    eps <= 0, or training on an empty batch.

    Source: arXiv 1502.03167.

    >>> import jax.numpy as jnp
    >>> y, mean, var = batch_norm(jnp.ones((4, 3)), jnp.zeros(3), jnp.ones(3), train=True)
    >>> y.shape, round(float(mean[0]), 3)
    ((4, 3), 0.1)
    """
    scale, bias = checked_operands("batch_norm", x, mean, var, scale, bias, momentum, eps)
    rows = as_rows(x)  # XLA:CPU works in place only where shapes are equal, and its matrix products are matrices
    statistics, mean, var = new_statistics("batch_norm", rows, mean, var, train, momentum, axis_name)
    return normalised(rows, *statistics, scale, bias, eps).reshape(x.shape), mean, var


def checked_operands(
    f: str,
    x: Array,
    mean: Array,
    var: Array,
    scale: Array | None,
    bias: Array | None,
    momentum: float,
    eps: float,
) -> tuple[Array, Array]:
    """Everything checked; scale and bias in the dtype of the arithmetic, 1 and 0 where they are None."""
    check_float(f, x=x)
    check_float(f, {"scale": scale, "bias": bias}, mean=mean, var=var)
    if x.ndim < 2:
        raise ValueError(f"{f}: x must have at least 2 axes (..., C), got {x.ndim} (x: {tuple(x.shape)})")
    for name, a in {"mean": mean, "var": var, "scale": scale, "bias": bias}.items():
        if a is not None:
            check_equal(f, f"the shape of {name}", tuple(a.shape), (x.shape[-1],), x=x)
    if not 0 <= number(f, "momentum", momentum) <= 1:
        raise ValueError(f"{f}: momentum must lie in [0, 1], got {momentum}")
    if not 0 < number(f, "eps", eps) < math.inf:
        raise ValueError(f"{f}: eps must be positive, got {eps}")
    dtype = wide_dtype(x.dtype)
    scale = jnp.ones_like(mean, dtype) if scale is None else scale.astype(dtype)
    bias = jnp.zeros_like(mean, dtype) if bias is None else bias.astype(dtype)
    return scale, bias


def new_statistics(
    f: str, rows: Array, mean: Array, var: Array, train: bool, momentum: float, axis_name: str | None
) -> tuple[tuple[Array, Array], Array, Array]:
    """`(mu, v)` to normalise by, and the running statistics as they are afterwards.

    In training they are the rows' own. Backpropagation needs only the rows, which the layer before keeps anyway.
    """
    check_flags(f, train=train)
    if not train:
        dtype = wide_dtype(rows.dtype)
        return (mean.astype(dtype), var.astype(dtype)), mean, var
    if rows.size == 0:
        raise ValueError(f"{f}: training needs at least one example, got an empty x")
    if axis_name is not None:
        _check_bound(f, axis_name)
    wide_rows = wide(rows)
    mu = _mean(wide_rows, axis_name)
    # Rematerialised, or the centred rows would be kept for the backward pass beside them.
    variance = jax.checkpoint(lambda rows, mu: _mean(jnp.square(rows - per_channel(mu, 2)), axis_name))
    v = variance(wide_rows, mu)
    return (mu, v), _blend(mean, mu, momentum), _blend(var, v, momentum)


def normalised(rows: Array, mean: Array, var: Array, scale: Array, bias: Array, eps: float) -> Array:
    """`(rows - mean) / sqrt(var + eps) * scale + bias` in the rows' dtype."""
    # One multiply and one add an element: the channel-sized part is folded first.
    factor = scale * rsqrt(var + eps)
    return (wide(rows) * per_channel(factor, 2) + per_channel(bias - mean * factor, 2)).astype(rows.dtype)


def _blend(old: Array, new: Array, momentum: float) -> Array:
    return (momentum * wide(old) + (1 - momentum) * lax.stop_gradient(new)).astype(old.dtype)


def _check_bound(f: str, axis_name: Any) -> None:
    """A number would be an axis of the array for `pmean`."""
    if not isinstance(axis_name, str):
        raise TypeError(f"{f}: axis_name must be a string or None, got {axis_name!r}")
    try:
        lax.axis_size(axis_name)
    except NameError as error:
        raise ValueError(f"{f}: no axis is called {axis_name!r} here, as one of jax.vmap or shard_map is") from error


def _mean(rows: Array, axis_name: str | None) -> Array:
    mean = rows.mean(0)
    return mean if axis_name is None else lax.pmean(mean, axis_name)
