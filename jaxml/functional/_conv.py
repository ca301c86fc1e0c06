"""Convolution in one, two and three dimensions, channels last."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional import _conv_primitives as dense
from jaxml.functional import _depthwise_primitives as depthwise
from jaxml.functional import _winograd
from jaxml.functional._channels import per_channel
from jaxml.functional._checks import check_choice, check_equal, check_float, check_positive, check_rank
from jaxml.functional._conv_xla import forward as xla
from jaxml.functional._dispatch import conv_choice
from jaxml.functional._padding import Padding, resolve_padding, to_tuple
from jaxml.functional._window import Window

Pads = tuple[tuple[int, int], ...]


def conv1d(
    x: Float[Array, "N W C"],
    w: Float[Array, "kw C_group O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    implementation: str | None = None,
) -> Float[Array, "N w O"]:
    """Convolve sequences `(N, W, C)` with kernels `(kw, C/groups, O)`; everything else as in `conv2d`.

        y[n, o, k] = b[k] + sum_ic x[n, o*stride + i*dilation - before, c] * w[i, c, k]

    Shapes: x `(N, W, C)`, w `(kw, C/groups, O)`, b `(O,)` -> `(N, w, O)`. Errors: as `conv2d`.

    Cost: N*w*kw*(C/groups)*O MACs.

    >>> import jax.numpy as jnp
    >>> conv1d(jnp.ones((1, 9, 2)), jnp.ones((3, 2, 4)), stride=2).shape
    (1, 5, 4)
    """
    return convolve("conv1d", "(N, W, C)", x, w, b, stride, padding, dilation, groups, implementation)


def conv2d(
    x: Float[Array, "N H W C"],
    w: Float[Array, "kh kw C_group O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    implementation: str | None = None,
) -> Float[Array, "N h w O"]:
    """Convolve images with kernels (a cross-correlation, as everywhere in deep learning).

        y[n, o, p, k] = b[k] + sum_ijc x[n, o*s + i*d - before, p*s + j*d - before, c] * w[i, j, c, k]

    where c runs over the `C/groups` channels of k's group. Shapes: x `(N, H, W, C)`, w `(kh, kw, C/groups, O)`,
    b `(O,)` -> `(N, h, w, O)`; for each axis `h = (H + before + after - (kh - 1)*dilation - 1) // stride + 1`.

    `padding`: `"SAME"` gives `ceil(H / stride)` outputs with the odd zero at the end (TensorFlow's and Keras's;
    PyTorch pads both sides alike, so at stride 2 the two differ by a shift), `"VALID"` none, an int is PyTorch's,
    pairs give `(before, after)` for every axis.

    `implementation`: `"xla"` is `lax.conv_general_dilated`; `"dot"` a matrix product (1x1 kernels without padding);
    `"im2col"` gathers patches and takes one matrix product (few input channels, groups 1); `"winograd"` is minimal
    filtering, 16 products in place of 36, or 25 at stride 2 (3x3 kernels, strides of 1 and 2, dilation and groups 1; an
    infinite input makes NaN of the 2x2 tiles of outputs that read it); `"shift"` is `depthwise_conv2d`'s (one group for
    each input channel). `None` takes `"dot"` where it applies and otherwise what was measured best on the platform the
    call is compiled for; XLA's where nobody has measured.

    Cost: N*h*w*kh*kw*(C/groups)*O MACs.

    Errors: ValueError or TypeError for a wrong rank, channel mismatch, groups that do not divide the channels, an
    empty image, a kernel larger than the padded input, integer or mixed dtypes, unknown padding or implementation.

    Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285; A. Lavin
    and S. Gray, Fast algorithms for convolutional neural networks, arXiv 1509.09308.

    >>> import jax.numpy as jnp
    >>> conv2d(jnp.ones((1, 8, 8, 3)), jnp.ones((3, 3, 3, 16)), stride=2).shape
    (1, 4, 4, 16)
    """
    return convolve("conv2d", "(N, H, W, C)", x, w, b, stride, padding, dilation, groups, implementation)


def conv3d(
    x: Float[Array, "N D H W C"],
    w: Float[Array, "kd kh kw C_group O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    implementation: str | None = None,
) -> Float[Array, "N d h w O"]:
    """Convolve volumes `(N, D, H, W, C)` with kernels `(kd, kh, kw, C/groups, O)`; everything else as in `conv2d`.

        y[n, r, o, p, k] = b[k] + sum_hijc x[n, r*s + h*d - before, o*s + i*d - before, p*s + j*d - before, c]
                                           * w[h, i, j, c, k]

    Shapes: x `(N, D, H, W, C)`, w `(kd, kh, kw, C/groups, O)`, b `(O,)` -> `(N, d, h, w, O)`. Errors: as `conv2d`.

    Cost: N*d*h*w*kd*kh*kw*(C/groups)*O MACs.

    >>> import jax.numpy as jnp
    >>> conv3d(jnp.ones((1, 4, 4, 4, 2)), jnp.ones((3, 3, 3, 2, 5)), padding=0).shape
    (1, 2, 2, 2, 5)
    """
    return convolve("conv3d", "(N, D, H, W, C)", x, w, b, stride, padding, dilation, groups, implementation)


def convolve(f, form, x, w, b, stride, padding, dilation, groups, implementation=None) -> jax.Array:
    """The convolution in as many dimensions as `form`, the axes of x, has; `f` is who calls, for messages."""
    check_operands(f, form, x, w, b, groups)
    n_spatial = form.count(",") - 1
    stride, dilation = to_tuple(f, "stride", stride, n_spatial), to_tuple(f, "dilation", dilation, n_spatial)
    spatial, kernel = x.shape[1:-1], w.shape[:-2]
    pads = resolve_padding(f, padding, spatial, kernel, stride, dilation)
    window = Window(spatial, kernel, stride, dilation, pads, w.shape[-1] // groups)
    choices = applicable(window, groups, x.shape[-1])
    check_choice(f, "implementation", implementation, (None, *choices))
    y = _run(implementation, choices, x, w, window, groups)
    return y if b is None else y + per_channel(b, y.ndim)


def check_operands(f: str, form: str, x: Any, w: Any, b: Any, groups: int) -> None:
    """Ranks, dtypes and channels of a convolution of `x`, whose axes are `form`, with kernels `(*k, C/groups, O)`."""
    n_spatial = form.count(",") - 1
    check_float(f, {"b": b}, x=x, w=w)
    check_rank(f, "x", x, n_spatial + 2, form)
    check_rank(f, "w", w, n_spatial + 2, f"({', '.join(['k'] * n_spatial)}, C_in/groups, C_out)")
    check_positive(f, "groups", (groups,))
    channels, out_channels = x.shape[-1], w.shape[-1]
    check_positive(f, "the channels of w", w.shape[-2:])
    if channels % groups or out_channels % groups:
        raise ValueError(
            f"{f}: groups must divide the input and output channels, got groups={groups} for {channels} and "
            f"{out_channels} (x: {x.shape}, w: {w.shape})"
        )
    if w.shape[-2] * groups != channels:
        raise ValueError(
            f"{f}: w has {w.shape[-2]} input channels in each of {groups} groups, x has {channels} channels "
            f"(x: {x.shape}, w: {w.shape})"
        )
    if b is not None:
        check_equal(f, "the shape of b", b.shape, (out_channels,), w=w, b=b)


def applicable(window: Window, groups: int, channels: int) -> tuple[str, ...]:
    """The implementations that can compute this convolution, XLA's first."""
    choices = ["xla"]
    if groups == 1 and math.prod(window.kernel) == 1 and not any(sum(p) for p in window.pads):
        choices.append("dot")
    if groups == 1:
        choices.append("im2col")
    if _winograd.applies(window, groups):
        choices.append("winograd")
    if groups == channels > 1 and len(window.kernel) == 2:
        choices.append("shift")
    return tuple(choices)


