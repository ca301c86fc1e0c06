"""Normalisation of responses by what their neighbours, or all positions, respond; no mean is taken away."""

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._checks import check_above, check_float, check_positive, check_within
from jaxml.functional._dtypes import wide
from jaxml.functional._norms import root_of_squares
from jaxml.functional._standardize import check_images, inverse_root, scaled, spatial_axes


def local_response_norm(
    x: Float[Array, "*batch C"], *, window: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Float[Array, "*batch C"]:
    """Divide each channel by what the `window` channels around it respond, AlexNet's.

        y[c] = x[c] / (k + alpha / window * sum of x[i]^2)^beta        c - window // 2 <= i <= c + (window - 1) // 2

    Shapes: x `(..., C)` -> y like x; channels beyond the ends count as 0. PyTorch's: `alpha` is divided by the window's
    size, as the paper and TensorFlow do not. Half precision is computed in float32 and rounded once.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: no axis, `window` not a positive integer, `k` not positive, `alpha` or `beta` negative.

    >>> local_response_norm(jnp.array([3.0, 4.0, 0.0]), window=2, alpha=2.0, beta=0.5, k=144.0).tolist()
    [0.24..., 0.30..., 0.0]
    """
    f = "local_response_norm"
    check_float(f, x=x)
    if x.ndim == 0:
        raise ValueError(f"{f}: x must have at least 1 axis (..., C), got 0 (x: ())")
    check_positive(f, "window", (window,))
    check_above(f, "k", k, 0)
    check_within(f, "alpha", alpha, 0)
    check_within(f, "beta", beta, 0)
    y = wide(x)
    sizes = (1,) * (x.ndim - 1)
    pads = (*((0, 0) for _ in sizes), (window // 2, (window - 1) // 2))
    total = lax.reduce_window(y * y, 0.0, lax.add, (*sizes, window), (*sizes, 1), pads)
    total = jnp.minimum(total, float(jnp.finfo(y.dtype).max))  # a power of infinity has no derivative
    return (y * (k + alpha / window * total) ** -beta).astype(x.dtype)


def filter_response_norm(
    x: Float[Array, "N *spatial C"],
    scale: Float[Array, " C"] | None = None,
    bias: Float[Array, " C"] | None = None,
    threshold: Float[Array, " C"] | None = None,
    *,
    eps: float = 1e-6,
) -> Float[Array, "N *spatial C"]:
    """Divide every channel of every example by its root mean square over the positions, then cut off from below.

        z = x / sqrt(mean(x^2) + eps) * scale + bias        y = max(z, threshold)

    Shapes: x `(N, *spatial, C)`; scale, bias, threshold `(C,)` -> y like x; without `threshold` y is z. The last step
    is the paper's activation; where z is the threshold the derivative goes to the threshold, so that at 0 it is relu's.
    Half precision is computed in float32 and rounded once.

    Raises:
        TypeError: arrays that are not floating point, or parameters of two dtypes.
        ValueError: fewer than 2 axes, an empty example, shapes that do not fit, `eps` not positive.

    Source: arXiv 1911.09737.

    >>> zero = jnp.zeros(1)
    >>> filter_response_norm(jnp.array([[[3.0], [-4.0]]]), threshold=zero).tolist()
    [[[0.84...], [0.0]]]
    """
    check_images("filter_response_norm", x, eps, scale=scale, bias=bias, threshold=threshold)
    y = wide(x)
    y = y * inverse_root((y * y).mean(spatial_axes(x), keepdims=True), eps)
    y = scaled(y, scale, bias, y)
    if threshold is not None:
        low = threshold.astype(y.dtype).reshape((1,) * (y.ndim - 1) + threshold.shape)
        y = jnp.where(y <= low, low, y)  # a NaN stays one
    return y.astype(x.dtype)


def global_response_norm(
    x: Float[Array, "N *spatial C"],
    scale: Float[Array, " C"] | None = None,
    bias: Float[Array, " C"] | None = None,
    *,
    eps: float = 1e-6,
) -> Float[Array, "N *spatial C"]:
    """Let channels compete: each is multiplied by its norm over the positions, relative to the mean norm.

        g[c] = sqrt(sum over positions of x[..., c]^2)        y = x + bias + scale * x * g / (mean of g + eps)

    Shapes: x `(N, *spatial, C)`, scale and bias `(C,)` -> y like x. ConvNeXt V2 starts with both at 0, which is y = x.
    The derivative of a norm that is 0 is 0. Half precision is computed in float32 and rounded once.

    Raises:
        TypeError: arrays that are not floating point, or scale and bias of two dtypes.
        ValueError: fewer than 3 axes, an empty example, shapes that do not fit, `eps` not positive.

    Source: arXiv 2301.00808.

    >>> global_response_norm(jnp.array([[[3.0, 0.0], [4.0, 0.0]]]), eps=1e-12).tolist()
    [[[9.0, 0.0], [12.0, 0.0]]]
    """
    f = "global_response_norm"
    check_images(f, x, eps, scale=scale, bias=bias)
    if x.ndim < 3:
        raise ValueError(f"{f}: x must have at least 3 axes (N, ..., C), got {x.ndim} (x: {tuple(x.shape)})")
    wide_x = wide(x)
    flat = wide_x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])
    # Norms beyond the dtype count as equally large.
    norm = jnp.minimum(root_of_squares(flat, 1), float(jnp.finfo(flat.dtype).max) / (2 * x.shape[-1]))
    y = flat * (norm / (norm.mean(-1, keepdims=True) + eps))
    return (wide_x + scaled(y.reshape(x.shape), scale, bias, wide_x)).astype(x.dtype)
