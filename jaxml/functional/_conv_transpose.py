"""Transposed convolution in one, two and three dimensions, channels last."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional import _depthwise_primitives as primitives
from jaxml.functional._adjoint import adjoint
from jaxml.functional._channels import per_channel
from jaxml.functional._checks import check_choice, check_equal, check_positive
from jaxml.functional._conv import check_operands
from jaxml.functional._explicit import along
from jaxml.functional._padding import Padding, explicit_pads, same_pads, to_tuple
from jaxml.functional._window import Window


def conv_transpose1d(
    x: Float[Array, "N W C"],
    w: Float[Array, "kw C_group O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "N w O"]:
    """Transposed convolution of sequences `(N, W, C)`; everything as in `conv_transpose2d`.

    Shapes: x `(N, W, C)`, w `(kw, C/groups, O)`, b `(O,)` -> `(N, w, O)`.

    Cost: N*W*kw*(C/groups)*O MACs.

    >>> conv_transpose1d(jnp.ones((1, 5, 2)), jnp.ones((4, 2, 3)), stride=2, padding=1).shape
    (1, 10, 3)
    """
    return _conv_transpose("conv_transpose1d", "(N, W, C)", x, w, b, stride, padding, output_padding, dilation, groups)


def conv_transpose2d(
    x: Float[Array, "N H W C"],
    w: Float[Array, "kh kw C_group O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "N h w O"]:
    """Transposed convolution: every input pixel adds the kernel, times its value, to the output.

        y[n, p*s + i*d - before, q*s + j*d - before, k] += x[n, p, q, c] * w[i, j, c, k],  then + b[k]

    It is the gradient, with respect to its image, of the `conv2d` with the same options whose kernel is `w` with the
    last two axes exchanged, for one group. Shapes: x `(N, H, W, C)`, w `(kh, kw, C/groups, O)` (the house's layout:
    PyTorch's `(C, O/groups, kh, kw)` becomes it by moving axes where groups is 1), b `(O,)` -> `(N, h, w, O)`, with
    `h = (H - 1)*stride + (kh - 1)*dilation + 1 - before - after + output_padding`.

    `padding` is that of the convolution, cut off here: an int is PyTorch's, `"VALID"` is 0, `"SAME"` gives `H * stride`
    outputs as in Keras. `output_padding` adds rows at the end, to tell apart the images that the convolution takes to
    the same size; as in PyTorch it is smaller than the stride or the dilation, and `"SAME"` leaves nothing to tell.

    Cost: N*H*W*kh*kw*(C/groups)*O MACs.

    Errors: as `conv2d`; and ValueError where nothing is left of the output, or output_padding is too large.

    Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285.

    >>> conv_transpose2d(jnp.ones((1, 8, 8, 3)), jnp.ones((3, 3, 3, 5)), stride=2, padding=1, output_padding=1).shape
    (1, 16, 16, 5)
    """
    return _conv_transpose(
        "conv_transpose2d", "(N, H, W, C)", x, w, b, stride, padding, output_padding, dilation, groups
    )


def conv_transpose3d(
    x: Float[Array, "N D H W C"],
    w: Float[Array, "kd kh kw C_group O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "N d h w O"]:
    """Transposed convolution of volumes `(N, D, H, W, C)`; everything as in `conv_transpose2d`.

    Shapes: x `(N, D, H, W, C)`, w `(kd, kh, kw, C/groups, O)`, b `(O,)` -> `(N, d, h, w, O)`.

    Cost: N*D*H*W*kd*kh*kw*(C/groups)*O MACs.

    >>> conv_transpose3d(jnp.ones((1, 2, 3, 4, 2)), jnp.ones((2, 2, 2, 2, 5)), stride=2).shape
    (1, 4, 6, 8, 5)
    """
    return _conv_transpose(
        "conv_transpose3d", "(N, D, H, W, C)", x, w, b, stride, padding, output_padding, dilation, groups
    )


def _conv_transpose(f, form, x, w, b, stride, padding, output_padding, dilation, groups) -> jax.Array:
    check_operands(f, form, x, w, b, groups)
    spatial, kernel, n = x.shape[1:-1], w.shape[:-2], x.ndim - 2
    check_positive(f, "the spatial size of x", spatial)
    check_positive(f, "the spatial size of the kernel", kernel)
    stride, dilation = to_tuple(f, "stride", stride, n), to_tuple(f, "dilation", dilation, n)
    extra = _extra(f, output_padding, stride, dilation)
    if padding == "SAME":
        check_equal(f, 'output_padding beside padding="SAME"', extra, (0,) * n)
        axes = list(zip(spatial, kernel, stride, dilation, strict=True))
        pads = [same_pads(size * s, k, s, d) for size, k, s, d in axes]
        extra = [max(s - (k - 1) * d - 1, 0) for _, k, s, d in axes]
    elif isinstance(padding, str):
        check_choice(f, "padding", padding, ("SAME", "VALID"))
        pads = [(0, 0)] * n
    else:
        pads = explicit_pads(f, padding, n)
    window = _window(f, spatial, kernel, stride, dilation, pads, extra)
    y = _depthwise(x, w, window) if _is_depthwise(x, w, window, groups) else _xla(x, w, window, groups)
    return y if b is None else y + per_channel(b, y.ndim)


def _extra(f, output_padding, stride, dilation) -> tuple[int, ...]:
    extra = tuple(output_padding) if isinstance(output_padding, list | tuple) else (output_padding,) * len(stride)
    check_equal(f, "the number of entries of output_padding", len(extra), len(stride))
    most = tuple(max(s, d) for s, d in zip(stride, dilation, strict=True))
    if not all(type(e) is int and 0 <= e < m for e, m in zip(extra, most, strict=True)):
        raise ValueError(f"{f}: output_padding must lie from 0 to below the stride or dilation {most}, got {extra}")
    return extra


def _window(f, spatial, kernel, stride, dilation, pads, extra) -> Window:
    """The window of the convolution that this one transposes: its image is the result here."""
    image = tuple(
        (size - 1) * s + (k - 1) * d + 1 - sum(pair) + e
        for size, k, s, d, pair, e in zip(spatial, kernel, stride, dilation, pads, extra, strict=True)
    )
    if min(image) < 1:
        raise ValueError(f"{f}: padding {tuple(pads)} leaves an image of {image} (x: {spatial}, kernel: {kernel})")
    return Window(image, kernel, stride, dilation, tuple(pads))


def _is_depthwise(x: jax.Array, w: jax.Array, window: Window, groups: int) -> bool:
    """It transposes a depthwise convolution, and the last rows of the image are not beyond what that reads."""
    return groups == x.shape[-1] == w.shape[-1] > 1 and x.ndim == 4 and window.output == x.shape[1:-1]


def _depthwise(x: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """As the transpose of jaxml's own, which XLA:CPU computes far faster than a convolution with as many groups."""
    image = (x.shape[0], *window.spatial, x.shape[-1])
    return along(x, lambda x, w: adjoint(lambda image: primitives.conv(image, w, window, "auto"), image, x), x, w)


def _xla(x: jax.Array, w: jax.Array, window: Window, groups: int) -> jax.Array:
    """XLA's convolution, with zeros between the inputs and the kernel turned round."""
    spatial = "DHW"[3 - len(window.kernel) :]
    pads = []
    for image, size, k, s, d, (before, _) in zip(
        window.spatial, x.shape[1:-1], window.kernel, window.stride, window.dilation, window.pads, strict=True
    ):
        reach = (k - 1) * d
        # As many behind as it takes for one output a pixel of the image; negative where rows are cut off.
        pads.append((reach - before, image + before - (size - 1) * s - 1))
    return lax.conv_general_dilated(
        x,
        jnp.flip(w, range(len(window.kernel))),
        window_strides=(1,) * len(window.kernel),
        padding=pads,
        lhs_dilation=window.stride,
        rhs_dilation=window.dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        feature_group_count=groups,
    )
