"""Normalisation of each vector by its own statistics."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional._checks import check_above, check_equal, check_positive
from jaxml.nn._common import IntOrTuple, filled, in_dtype, read
from jaxml.nn._scope import scoped


class LayerNorm(nnx.Module):
    """`y = scale (x - mean) / √(var + eps) + bias` over the last axis, or over each of `axis`, by `F.layer_norm`.

    Shapes: x (..., features) -> the same; `scale`, one at the start, and `bias`, zero, (features,). `features` are the
    sizes of `axis`, in the order in which x has them: `LayerNorm((H, W), axis=(-2, -1))` is PyTorch's
    `LayerNorm((H, W))`.
    Variant: `eps` is PyTorch's (Flax: 1e-6, Keras: 1e-3).
    Errors: `ValueError` for `features` below 1 or as many as `axis` has not, and `eps` not positive.
    Parameters are stored in `param_dtype` and used in it; `dtype` is that of the result, x's own where that is None.
    Reference: Ba et al. 2016, arXiv:1607.06450.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.LayerNorm(3)(jnp.array([[1.0, 2.0, 3.0]])).tolist()
    [[-1.22..., 0.0, 1.22...]]
    """

    def __init__(
        self,
        features: IntOrTuple,
        *,
        axis: IntOrTuple = -1,
        eps: float = 1e-5,
        use_scale: bool = True,
        use_bias: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        # rngs is taken, and not needed, so that every layer with parameters is made in the same way.
        self.axis, shape = _axes("LayerNorm", features, axis)
        check_above("LayerNorm", "eps", eps, 0)
        self.eps, self.dtype = eps, dtype
        self.scale = filled(use_scale, shape, 1, param_dtype)
        self.bias = filled(use_bias, shape, 0, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        x = in_dtype(x, dtype=self.dtype)
        return F.layer_norm(x, read(self.scale), read(self.bias), axis=self.axis, eps=self.eps)


class RMSNorm(nnx.Module):
    """`y = scale x / √(mean(x²) + eps)` over the last axis, or over each of `axis`, by `F.rms_norm`.

    Shapes: x (..., features) -> the same; `scale` (features,), one at the start; `features` and `axis` as in
    `LayerNorm`.
    Variant: `eps` is Flax's (PyTorch and Keras: the dtype's own).
    Errors: `ValueError` for `features` below 1 or as many as `axis` has not, and `eps` not positive.
    Parameters are stored in `param_dtype` and used in it; `dtype` is that of the result, x's own where that is None.
    Reference: Zhang and Sennrich 2019, arXiv:1910.07467.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.RMSNorm(2)(jnp.array([[3.0, 4.0]])).tolist()
    [[0.84..., 1.13...]]
    """

    def __init__(
        self,
        features: IntOrTuple,
        *,
        axis: IntOrTuple = -1,
        eps: float = 1e-6,
        use_scale: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        self.axis, shape = _axes("RMSNorm", features, axis)
        check_above("RMSNorm", "eps", eps, 0)
        self.eps, self.dtype = eps, dtype
        self.scale = filled(use_scale, shape, 1, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.rms_norm(in_dtype(x, dtype=self.dtype), read(self.scale), axis=self.axis, eps=self.eps)


def _axes(module: str, features: IntOrTuple, axis: IntOrTuple) -> tuple[int | tuple[int, ...], tuple[int, ...]]:
    """`axis`, hashable, and the shape of the parameters; of which there are as many sizes as axes."""
    shape = tuple(features) if isinstance(features, Sequence) else (features,)
    check_positive(module, "features", shape)
    axis = tuple(axis) if isinstance(axis, Sequence) else axis
    axes = axis if isinstance(axis, tuple) else (axis,)
    check_equal(module, f"the number of features, for axis={axis},", len(shape), len(axes))
    return axis, shape
