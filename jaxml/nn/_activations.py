"""Activations with parameters that are learned."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast
from jaxml.nn._scope import scoped


class PReLU(nnx.Module):
    """`x` above 0, else `alpha x` with a learned slope, by `F.prelu`.

    Shapes: x (..., features) -> the same; `alpha` (features,), or () where features is None: one slope for all, and x
    of any shape. It starts at `alpha`, the paper's and PyTorch's 0.25 unless given (Keras: 0).
    Errors: `ValueError` for `features` below 1.
    `alpha` is stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.
    Reference: He et al. 2015, arXiv:1502.01852.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.PReLU()(jnp.array([-2.0, 3.0])).tolist()
    [-0.5, 3.0]
    """

    def __init__(
        self,
        *,
        features: int | None = None,
        alpha: float = 0.25,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        # rngs is taken, and not needed, so that every layer with parameters is made in the same way.
        self.dtype, self.alpha = dtype, _one_or_each("PReLU", features, alpha, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.prelu(*cast(x, self.alpha[...], dtype=self.dtype))


class Snake(nnx.Module):
    """`x + sin²(alpha x) / alpha` with a learned frequency, by `F.snake`.

    Shapes: x (..., features) -> the same; `alpha` (features,), or () where features is None: one for all, and x of any
    shape. It starts at `alpha`, 1 unless given; at 0 it would stay there.
    Errors: `ValueError` for `features` below 1.
    `alpha` is stored in `param_dtype`; a call computes in `dtype`, or in x's own where that is None.
    Reference: Ziyin et al. 2020, arXiv:2006.08195.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.Snake()(jnp.array([0.0, jnp.pi])).round(2).tolist()
    [0.0, 3.1...]
    """

    def __init__(
        self,
        *,
        features: int | None = None,
        alpha: float = 1.0,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        self.dtype, self.alpha = dtype, _one_or_each("Snake", features, alpha, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.snake(*cast(x, self.alpha[...], dtype=self.dtype))


def _one_or_each(module: str, features: int | None, alpha: float, dtype: DTypeLike) -> nnx.Param:
    if features is not None:
        check_positive(module, "features", (features,))
    return nnx.Param(jnp.full(() if features is None else (features,), alpha, dtype))
