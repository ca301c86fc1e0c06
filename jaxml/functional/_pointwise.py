"""Pointwise (1x1) convolution: a matrix product over the channels."""

from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._channels import per_channel
from jaxml.functional._checks import check_equal, check_float, check_positive, check_rank


def pointwise_conv2d(
    x: Float[Array, "N H W C"], w: Float[Array, "C O"], b: Float[Array, " O"] | None = None
) -> Float[Array, "N H W O"]:
    """Mix the channels of every pixel with one matrix (a 1x1 convolution).

        y[n, h, w, o] = b[o] + sum_c x[n, h, w, c] * w[c, o]

    Shapes: x `(N, H, W, C)`, w `(C, O)`, b `(O,)` -> `(N, H, W, O)`. An empty batch is legal.

    Cost: N*H*W*C*O MACs.

    Errors: ValueError for a wrong rank, a channel mismatch, an empty image or no channels, TypeError for integer or
    mixed dtypes.

    Source: Network in Network, arXiv 1312.4400.

    >>> import jax.numpy as jnp
    >>> pointwise_conv2d(jnp.ones((1, 4, 4, 3)), jnp.ones((3, 8))).shape
    (1, 4, 4, 8)
    """
    f = "pointwise_conv2d"
    check_float(f, {"b": b}, x=x, w=w)
    check_rank(f, "x", x, 4, "(N, H, W, C)")
    check_mixing(f, "w", w, b, x.shape[3], x=x, w=w)
    check_positive(f, "the spatial size of x", x.shape[1:3])
    return mix(x, w, b)


def check_mixing(f: str, name: str, w: Array, b: Array | None, channels: int, /, **arrays: Array) -> None:
    """`w`, which the caller of `f` knows as `name`, is `(channels, C_out)`, and `b` is `(C_out,)`."""
    check_rank(f, name, w, 2, "(C_in, C_out)")
    check_equal(f, f"the input channels of {name}", w.shape[0], channels, **arrays)
    check_positive(f, f"the channels of {name}", w.shape)
    if b is not None:
        check_equal(f, "the shape of b", b.shape, (w.shape[1],), **{name: w, "b": b})


def mix(x: Array, w: Array, b: Array | None) -> Array:
    """`pointwise_conv2d` of arrays that are checked."""
    n, height, width, channels = x.shape
    # One large matrix, because XLA:CPU hands that to its matrix product and may loop over a batched one.
    y = lax.dot(x.reshape(-1, channels), w).reshape(n, height, width, w.shape[1])
    return y if b is None else y + per_channel(b, y.ndim)
