"""A weight and a correction of low rank to it, where a layer had the weight alone."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from jaxml.functional._dtypes import wide_dtype


class LowRank(nnx.Module):
    """`w + scale a b` in place of a layer's parameter `w`, as `nn.lora` puts it there.

    Shapes: w (..., out), read as the matrix (in, out) of which `in` counts all axes but the last; `a` (in, rank); `b`
    (rank, out). It is read as the parameter is, `layer.w[...]`, and gives an array of the shape and dtype of w; the sum
    is taken in float32 at least.
    Cost: in * rank * out MACs a reading; none in `nn.Linear`, which multiplies by the factors.
    Errors: `TypeError` where an array is assigned to it.
    Reference: Hu et al. 2021, arXiv:2106.09685.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> w = nn.LowRank(nnx.Param(jnp.ones((3, 2))), nnx.Param(jnp.ones((3, 1))), nnx.Param(jnp.ones((1, 2))), scale=2.0)
    >>> w[...].tolist()
    [[3.0, 3.0], [3.0, 3.0], [3.0, 3.0]]
    """

    def __init__(self, w: nnx.Variable, a: nnx.Variable, b: nnx.Variable, *, scale: float):
        self.w, self.a, self.b, self.scale = w, a, b, scale

    def __getitem__(self, key: Any) -> Array:
        return self.__jax_array__()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("LowRank: the sum of w and its factors cannot be assigned to; nn.merge_lora makes it one array")

    def __jax_array__(self) -> Array:
        w, a, b = self.w[...], self.a[...], self.b[...]
        with jax.named_scope("low_rank"):
            delta = self.scale * jnp.matmul(a, b, precision="highest").reshape(w.shape)
            return (w.astype(wide_dtype(w.dtype)) + delta.astype(wide_dtype(w.dtype))).astype(w.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.w[...].shape

    @property
    def dtype(self) -> jnp.dtype:
        return self.w[...].dtype
