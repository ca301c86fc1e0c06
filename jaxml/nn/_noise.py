"""Noise, and slopes, that are drawn with a key of the layer's own in training."""

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml.functional._checks import check_within
from jaxml.nn._dropout import checked_rate, next_key
from jaxml.nn._scope import scoped


class AlphaDropout(nnx.Module):
    """With `train=True`, dropout that keeps mean 0 and variance 1 in SELU networks, by `F.alpha_dropout`; otherwise x.

    Shapes: x (any) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a rate outside [0, 1].
    Reference: Klambauer et al. 2017, arXiv:1706.02515.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.AlphaDropout(0.5, rngs=nnx.Rngs(0))(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.rate = checked_rate("AlphaDropout", rate)
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.alpha_dropout(next_key(self.key, train), x, rate=self.rate, train=train)


class FeatureAlphaDropout(nnx.Module):
    """With `train=True`, `AlphaDropout` of whole channels, by `F.feature_alpha_dropout`; otherwise x.

    Shapes: x (N, *spatial, C) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a rate outside [0, 1].

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y = nn.FeatureAlphaDropout(0.5, rngs=nnx.Rngs(0))(jnp.ones((2, 4, 8)), train=True)
    >>> bool((y == y[:, :1]).all())
    True
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.rate = checked_rate("FeatureAlphaDropout", rate)
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *spatial C"]:
        return F.feature_alpha_dropout(next_key(self.key, train), x, rate=self.rate, train=train)


class GaussianDropout(nnx.Module):
    """With `train=True`, `y = x (1 + n √(rate / (1 - rate)))`, `n` normal, by `F.gaussian_dropout`; otherwise x.

    Shapes: x (any) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a rate outside [0, 1).
    Reference: Srivastava et al. 2014, section 10.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.GaussianDropout(0.5, rngs=nnx.Rngs(0))(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        if not 0 <= rate < 1:
            raise ValueError(f"GaussianDropout: rate must be in [0, 1), got {rate}")
        self.rate = rate
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.gaussian_dropout(next_key(self.key, train), x, rate=self.rate, train=train)


class GaussianNoise(nnx.Module):
    """With `train=True`, `y = x + stddev n`, `n` normal, by `F.gaussian_noise`; otherwise x.

    Shapes: x (any) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a negative stddev.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.GaussianNoise(0.5, rngs=nnx.Rngs(0))(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, stddev: float, *, rngs: nnx.Rngs):
        check_within("GaussianNoise", "stddev", stddev, 0)
        self.stddev = stddev
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.gaussian_noise(next_key(self.key, train), x, stddev=self.stddev, train=train)


class RReLU(nnx.Module):
    """`x` above 0, else `a x`, by `F.rrelu`; `a` is drawn from [minval, maxval) with `train=True`, else their mean.

    Shapes: x (any) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a maxval below minval.
    Reference: Xu et al. 2015, arXiv:1505.00853.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.RReLU(minval=0.25, maxval=0.75, rngs=nnx.Rngs(0))(jnp.array([-2.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    def __init__(self, *, minval: float = 1 / 8, maxval: float = 1 / 3, rngs: nnx.Rngs):
        check_within("RReLU", "maxval", maxval, minval)
        self.minval, self.maxval = minval, maxval
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape"]:
        return F.rrelu(next_key(self.key, train), x, minval=self.minval, maxval=self.maxval, train=train)
