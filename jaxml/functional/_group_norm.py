"""Normalisation of each example's channels, one by one or in groups, over all its positions."""

from jaxtyping import Array, Float

from jaxml.functional._checks import check_positive
from jaxml.functional._dtypes import wide
from jaxml.functional._standardize import check_images, scaled, spatial_axes, standardized


def group_norm(
    x: Float[Array, "N *spatial C"],
    scale: Float[Array, " C"] | None = None,
    bias: Float[Array, " C"] | None = None,
    *,
    groups: int,
    eps: float = 1e-5,
) -> Float[Array, "N *spatial C"]:
    """Normalise every example over its positions and each of `groups` runs of `C / groups` channels.

        y = (x - mean) / sqrt(var + eps) * scale + bias

    Shapes: x `(N, *spatial, C)`, scale and bias `(C,)` -> y like x. One group is the layer norm of a whole image, C
    groups are `instance_norm`. PyTorch's, with channels last; Flax's `group_size` is `C / groups`. Accuracy and half
    precision as in `layer_norm`.

    Raises:
        TypeError: arrays that are not floating point, or scale and bias of two dtypes.
        ValueError: fewer than 2 axes, an empty example, groups that do not divide the channels, shapes that do not fit,
            `eps` not positive.

    Source: arXiv 1803.08494.

    >>> import jax.numpy as jnp
    >>> group_norm(jnp.array([[[1.0, 3.0, 5.0, 5.0]]]), groups=2).tolist()
    [[[-0.99..., 0.99..., 0.0, 0.0]]]
    """
    check_images("group_norm", x, eps, scale=scale, bias=bias)
    check_positive("group_norm", "groups", (groups,))
    if x.shape[-1] % groups:
        raise ValueError(f"group_norm: groups={groups} must divide the {x.shape[-1]} channels (x: {tuple(x.shape)})")
    return _group_norm(x, scale, bias, groups, eps)


def instance_norm(
    x: Float[Array, "N *spatial C"],
    scale: Float[Array, " C"] | None = None,
    bias: Float[Array, " C"] | None = None,
    *,
    eps: float = 1e-5,
) -> Float[Array, "N *spatial C"]:
    """Normalise every channel of every example over its positions.

        y = (x - mean) / sqrt(var + eps) * scale + bias

    Shapes: x `(N, *spatial, C)`, scale and bias `(C,)` -> y like x. With one position y is `bias`. PyTorch's running
    statistics are left out: normalising by given ones is `batch_norm(..., train=False)`. Accuracy and half precision as
    in `layer_norm`.

    Raises:
        TypeError: arrays that are not floating point, or scale and bias of two dtypes.
        ValueError: fewer than 3 axes, an empty example, shapes that do not fit, `eps` not positive.

    Source: arXiv 1607.08022.

    >>> import jax.numpy as jnp
    >>> instance_norm(jnp.array([[[1.0, 5.0], [3.0, 5.0]]])).tolist()
    [[[-0.99..., 0.0], [0.99..., 0.0]]]
    """
    check_images("instance_norm", x, eps, scale=scale, bias=bias)
    if x.ndim < 3:
        raise ValueError(f"instance_norm: x must have at least 3 axes (N, ..., C), got {x.ndim} (x: {tuple(x.shape)})")
    return _group_norm(x, scale, bias, x.shape[-1], eps)


def _group_norm(x: Array, scale: Array | None, bias: Array | None, groups: int, eps: float) -> Array:
    return scaled(standardized(wide(x), spatial_axes(x), eps, groups), scale, bias, x)
