"""Fully connected layer."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast, read
from jaxml.nn._low_rank import LowRank
from jaxml.nn._scope import scoped


class Linear(nnx.Module):
    """`y = x w + b`, by `F.linear`.

    Shapes: x (..., in_features) -> (..., out_features); `w` (in_features, out_features), the transpose of PyTorch's;
    `b` (out_features,), zero at the start.
    Variant: `w` starts from `w_init`, unless given LeCun's normal (variance 1 / in_features) as in Flax; PyTorch's is
    uniform.
    Cost: in_features * out_features MACs a row.
    Errors: `ValueError` for a size that is not positive.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.Linear(3, 2, rngs=nnx.Rngs(0))(jnp.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive("Linear", "in_features, out_features", (in_features, out_features))
        self.dtype = dtype
        w_init = init.lecun_normal() if w_init is None else w_init
        self.w = nnx.Param(w_init(rngs.params(), (in_features, out_features), param_dtype))
        self.b = nnx.Param(jnp.zeros((out_features,), param_dtype)) if use_bias else None

    @scoped
    def __call__(self, x: Float[Array, "*batch I"], *, train: bool = False) -> Float[Array, "*batch O"]:
        if isinstance(self.w, LowRank):
            return _factored(x, self.w, read(self.b), dtype=self.dtype)
        return self.function()(*cast(x, self.w[...], read(self.b), dtype=self.dtype))

    def function(self) -> Callable[..., Array]:
        """The pure function of `(x, w, b)` that a call makes."""
        return F.linear


def _factored(
    x: Float[Array, "*batch I"], w: LowRank, b: Array | None, *, dtype: DTypeLike | None
) -> Float[Array, "*batch O"]:
    """`x w + b + scale (x a) b`, by two thin products instead of one sum of matrices."""
    x, kernel, b, down, up = cast(x, w.w[...], b, w.a[...], w.b[...], dtype=dtype)
    return F.linear(x, kernel, b) + w.scale * F.linear(F.linear(x, down), up)
