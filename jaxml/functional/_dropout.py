"""Dropout: of single entries, of whole channels, of whole examples."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_flags, check_float, check_rank, check_some_axis, check_within


def checked_key(function: str, key: Any) -> Array:
    """`key`, if it is one random key of either form."""
    if not hasattr(key, "dtype"):
        raise TypeError(
            f"{function}: key must be a jax.random.key, got {'None' if key is None else type(key).__name__}"
        )
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not (typed and key.ndim == 0) and not (key.dtype == jnp.uint32 and key.ndim == 1):
        raise TypeError(f"{function}: key must be one jax.random.key, got {key.dtype} of shape {tuple(key.shape)}")
    return key


def channels(x: Array) -> tuple[int, ...]:
    """The shape of one draw for each example and channel of `x`, `(N, *spatial, C)`."""
    return (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])


def _dropout(function: str, key: Any, x: Array, shape: tuple[Any, ...], rate: float, train: bool) -> Array:
    """Zeros with probability `rate`, one draw for each entry of `shape`; the rest divided by `1 - rate`.

    A dimension of `shape` is an integer, or `jax.export`'s symbol for one.
    """
    check_within(function, "rate", rate, 0, 1)
    check_flags(function, train=train)
    if not train or rate == 0:
        return x
    key = checked_key(function, key)
    if rate == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    return jnp.where(kept, x / (1 - rate), 0)


def dropout(key: Array | None, x: Float[Array, "*shape"], *, rate: float, train: bool = True) -> Float[Array, "*shape"]:
    """Set each entry, of any shape, to 0 with probability `rate` and divide the others by `1 - rate`.

    `y = m x / (1 - rate)` with independent `m ~ Bernoulli(1 - rate)`, the inverted form of arXiv:1207.0580, which keeps
    the mean: without `train`, and at rate 0, `x` is returned as it is and `key` may be `None`. At rate 1 all is 0, with
    gradient 0. Given the weights of a layer instead of its input, this is DropConnect.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key (`jax.random.key`, or the old uint32 form).
        ValueError: `rate` is not in [0, 1].

    >>> dropout(None, jnp.ones(3), rate=0.5, train=False).tolist()
    [1.0, 1.0, 1.0]
    """
    check_float("dropout", x=x)
    return _dropout("dropout", key, x, x.shape, rate, train)


def dropout1d(key: Array | None, x: Float[Array, "N L C"], *, rate: float, train: bool = True) -> Float[Array, "N L C"]:
    """Drop whole channels of sequences `(N, L, C)`: `dropout` with one draw for each example and channel.

    arXiv:1411.4280; Keras's SpatialDropout1D. Neighbouring entries of a channel are alike, so that dropping single ones
    takes little away. The rules of `dropout` hold.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has not 3 axes, or `rate` is not in [0, 1].

    >>> y = dropout1d(jax.random.key(0), jnp.ones((2, 4, 8)), rate=0.5)
    >>> bool((y == y[:, :1]).all())
    True
    """
    check_float("dropout1d", x=x)
    check_rank("dropout1d", "x", x, 3, "(N, L, C)")
    return _dropout("dropout1d", key, x, channels(x), rate, train)


def dropout2d(
    key: Array | None, x: Float[Array, "N H W C"], *, rate: float, train: bool = True
) -> Float[Array, "N H W C"]:
    """Drop whole channels of images `(N, H, W, C)`: `dropout` with one draw for each example and channel.

    arXiv:1411.4280; Keras's SpatialDropout2D. The rules of `dropout` hold.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has not 4 axes, or `rate` is not in [0, 1].

    >>> y = dropout2d(jax.random.key(0), jnp.ones((2, 4, 4, 8)), rate=0.5)
    >>> bool((y == y[:, :1, :1]).all())
    True
    """
    check_float("dropout2d", x=x)
    check_rank("dropout2d", "x", x, 4, "(N, H, W, C)")
    return _dropout("dropout2d", key, x, channels(x), rate, train)


def dropout3d(
    key: Array | None, x: Float[Array, "N D H W C"], *, rate: float, train: bool = True
) -> Float[Array, "N D H W C"]:
    """Drop whole channels of volumes `(N, D, H, W, C)`: `dropout` with one draw for each example and channel.

    arXiv:1411.4280; Keras's SpatialDropout3D. The rules of `dropout` hold.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has not 5 axes, or `rate` is not in [0, 1].

    >>> y = dropout3d(jax.random.key(0), jnp.ones((2, 3, 4, 4, 8)), rate=0.5)
    >>> bool((y == y[:, :1, :1, :1]).all())
    True
    """
    check_float("dropout3d", x=x)
    check_rank("dropout3d", "x", x, 5, "(N, D, H, W, C)")
    return _dropout("dropout3d", key, x, channels(x), rate, train)


def drop_path(
    key: Array | None, x: Float[Array, "N *rest"], *, rate: float, train: bool = True
) -> Float[Array, "N *rest"]:
    """Drop whole examples of `(N, ...)`: `dropout` with one draw for each, for the branch of a residual block.

    Stochastic depth, arXiv:1603.09382, in the inverted form (timm's; torchvision's `stochastic_depth` with mode "row").
    The rules of `dropout` hold.

    Raises:
        TypeError: `x` is not floating point, or `key` is not one key.
        ValueError: `x` has no axis, or `rate` is not in [0, 1].

    >>> y = drop_path(jax.random.key(0), jnp.ones((8, 4)), rate=0.5)
    >>> bool((y == y[:, :1]).all())
    True
    """
    check_float("drop_path", x=x)
    check_some_axis("drop_path", x, "(N, ...)")
    return _dropout("drop_path", key, x, (x.shape[0], *(1,) * (x.ndim - 1)), rate, train)
