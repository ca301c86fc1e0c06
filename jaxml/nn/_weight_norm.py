"""Layers whose kernel is written otherwise before it is used: wrappers around a layer that has one kernel `w`."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_above, check_positive
from jaxml.functional._dtypes import wide_dtype
from jaxml.nn._common import cast, read
from jaxml.nn._freeze import Frozen
from jaxml.nn._low_rank import LowRank
from jaxml.nn._scope import returned, scope, scoped


class SpectralNorm(nnx.Module):
    """The layer, with `w / σ(w)` in place of its kernel, `σ` the largest singular value, by `F.spectral_norm`.

    Shapes: those of `layer`, which is a `Linear`, `Conv`, `DepthwiseConv` or `ConvTranspose`; `u` (out_features,) is
    the singular vector that power iteration has found. With `train=True` each call takes `steps` more; `u` is a
    BatchStat variable, so `functionalize` returns it in the state. Otherwise it stays.
    Variant: PyTorch's, which starts from 15 steps of a random `u` as well; every kernel is a matrix of its outputs.
    Errors: `TypeError` for another layer, `ValueError` for `steps` below 1 or `eps` not positive.
    Reference: Miyato et al. 2018, arXiv:1802.05957.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> layer = nn.SpectralNorm(nn.Linear(3, 2, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    >>> layer(jnp.ones((5, 3)), train=True).shape
    (5, 2)
    """

    def __init__(self, layer: nnx.Module, *, steps: int = 1, eps: float = 1e-12, rngs: nnx.Rngs):
        self.layer, w = _kernel("SpectralNorm", layer)
        check_positive("SpectralNorm", "steps", (steps,))
        check_above("SpectralNorm", "eps", eps, 0)
        self.steps, self.eps = steps, eps
        u = init.normal(stddev=1.0)(rngs.params(), w.shape[-1:], wide_dtype(w.dtype))
        self.u = nnx.BatchStat(F.spectral_norm(w, u, steps=15, eps=eps)[1])

    @scoped
    def __call__(self, x: Float[Array, "*in"], *, train: bool = False) -> Float[Array, "*out"]:
        steps = self.steps if train else 0
        w, u = F.spectral_norm(self.layer.w[...], self.u[...], steps=steps, eps=self.eps)
        if train:
            self.u.set_value(u)
        return _called(self.layer, x, w)


class WeightNorm(nnx.Module):
    """The layer, with `w = g v / ‖v‖` for each output as its kernel, by `F.weight_norm`.

    Shapes: those of `layer`, which is a `Linear`, `Conv`, `DepthwiseConv` or `ConvTranspose`. Its `w` is `v`, the
    directions; `g` (out_features,) are the lengths. `g` starts as the norms of `w`, so that at first nothing changes.
    Around a layer that is frozen (`nn.freeze`) the lengths alone are trained; around one that `nn.lora` adapted, the
    lengths and the factors.
    Errors: `TypeError` for another layer.
    Reference: Salimans and Kingma 2016, arXiv:1602.07868.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> layer = nn.WeightNorm(nn.Linear(3, 2, rngs=nnx.Rngs(0)))
    >>> layer(jnp.ones((5, 3))).shape, layer.g.shape
    ((5, 2), (2,))
    """

    def __init__(self, layer: nnx.Module):
        self.layer, v = _kernel("WeightNorm", layer)
        norms = jnp.linalg.norm(v.astype(wide_dtype(v.dtype)).reshape(-1, v.shape[-1]), axis=0)
        self.g = nnx.Param(norms.astype(v.dtype))

    @scoped
    def __call__(self, x: Float[Array, "*in"], *, train: bool = False) -> Float[Array, "*out"]:
        return _called(self.layer, x, F.weight_norm(self.layer.w[...], self.g[...]))


class WeightStandardization(nnx.Module):
    """The layer, with a kernel of mean 0 and variance 1 for each output, by `F.weight_standardization`.

    Shapes: those of `layer`, which is a `Linear`, `Conv`, `DepthwiseConv` or `ConvTranspose`. Made for convolutions in
    front of a `GroupNorm`, which takes the scale away that the kernel now has.
    Errors: `TypeError` for another layer, `ValueError` for `eps` not positive.
    Reference: Qiao et al. 2019, arXiv:1903.10520.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.WeightStandardization(nn.Conv(3, 4, 3, rngs=nnx.Rngs(0)))(jnp.ones((1, 8, 8, 3))).shape
    (1, 8, 8, 4)
    """

    def __init__(self, layer: nnx.Module, *, eps: float = 1e-5):
        self.layer, _ = _kernel("WeightStandardization", layer)
        check_above("WeightStandardization", "eps", eps, 0)
        self.eps = eps

    @scoped
    def __call__(self, x: Float[Array, "*in"], *, train: bool = False) -> Float[Array, "*out"]:
        return _called(self.layer, x, F.weight_standardization(self.layer.w[...], eps=self.eps))


def _kernel(module: str, layer: Any) -> tuple[Any, Array]:
    """The layer, if its call is that of a pure function of `(x, w, b)`, and its `w`: trained, frozen or adapted."""
    w = getattr(layer, "w", None)
    if not isinstance(w, nnx.Param | Frozen | LowRank) or not hasattr(layer, "function"):
        raise TypeError(
            f"{module}: layer must be a Linear, Conv, DepthwiseConv or ConvTranspose, got {type(layer).__name__}"
        )
    return layer, w[...]


def _called(layer: Any, x: Array, w: Array) -> Array:
    """The layer's own call, with another kernel. The layer is not changed, so that this is right in any trace."""
    with scope(layer):
        return returned(layer, layer.function()(*cast(x, w, read(layer.b), dtype=layer.dtype)))
