"""Moves between channels and pixels, and among channels."""

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from jaxml.functional._checks import check_equal, check_positive, check_rank, check_some_axis
from jaxml.functional._explicit import along


def pixel_shuffle(x: Shaped[Array, "N H W C"], *, upscale_factor: int) -> Shaped[Array, "N h w c"]:
    """Channels spread over blocks of pixels: `(N, H, W, c*r*r)` to `(N, H*r, W*r, c)`, with `r = upscale_factor`.

        y[n, h*r + i, w*r + j, c] = x[n, h, w, (c*r + i)*r + j]

    The order of channels is PyTorch's, so that its weights carry over; TensorFlow's and Keras's `depth_to_space` reads
    channel `(i*r + j)*c_out + c` instead.

    Errors: ValueError for a wrong rank or factor, or channels that `r*r` does not divide.

    Source: W. Shi et al., Real-time single image and video super-resolution, arXiv 1609.05158.

    >>> pixel_shuffle(jnp.arange(4).reshape(1, 1, 1, 4), upscale_factor=2)[0, :, :, 0].tolist()
    [[0, 1], [2, 3]]
    """
    check_rank("pixel_shuffle", "x", x, 4, "(N, H, W, C)")
    check_positive("pixel_shuffle", "upscale_factor", (upscale_factor,))
    (n, height, width, channels), r = x.shape, upscale_factor
    check_equal("pixel_shuffle", f"the channels of x left over by {r}*{r}", channels % (r * r), 0, x=x)
    blocks, whole = (n, height, width, channels // (r * r), r, r), (n, height * r, width * r, channels // (r * r))
    return along(x, lambda x: x.reshape(blocks).transpose(0, 1, 4, 2, 5, 3).reshape(whole), x)


def pixel_unshuffle(x: Shaped[Array, "N H W C"], *, downscale_factor: int) -> Shaped[Array, "N h w c"]:
    """Blocks of pixels gathered in channels, the inverse of `pixel_shuffle`: `(N, H, W, C)` to `(N, H/r, W/r, C*r*r)`.

        y[n, h, w, (c*r + i)*r + j] = x[n, h*r + i, w*r + j, c],  with r = downscale_factor

    Errors: ValueError for a wrong rank or factor, or a spatial size that `r` does not divide.

    >>> pixel_unshuffle(jnp.arange(4).reshape(1, 2, 2, 1), downscale_factor=2).ravel().tolist()
    [0, 1, 2, 3]
    """
    check_rank("pixel_unshuffle", "x", x, 4, "(N, H, W, C)")
    check_positive("pixel_unshuffle", "downscale_factor", (downscale_factor,))
    (n, height, width, channels), r = x.shape, downscale_factor
    check_equal("pixel_unshuffle", f"the spatial size of x left over by {r}", (height % r, width % r), (0, 0), x=x)
    blocks, whole = (n, height // r, r, width // r, r, channels), (n, height // r, width // r, channels * r * r)
    return along(x, lambda x: x.reshape(blocks).transpose(0, 1, 3, 5, 2, 4).reshape(whole), x)


def channel_shuffle(x: Shaped[Array, "*axes C"], *, groups: int) -> Shaped[Array, "*axes C"]:
    """Deal the channels of `(..., C)` out in turn to the groups: `y[..., k*groups + g] = x[..., g*(C/groups) + k]`.

    Errors: ValueError for groups that do not divide the channels.

    Source: X. Zhang et al., ShuffleNet, arXiv 1707.01083.

    >>> channel_shuffle(jnp.arange(6), groups=2).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    check_some_axis("channel_shuffle", x, "(..., C)")
    check_positive("channel_shuffle", "groups", (groups,))
    channels = x.shape[-1]
    check_equal("channel_shuffle", f"the channels of x left over by {groups} groups", channels % groups, 0, x=x)
    return jnp.swapaxes(x.reshape(*x.shape[:-1], groups, channels // groups), -1, -2).reshape(x.shape)
