"""Normalisation of each vector by its own statistics: the same in training and evaluation, and no state."""

from collections.abc import Sequence

from jaxtyping import Array, Float

from jaxml.functional._checks import check_equal
from jaxml.functional._dtypes import wide
from jaxml.functional._standardize import check_norm, inverse_root, scaled, standardized


def layer_norm(
    x: Float[Array, "*shape"],
    scale: Float[Array, "*normalized"] | None = None,
    bias: Float[Array, "*normalized"] | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
) -> Float[Array, "*shape"]:
    """Layer normalisation over the last axis, or over each of `axis`.

        y = (x - mean(x)) / sqrt(var(x) + eps) * scale + bias        var(x) = mean((x - mean(x))^2)

    Shapes: x `(..., C)`, scale and bias `(C,)` -> y like x; with `axis=(-2, -1)` they are the last two axes' shape,
    which is PyTorch's `normalized_shape`. `eps` is PyTorch's (Flax: 1e-6, Keras: 1e-3). The variance is that of two
    passes, so that a large mean costs no accuracy; a constant row gives `bias`, and finite gradients. Half precision:
    float32 inside, rounded once; scale and bias may be float32.

    Raises:
        TypeError: arrays that are not floating point, or scale and bias of two dtypes.
        ValueError: an axis that is empty, named twice or does not exist, shapes that do not fit, `eps` not positive.

    Source: arXiv 1607.06450.

    >>> import jax.numpy as jnp
    >>> layer_norm(jnp.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])).tolist()
    [[-1.22..., 0.0, 1.22...], [0.0, 0.0, 0.0]]
    """
    check_norm("layer_norm", x, eps, scale=scale, bias=bias)
    axes = _axes("layer_norm", x, axis)
    scale, bias = _along("layer_norm", "scale", scale, x, axes), _along("layer_norm", "bias", bias, x, axes)
    return scaled(standardized(wide(x), axes, eps), scale, bias, x)


def rms_norm(
    x: Float[Array, "*shape"],
    scale: Float[Array, "*normalized"] | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-6,
) -> Float[Array, "*shape"]:
    """Division by the root mean square over the last axis, or over each of `axis`.

        y = x / sqrt(mean(x^2) + eps) * scale

    Shapes: x `(..., C)`, scale `(C,)` -> y like x; with `axis=(-2, -1)` it is the last two axes' shape. `eps` is Flax's
    (PyTorch and Keras: the dtype's own). A zero row stays 0, with derivative `scale / sqrt(eps)`. Half precision:
    float32 inside and rounded once, after the scale (Llama rounds before it as well). Gemma's `1 + scale` is yours to
    pass.

    Raises:
        TypeError: arrays that are not floating point.
        ValueError: an axis that is empty, named twice or does not exist, a shape that does not fit, `eps` not positive.

    Source: arXiv 1910.07467.

    >>> import jax.numpy as jnp
    >>> rms_norm(jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([5.0, 5.0])).tolist()
    [[4.24..., 5.65...], [0.0, 0.0]]
    """
    check_norm("rms_norm", x, eps, scale=scale)
    axes = _axes("rms_norm", x, axis)
    scale = _along("rms_norm", "scale", scale, x, axes)
    y = wide(x)
    return scaled(y * inverse_root((y * y).mean(axes, keepdims=True), eps), scale, None, x)


def _axes(f: str, x: Array, axis: int | tuple[int, ...]) -> tuple[int, ...]:
    """`axis` as sorted numbers from 0."""
    given = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    for a in given:
        if not isinstance(a, int) or not -x.ndim <= a < x.ndim:
            raise ValueError(f"{f}: axis {a} does not exist (x: {tuple(x.shape)})")
        if x.shape[a] == 0:
            raise ValueError(f"{f}: axis {a} must not be empty (x: {tuple(x.shape)})")
    axes = tuple(sorted({a % x.ndim for a in given}))
    if len(axes) != len(given) or not given:
        raise ValueError(f"{f}: axis must name different axes, at least one, got {axis} (x: {tuple(x.shape)})")
    return axes


def _along(f: str, name: str, a: Array | None, x: Array, axes: tuple[int, ...]) -> Array | None:
    """A parameter in the order of `axes`, with an axis of size 1 for each other axis of `x`."""
    if a is None:
        return None
    check_equal(f, f"the shape of {name}", tuple(a.shape), tuple(x.shape[i] for i in axes), x=x)
    return a.reshape([x.shape[i] if i in axes else 1 for i in range(x.ndim)])
