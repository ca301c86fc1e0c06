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
    check_rank(f, "w", w, 2, "(C_in, C_out)")
    check_equal(f, "the input channels of w", w.shape[0], x.shape[3], x=x, w=w)
    check_positive(f, "the spatial size of x", x.shape[1:3])
    check_positive(f, "the channels of w", w.shape)
    n, height, width, channels = x.shape
    # One large matrix, because XLA:CPU hands that to its matrix product and may loop over a batched one.
    y = lax.dot(x.reshape(-1, channels), w).reshape(n, height, width, w.shape[1])
    if b is None:
        return y
    check_equal(f, "the shape of b", b.shape, (w.shape[1],), w=w, b=b)
    return y + per_channel(b, y.ndim)
