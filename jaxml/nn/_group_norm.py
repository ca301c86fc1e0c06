"""Normalisation of each example's channels, one by one or in groups."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional._checks import check_above, check_positive
from jaxml.nn._common import filled, in_dtype, read
from jaxml.nn._scope import scoped


class GroupNorm(nnx.Module):
    """`y = scale (x - mean) / √(var + eps) + bias`, of each example over its positions and a group, by `F.group_norm`.

    Shapes: x (N, *spatial, features) -> the same; `scale`, one at the start, and `bias`, zero, (features,). The paper
    has 32 groups; one is the layer norm of a whole image.
    Errors: `ValueError` for sizes below 1, groups that do not divide the features, and `eps` not positive.
    Parameters are stored in `param_dtype` and used in it; `dtype` is that of the result, x's own where that is None.
    Reference: Wu and He 2018, arXiv:1803.08494.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.GroupNorm(4, groups=2)(jnp.array([[[1.0, 3.0, 5.0, 5.0]]])).round(2).tolist()
    [[[-1.0, 1.0, 0.0, 0.0]]]
    """

    def __init__(
        self,
        features: int,
        *,
        groups: int,
        eps: float = 1e-5,
        use_scale: bool = True,
        use_bias: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        # rngs is taken, and not needed, so that every layer with parameters is made in the same way.
        check_positive("GroupNorm", "features, groups", (features, groups))
        if features % groups:
            raise ValueError(f"GroupNorm: groups must divide features, got groups={groups}, features={features}")
        check_above("GroupNorm", "eps", eps, 0)
        self.groups, self.eps, self.dtype = groups, eps, dtype
        self.scale = filled(use_scale, (features,), 1, param_dtype)
        self.bias = filled(use_bias, (features,), 0, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *spatial C"]:
        x = in_dtype(x, dtype=self.dtype)
        return F.group_norm(x, read(self.scale), read(self.bias), groups=self.groups, eps=self.eps)


class InstanceNorm(nnx.Module):
    """`y = scale (x - mean) / √(var + eps) + bias`, of each channel of each example, by `F.instance_norm`.

    Shapes: x (N, *spatial, features) -> the same; `scale`, one at the start, and `bias`, zero, (features,).
    Variant: scale and bias are learned unless said otherwise, as in Flax; PyTorch's `affine` is False by default. There
    are no running statistics: those of PyTorch's `track_running_stats` are a `BatchNorm`'s.
    Errors: `ValueError` for `features` below 1 and `eps` not positive.
    Parameters are stored in `param_dtype` and used in it; `dtype` is that of the result, x's own where that is None.
    Reference: Ulyanov et al. 2016, arXiv:1607.08022.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.InstanceNorm(2)(jnp.array([[[1.0, 5.0], [3.0, 5.0]]])).round(2).tolist()
    [[[-1.0, 0.0], [1.0, 0.0]]]
    """

    def __init__(
        self,
        features: int,
        *,
        eps: float = 1e-5,
        use_scale: bool = True,
        use_bias: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        check_positive("InstanceNorm", "features", (features,))
        check_above("InstanceNorm", "eps", eps, 0)
        self.eps, self.dtype = eps, dtype
        self.scale = filled(use_scale, (features,), 1, param_dtype)
        self.bias = filled(use_bias, (features,), 0, param_dtype)

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *spatial C"]:
        return F.instance_norm(in_dtype(x, dtype=self.dtype), read(self.scale), read(self.bias), eps=self.eps)
