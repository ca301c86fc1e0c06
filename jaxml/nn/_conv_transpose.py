"""Transposed convolution in one, two and three dimensions."""

from collections.abc import Callable, Sequence
from functools import partial

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.functional._padding import Padding
from jaxml.nn._common import IntOrTuple, cast, check_groups, filled, freeze_padding, read, spatial
from jaxml.nn._scope import scoped

_CONV = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class ConvTranspose(nnx.Module):
    """`y[n, stride p + dilation k - pad, o] += x[n, p, c] w[k, c, o]`, and `b[o]`, by `F.conv_transpose1d`, `2d`, `3d`.

    Shapes: x (N, *spatial, in_features) -> (N, *outputs, out_features); `w` (*kernel_size, in_features / groups,
    out_features); `b` (out_features,), zero at the start. `kernel_size` says the rank: an int is a square in 2d.
    Variant: `padding="SAME"` gives stride times as many outputs, as in Keras; an int, and `output_padding`, are
    PyTorch's. `w` starts from `w_init`, He's normal unless given, with the fans of `Conv`; at a stride s an output
    reads one in s taps an axis. PyTorch's is uniform, Keras's Glorot's uniform.
    Cost: prod(spatial) * prod(kernel_size) * in_features / groups * out_features MACs an example.
    Errors: `ValueError` for sizes that are not positive, groups that do not divide, an unknown padding, and in a call
    an `output_padding` that is not below the stride or the dilation.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.ConvTranspose(3, 16, 3, stride=2, rngs=nnx.Rngs(0))(jnp.ones((1, 8, 8, 3))).shape
    (1, 16, 16, 16)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrTuple,
        *,
        stride: IntOrTuple = 1,
        padding: Padding = "SAME",
        output_padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        groups: int = 1,
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive("ConvTranspose", "in_features, out_features", (in_features, out_features))
        check_groups("ConvTranspose", groups, in_features, out_features)
        self.kernel_size = spatial("ConvTranspose", "kernel_size", kernel_size)
        self.stride = spatial("ConvTranspose", "stride", stride, len(self.kernel_size))
        self.dilation = spatial("ConvTranspose", "dilation", dilation, len(self.kernel_size))
        self.padding = freeze_padding("ConvTranspose", padding)
        self.output_padding = tuple(output_padding) if isinstance(output_padding, Sequence) else output_padding
        self.groups, self.dtype = groups, dtype
        shape = (*self.kernel_size, in_features // groups, out_features)
        w_init = init.he_normal(groups=groups) if w_init is None else w_init
        self.w = nnx.Param(w_init(rngs.params(), shape, param_dtype))
        self.b = filled(use_bias, (out_features,), 0, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *out O"]:
        return self.function()(*cast(x, self.w[...], read(self.b), dtype=self.dtype))

    def function(self) -> Callable[..., Array]:
        """The pure function of `(x, w, b)` that a call makes, with this layer's options bound."""
        return partial(
            _CONV[len(self.kernel_size)],
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )
