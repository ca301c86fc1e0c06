"""Convolutions: standard (1d, 2d, 3d; grouped), depthwise, and depthwise separable."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_choice, check_positive
from jaxml.functional._padding import Padding
from jaxml.nn._common import IntOrTuple, cast, check_groups, freeze_padding, spatial
from jaxml.nn._scope import scoped

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class Conv(nnx.Module):
    """`y[n, p, o] = b[o] + Σ_{k, c} x[n, stride p + dilation k - pad, c] w[k, c, o]`, by `F.conv1d`, `2d` or `3d`.

    Shapes: x (N, *spatial, in_features) -> (N, *outputs, out_features); `w` (*kernel_size, in_features / groups,
    out_features); `b` (out_features,), zero at the start. `kernel_size` says the rank: an int is a square in 2d.
    Variant: cross-correlation, as everywhere in deep learning; `padding="SAME"` is TensorFlow's (asymmetric where
    the total is odd), an int is PyTorch's. `w` starts from `w_init`, He's normal unless given, with fans that know
    about groups.
    Cost: prod(outputs) * prod(kernel_size) * in_features / groups * out_features MACs an example.
    Errors: `ValueError` for sizes that are not positive, groups that do not divide, an unknown padding.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.Conv(3, 16, 3, stride=2, rngs=nnx.Rngs(0))(jnp.ones((1, 8, 8, 3))).shape
    (1, 4, 4, 16)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrTuple,
        *,
        stride: IntOrTuple = 1,
        padding: Padding = "SAME",
        dilation: IntOrTuple = 1,
        groups: int = 1,
        use_bias: bool = True,
        implementation: str | None = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive("Conv", "in_features, out_features", (in_features, out_features))
        check_groups("Conv", groups, in_features, out_features)
        self.kernel_size = spatial("Conv", "kernel_size", kernel_size)
        self.stride = spatial("Conv", "stride", stride, len(self.kernel_size))
        self.dilation = spatial("Conv", "dilation", dilation, len(self.kernel_size))
        self.padding = freeze_padding("Conv", padding)
        self.groups, self.implementation, self.dtype = groups, implementation, dtype
        shape = (*self.kernel_size, in_features // groups, out_features)
        w_init = init.he_normal(groups=groups) if w_init is None else w_init
        self.w = nnx.Param(w_init(rngs.params(), shape, param_dtype))
        self.b = nnx.Param(jnp.zeros((out_features,), param_dtype)) if use_bias else None

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *out O"]:
        return self.function()(*cast(x, self.w[...], None if self.b is None else self.b[...], dtype=self.dtype))

    def function(self) -> Callable[..., Array]:
        """The pure function of `(x, w, b)` that a call makes, with this layer's options bound."""
        return partial(
            _CONV[len(self.kernel_size)],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            implementation=self.implementation,
        )


class DepthwiseConv(nnx.Module):
    """`multiplier` filters for each channel on its own, by `F.depthwise_conv2d`.

    Shapes: x (N, H, W, channels) -> (N, H', W', channels * multiplier); `w` (kh, kw, 1, channels * multiplier), output
    channel c * multiplier + m reading input channel c; `b` (channels * multiplier,), zero at the start.
    Variant: `w` is PyTorch's and XLA's grouped layout; Keras keeps (kh, kw, channels, multiplier). Fans are those of
    one channel.
    Cost: H' * W' * kh * kw * channels * multiplier MACs an example.
    Errors: `ValueError` for sizes that are not positive, an unknown padding or implementation.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.
    Reference: Howard et al. 2017, arXiv:1704.04861.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.DepthwiseConv(4, 3, multiplier=2, rngs=nnx.Rngs(0))(jnp.ones((1, 8, 8, 4))).shape
    (1, 8, 8, 8)
    """

    def __init__(
        self,
        channels: int,
        kernel_size: IntOrTuple,
        *,
        multiplier: int = 1,
        stride: IntOrTuple = 1,
        padding: Padding = "SAME",
        dilation: IntOrTuple = 1,
        use_bias: bool = True,
        implementation: str | None = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive("DepthwiseConv", "channels, multiplier", (channels, multiplier))
        self.kernel_size = spatial("DepthwiseConv", "kernel_size", kernel_size, 2)
        self.stride = spatial("DepthwiseConv", "stride", stride, 2)
        self.dilation = spatial("DepthwiseConv", "dilation", dilation, 2)
        self.padding = freeze_padding("DepthwiseConv", padding)
        check_choice("DepthwiseConv", "implementation", implementation, (None, *F.depthwise_implementations()))
        self.implementation, self.dtype = implementation, dtype
        shape = (*self.kernel_size, 1, channels * multiplier)
        w_init = init.he_normal(groups=channels) if w_init is None else w_init
        self.w = nnx.Param(w_init(rngs.params(), shape, param_dtype))
        self.b = nnx.Param(jnp.zeros((channels * multiplier,), param_dtype)) if use_bias else None

    @scoped
    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        return self.function()(*cast(x, self.w[...], None if self.b is None else self.b[...], dtype=self.dtype))

    def function(self) -> Callable[..., Array]:
        """The pure function of `(x, w, b)` that a call makes, with this layer's options bound."""
        return partial(
            F.depthwise_conv2d,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            implementation=self.implementation,
        )


class SeparableConv(nnx.Module):
    """A depthwise convolution, then a 1x1 convolution over channels, by `F.separable_conv2d`.

    Shapes: x (N, H, W, in_features) -> (N, H', W', out_features); `w_depthwise` (kh, kw, 1, in_features * multiplier),
    `w_pointwise` (in_features * multiplier, out_features); `b` (out_features,), zero at the start.
    Variant: nothing between the two, as Keras's SeparableConv2D; MobileNet puts batch norm and ReLU there, so its
    blocks are built of `DepthwiseConv` and `Conv`.
    Cost: H' * W' * in_features * multiplier * (kh * kw + out_features) MACs an example: 1/out_features + 1/(kh * kw)
    of the standard convolution's at multiplier 1.
    Errors: `ValueError` for sizes that are not positive, an unknown padding or implementation.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.
    Reference: Chollet 2016, arXiv:1610.02357.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.SeparableConv(4, 6, 3, rngs=nnx.Rngs(0))(jnp.ones((1, 8, 8, 4))).shape
    (1, 8, 8, 6)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrTuple,
        *,
        multiplier: int = 1,
        stride: IntOrTuple = 1,
        padding: Padding = "SAME",
        dilation: IntOrTuple = 1,
        use_bias: bool = True,
        implementation: str | None = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive(
            "SeparableConv", "in_features, out_features, multiplier", (in_features, out_features, multiplier)
        )
        self.kernel_size = spatial("SeparableConv", "kernel_size", kernel_size, 2)
        self.stride = spatial("SeparableConv", "stride", stride, 2)
        self.dilation = spatial("SeparableConv", "dilation", dilation, 2)
        self.padding = freeze_padding("SeparableConv", padding)
        check_choice("SeparableConv", "implementation", implementation, (None, *F.depthwise_implementations()))
        self.implementation, self.dtype = implementation, dtype
        inner = in_features * multiplier
        init_depthwise = init.he_normal(groups=in_features) if w_init is None else w_init
        init_pointwise = init.he_normal() if w_init is None else w_init
        self.w_depthwise = nnx.Param(init_depthwise(rngs.params(), (*self.kernel_size, 1, inner), param_dtype))
        self.w_pointwise = nnx.Param(init_pointwise(rngs.params(), (inner, out_features), param_dtype))
        self.b = nnx.Param(jnp.zeros((out_features,), param_dtype)) if use_bias else None

    @scoped
    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H2 W2 O"]:
        b = None if self.b is None else self.b[...]
        x, wd, wp, b = cast(x, self.w_depthwise[...], self.w_pointwise[...], b, dtype=self.dtype)
        return F.separable_conv2d(
            x,
            wd,
            wp,
            b,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            implementation=self.implementation,
        )
