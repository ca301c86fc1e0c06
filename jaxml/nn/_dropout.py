"""Dropout with a key of its own."""

import jax
from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml.nn._scope import scoped


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
        if not 0 <= rate <= 1:
            raise ValueError(f"Dropout: rate must be in [0, 1], got {rate}")
        self.rate = rate
        self.key = nnx.Variable(rngs.dropout())

    @scoped
    def __call__(self, x: Float[Array, "..."], *, train: bool = False) -> Float[Array, "..."]:
        key = self.key[...]
        if train:
            self.key[...], key = jax.random.split(key)
        return F.dropout(key, x, rate=self.rate, train=train)
