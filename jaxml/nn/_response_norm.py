"""Normalisation of responses, from which no mean is taken away."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional._checks import check_above, check_positive
from jaxml.nn._common import filled, in_dtype, read
from jaxml.nn._scope import scoped


class FilterResponseNorm(nnx.Module):
    """`y = max(scale x / √(mean(x²) + eps) + bias, threshold)`, means over the positions, by `F.filter_response_norm`.

    Shapes: x (N, *spatial, features) -> the same; `scale`, one at the start, `bias` and `threshold`, zero, (features,).
    The threshold is the paper's activation, and starts as relu.
    Errors: `ValueError` for `features` below 1 and `eps` not positive.
    Parameters are stored in `param_dtype` and used in it; `dtype` is that of the result, x's own where that is None.
    Reference: Singh and Krishnan 2019, arXiv:1911.09737.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.FilterResponseNorm(1)(jnp.array([[[3.0], [-4.0]]])).tolist()
    [[[0.84...], [0.0]]]
    """

    def __init__(
        self,
        features: int,
        *,
        eps: float = 1e-6,
        use_scale: bool = True,
        use_bias: bool = True,
        use_threshold: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        # rngs is taken, and not needed, so that every layer with parameters is made in the same way.
        check_positive("FilterResponseNorm", "features", (features,))
        check_above("FilterResponseNorm", "eps", eps, 0)
        self.eps, self.dtype = eps, dtype
        self.scale = filled(use_scale, (features,), 1, param_dtype)
        self.bias = filled(use_bias, (features,), 0, param_dtype)
        self.threshold = filled(use_threshold, (features,), 0, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *spatial C"]:
        x = in_dtype(x, dtype=self.dtype)
        return F.filter_response_norm(x, read(self.scale), read(self.bias), read(self.threshold), eps=self.eps)


class GlobalResponseNorm(nnx.Module):
    """`y = x + bias + scale x g / (mean(g) + eps)`, `g` the norms of the channels, by `F.global_response_norm`.

    Shapes: x (N, *spatial, features) -> the same; `scale` and `bias` (features,), both zero at the start, as in the
    paper, so that y is x.
    Errors: `ValueError` for `features` below 1 and `eps` not positive.
    Parameters are stored in `param_dtype` and used in it; `dtype` is that of the result, x's own where that is None.
    Reference: Woo et al. 2023, arXiv:2301.00808.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.GlobalResponseNorm(2)(jnp.array([[[3.0, 0.0], [4.0, 0.0]]])).tolist()
    [[[3.0, 0.0], [4.0, 0.0]]]
    """

    def __init__(
        self,
        features: int,
        *,
        eps: float = 1e-6,
        use_bias: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        check_positive("GlobalResponseNorm", "features", (features,))
        check_above("GlobalResponseNorm", "eps", eps, 0)
        self.eps, self.dtype = eps, dtype
        self.scale = nnx.Param(jnp.zeros((features,), param_dtype))
        self.bias = filled(use_bias, (features,), 0, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *spatial C"]:
        return F.global_response_norm(in_dtype(x, dtype=self.dtype), self.scale[...], read(self.bias), eps=self.eps)
