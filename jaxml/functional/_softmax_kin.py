"""Relatives of softmax and of its normaliser."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_above, check_equal, check_float
from jaxml.functional._classes import class_axis
from jaxml.functional._dtypes import wide
from jaxml.functional._softmax import check_where, shifted_exponentials, softmax


def softmin(
    x: Float[Array, "*shape"], *, axis: int = -1, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "*shape"]:
    """`softmax(-x)` along `axis`, of any shape: the smallest entry gets most; `where` is that of `softmax`.

    Raises:
        TypeError: `x` is not floating point, `where` not boolean.
        ValueError: shapes differ, `axis` is empty or does not exist.

    >>> softmin(jnp.array([2.0, 2.0, jnp.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    check_float("softmin", x=x)
    axis = class_axis("softmin", axis, x=x)
    _check_mask("softmin", x, where)
    return softmax(-x, axis=axis, where=where)


def spatial_softmax(x: Float[Array, "n *spatial c"], *, temperature: float = 1.0) -> Float[Array, "n *spatial c"]:
    """`softmax(x / temperature)` over all positions of each channel, `(N, *spatial, C)`: an attention map a channel.

    PyTorch's `Softmax2d` is another thing, the softmax over channels: `softmax(x)`. arXiv:1504.00702.

    Raises:
        ValueError: `x` has no spatial axis or an empty one, or `temperature` is not positive.

    >>> spatial_softmax(jnp.array([[[2.0], [2.0], [-jnp.inf]]])).ravel().tolist()
    [0.5, 0.5, 0.0]
    """
    check_float("spatial_softmax", x=x)
    check_above("spatial_softmax", "temperature", temperature, 0)
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ValueError(
            f"spatial_softmax: x must have at least 3 axes (N, *spatial, C), none of them empty, got {tuple(x.shape)}"
        )
    flat = wide(x).reshape(x.shape[0], -1, x.shape[-1]) if x.size else wide(x)
    return softmax(flat / temperature, axis=1).reshape(x.shape).astype(x.dtype)


def logmeanexp(
    x: Float[Array, "*shape"], *, axis: int = -1, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "..."]:
    """`log mean_j exp(x_j)` along `axis`, which it removes; any shape, `where` leaves entries out.

    Its derivative is `softmax(x)`, at infinities too. A row that is masked completely gives -inf with derivative 0.

    Raises:
        TypeError: `x` is not floating point, `where` not boolean.
        ValueError: shapes differ, `axis` is empty or does not exist.

    >>> logmeanexp(jnp.array([[1000.0, 1000.0], [-jnp.inf, -jnp.inf]])).tolist()
    [1000.0, -inf]
    """
    check_float("logmeanexp", x=x)
    axis = class_axis("logmeanexp", axis, x=x)
    _check_mask("logmeanexp", x, where)
    values = wide(x)
    _, _, total = shifted_exponentials(values, axis, where)
    # The infinite maximum is added last, as a constant: the derivative stays that of softmax.
    largest = jax.lax.stop_gradient(jnp.max(values, axis, initial=-jnp.inf, where=where))
    kept = jnp.asarray(x.shape[axis]) if where is None else jnp.maximum(jnp.sum(where, axis), 1)
    return (largest + jnp.log(jnp.squeeze(total, axis) / kept.astype(values.dtype))).astype(x.dtype)


def _check_mask(function: str, x: Array, where: Array | None) -> None:
    check_where(function, where)
    if where is not None:
        check_equal(function, "the shape of where", tuple(where.shape), tuple(x.shape), x=x, where=where)
