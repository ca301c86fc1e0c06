"""Depthwise and depthwise-separable convolution."""

from collections.abc import Sequence

from jaxtyping import Array, Float

from jaxml.functional import _depthwise_primitives as primitives
from jaxml.functional._channels import per_channel
from jaxml.functional._checks import check_choice, check_equal, check_float, check_rank
from jaxml.functional._padding import Padding, resolve_padding, to_tuple
from jaxml.functional._pointwise import check_mixing, mix
from jaxml.functional._window import Window


def depthwise_implementations() -> tuple[str, ...]:
    """The names that `implementation=` of `depthwise_conv2d` takes; every one runs on every platform.

    >>> "xla" in depthwise_implementations()
    True
    """
    return tuple(primitives.IMPLEMENTATIONS)


def depthwise_conv2d(
    x: Float[Array, "N H W C"],
    w: Float[Array, "kh kw 1 CM"],
    b: Float[Array, " CM"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    implementation: str | None = None,
) -> Float[Array, "N h w CM"]:
    """Convolve every channel with its own kernels (a convolution with as many groups as input channels).

        y[n, o, p, c*m + q] = b[c*m + q] + sum_ij x[n, o*s + i*d - before, p*s + j*d - before, c] * w[i, j, 0, c*m + q]

    Shapes: x `(N, H, W, C)`, w `(kh, kw, 1, C*multiplier)`, b `(C*multiplier,)` -> `(N, h, w, C*multiplier)`.
    Output channel `c*multiplier + q` belongs to input channel c, as in PyTorch and Keras (whose kernel is stored
    `(kh, kw, C, multiplier)`: reshape it).

    `padding`: `"SAME"` (TensorFlow's, asymmetric when the total is odd), `"VALID"`, an int (PyTorch's) or pairs.

    `implementation`: `"shift"` sums shifted products and has hand-written gradients, `"xla"` is XLA's grouped
    convolution; `None` takes what was measured best on the platform the call is compiled for, XLA's where nobody has
    measured. All agree to rounding, in value and in every derivative (forward and reverse mode, any order).

    Cost: N*h*w*kh*kw*C*multiplier MACs.

    Errors: ValueError or TypeError for a wrong rank, channel mismatch, empty image, kernel larger than the padded
    input, integer or mixed dtypes, unknown padding or implementation.

    Source: L. Sifre, Rigid-motion scattering for image classification, 2014; arXiv 1704.04861.

    >>> import jax.numpy as jnp
    >>> depthwise_conv2d(jnp.ones((1, 5, 5, 2)), jnp.ones((3, 3, 1, 4)), stride=2).shape
    (1, 3, 3, 4)
    """
    f = "depthwise_conv2d"
    check_float(f, {"b": b}, x=x, w=w)
    window = _window(f, "w", x, w, stride, padding, dilation, implementation)
    if b is not None:
        check_equal(f, "the shape of b", b.shape, (w.shape[3],), w=w, b=b)
    y = primitives.conv(x, w, window, implementation or "auto")
    return y if b is None else y + per_channel(b, y.ndim)


def separable_conv2d(
    x: Float[Array, "N H W C"],
    w_depthwise: Float[Array, "kh kw 1 CM"],
    w_pointwise: Float[Array, "CM O"],
    b: Float[Array, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    implementation: str | None = None,
) -> Float[Array, "N h w O"]:
    """Depthwise convolution followed by a pointwise one: a convolution factored over space and channels.

        y = pointwise_conv2d(depthwise_conv2d(x, w_depthwise), w_pointwise, b)

    Shapes: x `(N, H, W, C)`, w_depthwise `(kh, kw, 1, C*multiplier)`, w_pointwise `(C*multiplier, O)`, b `(O,)` ->
    `(N, h, w, O)`. Options as in `depthwise_conv2d`.

    Cost: N*h*w*C*multiplier*(kh*kw + O) MACs; with multiplier 1, `1/O + 1/(kh*kw)` of the standard convolution's.

    Errors: as `depthwise_conv2d` and `pointwise_conv2d`.

    Source: MobileNets, arXiv 1704.04861, section 3.1; Xception, arXiv 1610.02357.

    >>> import jax.numpy as jnp
    >>> separable_conv2d(jnp.ones((1, 5, 5, 2)), jnp.ones((3, 3, 1, 2)), jnp.ones((2, 7))).shape
    (1, 5, 5, 7)
    """
    f = "separable_conv2d"
    check_float(f, {"b": b}, x=x, w_depthwise=w_depthwise, w_pointwise=w_pointwise)
    window = _window(f, "w_depthwise", x, w_depthwise, stride, padding, dilation, implementation)
    shapes = {"w_depthwise": w_depthwise, "w_pointwise": w_pointwise}
    check_mixing(f, "w_pointwise", w_pointwise, b, w_depthwise.shape[3], **shapes)
    return mix(primitives.conv(x, w_depthwise, window, implementation or "auto"), w_pointwise, b)


def _window(
    f: str,
    name: str,
    x: Array,
    w: Array,
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
    implementation: str | None,
) -> Window:
    """Of a depthwise convolution with `w`, which the caller of `f` knows as `name`, with everything checked."""
    check_rank(f, "x", x, 4, "(N, H, W, C)")
    check_rank(f, name, w, 4, "(kh, kw, 1, C*multiplier)")
    check_equal(f, f"axis 2 of {name}", w.shape[2], 1, **{"x": x, name: w})
    channels, out_channels = x.shape[3], w.shape[3]
    if channels == 0 or out_channels == 0 or out_channels % channels:
        raise ValueError(
            f"{f}: the output channels of {name} must be a positive multiple of x's {channels} channels, got "
            f"{out_channels} (x: {x.shape}, {name}: {w.shape})"
        )
    check_choice(f, "implementation", implementation, (None, *primitives.IMPLEMENTATIONS))
    stride, dilation = to_tuple(f, "stride", stride, 2), to_tuple(f, "dilation", dilation, 2)
    spatial, kernel = x.shape[1:3], w.shape[:2]
    pads = resolve_padding(f, padding, spatial, kernel, stride, dilation)
    return Window(spatial, kernel, stride, dilation, pads, out_channels // channels)
