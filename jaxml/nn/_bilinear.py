"""The bilinear layer."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast, filled, in_dtype, read
from jaxml.nn._scope import scoped


class Bilinear(nnx.Module):
    """`y_o = x1ᵀ w_o x2 + b_o`, by `F.bilinear`.

    Shapes: x1 (..., in1_features), x2 (..., in2_features) -> (..., out_features); `w` (in1_features, in2_features,
    out_features), where PyTorch has the outputs first; `b` (out_features,), zero at the start.
    Variant: `w` starts from `w_init`, unless given LeCun's normal of variance 1 / (in1_features * in2_features), which
    keeps the variance; PyTorch's is uniform in ±in1_features^-1/2.
    Cost: (in1_features + 1) * in2_features * out_features MACs a row.
    Errors: `ValueError` for a size that is not positive.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in that of x1 where that is None.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.Bilinear(3, 4, 2, rngs=nnx.Rngs(0))(jnp.ones((5, 3)), jnp.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        *,
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        shape = (in1_features, in2_features, out_features)
        check_positive("Bilinear", "in1_features, in2_features, out_features", shape)
        self.dtype = dtype
        w_init = init.lecun_normal() if w_init is None else w_init  # its fan is in1_features * in2_features
        self.w = nnx.Param(w_init(rngs.params(), shape, param_dtype))
        self.b = filled(use_bias, (out_features,), 0, param_dtype)

    @scoped
    def __call__(
        self, x1: Float[Array, "*batch I"], x2: Float[Array, "*batch J"], *, train: bool = False
    ) -> Float[Array, "*batch O"]:
        x1, w, b = cast(x1, self.w[...], read(self.b), dtype=self.dtype)
        return F.bilinear(x1, in_dtype(x2, dtype=self.dtype), w, b)