def _run(implementation, choices, x, w, window: Window, groups: int) -> jax.Array:
    if "shift" in choices:
        return depthwise.conv(x, w, window, implementation or "auto")
    if implementation is None and "dot" in choices:
        implementation = "dot"
    pays = "winograd" in choices and (
        dense.choice("cpu", "forward", x.shape[0], w.shape[-2:], window, x.dtype) == "winograd"
    )
    if implementation == "winograd" or (implementation is None and pays):
        return dense.conv(x, w, window, implementation or "auto")
    if implementation is not None:
        return _FORMS[implementation](x, w, window, groups)
    if (on_cpu := conv_choice("cpu", choices, channels=x.shape[-1], window=window)) == "xla":
        return xla(x, w, window, groups)
    return lax.platform_dependent(
        x,
        w,
        cpu=lambda x, w: _FORMS[on_cpu](x, w, window, groups),
        default=lambda x, w: xla(x, w, window, groups),
    )


def dot(x: jax.Array, w: jax.Array, window: Window, groups: int) -> jax.Array:
    """A 1x1 convolution: the pixels that the stride keeps, as rows of one matrix product."""
    kept = x[(slice(None), *(slice(None, None, s) for s in window.stride))]
    y = lax.dot(kept.reshape(-1, kept.shape[-1]), w.reshape(w.shape[-2:]))
    return y.reshape(*kept.shape[:-1], w.shape[-1])


def im2col(x: jax.Array, w: jax.Array, window: Window, groups: int) -> jax.Array:
    """Every tap's slice side by side, then one matrix product of `(N*h*w, taps*C)` with `(taps*C, O)`."""
    columns = patches(x, window)
    y = lax.dot(columns.reshape(-1, columns.shape[-1]), w.reshape(-1, w.shape[-1]))
    return y.reshape(*columns.shape[:-1], w.shape[-1])


def patches(x: jax.Array, window: Window) -> jax.Array:
    """What each output of a window reads, `(N, *output, taps*C)`: taps in row-major order, their channels within."""
    padded = jnp.pad(x, ((0, 0), *window.pads, (0, 0)))
    taps = []
    for index in _indices(window.kernel):
        start = [i * d for i, d in zip(index, window.dilation, strict=True)]
        limit = [b + (o - 1) * s + 1 for b, o, s in zip(start, window.output, window.stride, strict=True)]
        taps.append(lax.slice(padded, (0, *start, 0), (x.shape[0], *limit, x.shape[-1]), (1, *window.stride, 1)))
    return jnp.concatenate(taps, axis=-1)


def _indices(kernel: tuple[int, ...]) -> list[tuple[int, ...]]:
    indices: list[tuple[int, ...]] = [()]
    for size in kernel:
        indices = [(*index, i) for index in indices for i in range(size)]
    return indices


_FORMS = {"xla": xla, "dot": dot, "im2col": im2col}
