"""Dropout with a key of its own: of single entries, of whole channels, of squares, of whole examples."""

import jax
from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml.functional._checks import check_positive
from jaxml.nn._scope import scoped

_CHANNELS = {3: F.dropout1d, 4: F.dropout2d, 5: F.dropout3d}


class Dropout(nnx.Module):
    """With `train=True`, `y = x · keep / (1 - rate)` with `keep ~ Bernoulli(1 - rate)`, by `F.dropout`; otherwise x.

    Each call with `train=True` moves the key, which is a variable: two calls draw two masks, and `functionalize`
    returns the moved key in the state. Every layer draws its own key from `rngs.dropout()`, so none is shared.

    Shapes: x (any) -> the same.
    Variant: inverted dropout, as in PyTorch, Keras and Flax: no scaling at test time.
    Errors: `ValueError` for a rate outside [0, 1].
    Reference: Hinton et al. 2012, arXiv:1207.0580.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.Dropout(0.5, rngs=nnx.Rngs(0))(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.rate = checked_rate("Dropout", rate)
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "..."], *, train: bool = False) -> Float[Array, "..."]:
        return F.dropout(next_key(self.key, train), x, rate=self.rate, train=train)


class SpatialDropout(nnx.Module):
    """With `train=True`, whole channels are dropped, by `F.dropout1d`, `2d` or `3d`, whichever is for x; otherwise x.

    Shapes: x (N, L, C), (N, H, W, C) or (N, D, H, W, C) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a rate outside [0, 1], and in a call for an x of another rank.
    Reference: Tompson et al. 2014, arXiv:1411.4280.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y = nn.SpatialDropout(0.5, rngs=nnx.Rngs(0))(jnp.ones((2, 4, 4, 8)), train=True)
    >>> bool((y == y[:, :1, :1]).all())
    True
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.rate = checked_rate("SpatialDropout", rate)
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "N *spatial C"], *, train: bool = False) -> Float[Array, "N *spatial C"]:
        dropout = _CHANNELS.get(getattr(x, "ndim", 0))
        if dropout is None:
            shape = tuple(getattr(x, "shape", ()))
            raise ValueError(
                f"SpatialDropout: x must have 3, 4 or 5 axes (N, *spatial, C), got {len(shape)} (x: {shape})"
            )
        return dropout(next_key(self.key, train), x, rate=self.rate, train=train)


class DropBlock(nnx.Module):
    """With `train=True`, squares of `window` pixels are dropped, by `F.dropblock2d`; otherwise x.

    Shapes: x (N, H, W, C) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a rate outside [0, 1] or a window below 1.
    Reference: Ghiasi et al. 2018, arXiv:1810.12890.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.DropBlock(0.1, window=3, rngs=nnx.Rngs(0))(jnp.ones((2, 8, 8, 4)), train=True).shape
    (2, 8, 8, 4)
    """

    def __init__(self, rate: float, *, window: int, rngs: nnx.Rngs):
        check_positive("DropBlock", "window", (window,))
        self.rate, self.window = checked_rate("DropBlock", rate), window
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "N H W C"], *, train: bool = False) -> Float[Array, "N H W C"]:
        return F.dropblock2d(next_key(self.key, train), x, rate=self.rate, window=self.window, train=train)


class DropPath(nnx.Module):
    """With `train=True`, whole examples are dropped, for the branch of a residual block, by `F.drop_path`; otherwise x.

    Also called stochastic depth. Shapes: x (N, ...) -> the same. The key is that of `Dropout`.
    Errors: `ValueError` for a rate outside [0, 1].
    Reference: Huang et al. 2016, arXiv:1603.09382.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y = nn.DropPath(0.5, rngs=nnx.Rngs(0))(jnp.ones((8, 4)), train=True)
    >>> bool((y == y[:, :1]).all())
    True
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.rate = checked_rate("DropPath", rate)
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "N *rest"], *, train: bool = False) -> Float[Array, "N *rest"]:
        return F.drop_path(next_key(self.key, train), x, rate=self.rate, train=train)


def checked_rate(module: str, rate: float) -> float:
    """`rate`, if it is a probability."""
    if not 0 <= rate <= 1:
        raise ValueError(f"{module}: rate must be in [0, 1], got {rate}")
    return rate


def next_key(key: nnx.Variable | None, train: bool) -> Array | None:
    """The key to draw with, if there is one; in training the variable moves on to another."""
    if key is None:
        return None
    drawn = key[...]
    if train:
        following, drawn = jax.random.split(drawn)
        key.set_value(following)
    return drawn
