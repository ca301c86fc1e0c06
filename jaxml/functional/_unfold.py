"""Patches of an image as rows (im2col), and rows added up to an image again (col2im)."""

import math
from collections.abc import Sequence
from functools import partial

from jaxtyping import Array, Float, Shaped

from jaxml.functional._adjoint import adjoint
from jaxml.functional._checks import check_equal, check_float, check_rank
from jaxml.functional._conv import patches
from jaxml.functional._dtypes import wide
from jaxml.functional._explicit import along
from jaxml.functional._padding import Padding, resolve_padding, to_tuple
from jaxml.functional._window import Window


def unfold(
    x: Shaped[Array, "N *spatial C"],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
) -> Shaped[Array, "N *outputs K"]:
    """The patch that each output of a window reads (im2col): `(N, *spatial, C)` to `(N, *outputs, taps*C)`.

        y[n, o, p, (i*kw + j)*C + c] = x[n, o*s + i*d - before, p*s + j*d - before, c]

    in one, two or three dimensions, of any dtype; padding is zeros. A convolution is the product with it:
    `conv2d(x, w)` is `unfold(x, window=w.shape[:2], padding="SAME") @ w.reshape(-1, O)`. PyTorch's has the channels
    outside the taps and the outputs in one axis.

    Errors: ValueError for a wrong rank or option, or a window larger than the padded input.

    >>> unfold(jnp.arange(4).reshape(1, 4, 1), window=2).tolist()
    [[[0, 1], [1, 2], [2, 3]]]
    """
    check_rank("unfold", "x", x, (3, 4, 5), "(N, *spatial, C)")
    return patches(x, _window("unfold", x.shape[1:-1], window, stride, padding, dilation))


def fold(
    y: Float[Array, "N *outputs K"],
    *,
    output_size: int | Sequence[int],
    window: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
) -> Float[Array, "N *spatial C"]:
    """Patches added up where they lie (col2im), the adjoint of `unfold`: `(N, *outputs, taps*C)` to `(N, *spatial, C)`.

        x[n, o*s + i*d - before, p*s + j*d - before, c] += y[n, o, p, (i*kw + j)*C + c]

    `output_size` is the spatial size of the image; the other options are those that `unfold` had. Where windows overlap
    values are added: `fold(unfold(x))` is x times the number of windows that read each pixel. float16 and bfloat16 are
    summed in float32.

    Errors: TypeError where y is not floating point; ValueError for a wrong rank or option, or outputs that do not
    belong to this image and window.

    >>> fold(jnp.ones((1, 3, 2)), output_size=4, window=2).ravel().tolist()
    [1.0, 2.0, 2.0, 1.0]
    """
    check_float("fold", y=y)
    check_rank("fold", "y", y, (3, 4, 5), "(N, *outputs, taps*C)")
    size = to_tuple("fold", "output_size", output_size, y.ndim - 2)
    geometry = _window("fold", size, window, stride, padding, dilation)
    check_equal("fold", "the outputs of y", y.shape[1:-1], geometry.output, y=y)
    taps = math.prod(geometry.kernel)
    check_equal("fold", f"the last axis of y left over by {taps} taps", y.shape[-1] % taps, 0, y=y)
    image = (y.shape[0], *size, y.shape[-1] // taps)
    return along(y, lambda y: adjoint(partial(patches, window=geometry), image, y), wide(y)).astype(y.dtype)


def _window(f, spatial, window, stride, padding, dilation) -> Window:
    n = len(spatial)
    kernel, stride, dilation = (
        to_tuple(f, name, value, n) for name, value in (("window", window), ("stride", stride), ("dilation", dilation))
    )
    return Window(spatial, kernel, stride, dilation, resolve_padding(f, padding, spatial, kernel, stride, dilation))
