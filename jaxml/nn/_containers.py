"""Layers in a row, and the layers that make plain functions fit in."""

from collections.abc import Callable
from typing import Any

from flax import nnx
from jaxtyping import Array, Float, Shaped

import jaxml.functional as F
from jaxml.nn._scope import scoped


class Flatten(nnx.Module):
    """All axes but the first become one, by `F.flatten`: (N, ...) -> (N, prod).

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.Flatten()(jnp.ones((2, 8, 8, 3))).shape
    (2, 192)
    """

    @scoped
    def __call__(self, x: Shaped[Array, "N ..."], *, train: bool = False) -> Shaped[Array, "N D"]:
        return F.flatten(x)


class Activation(nnx.Module):
    """`fn(x)`: a plain function as a layer, the same in training and evaluation.

    Errors: `TypeError` where `fn` cannot be called.

    >>> import jax.numpy as jnp; from jaxml import nn; import jaxml.functional as F
    >>> nn.Activation(F.relu)(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, fn: Callable[[Any], Any]):
        if not callable(fn):
            raise TypeError(f"Activation: fn must be callable, got {type(fn).__name__}")
        self.fn = fn

    @scoped
    def __call__(self, x: Float[Array, "..."], *, train: bool = False) -> Array:
        return self.fn(x)


class Sequential(nnx.Module):
    """`layers[-1](… layers[0](x))`: modules are called with `train=`, plain functions with x alone.

    Functions are kept as `Activation`s; a module that takes no `train` is wrapped in one by the user.
    Errors: `TypeError` for a layer that cannot be called, such as a list given in place of its entries, or a class.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn; import jaxml.functional as F
    >>> net = nn.Sequential(nn.Linear(4, 8, rngs=nnx.Rngs(0)), F.relu, nn.Linear(8, 2, rngs=nnx.Rngs(1)))
    >>> net(jnp.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(self, *layers: Callable[..., Any]):
        for i, layer in enumerate(layers):
            if isinstance(layer, type):
                raise TypeError(f"Sequential: layer {i} is the class {layer.__name__}; give an instance of it")
            if not callable(layer):
                raise TypeError(f"Sequential: layer {i} must be callable, got {type(layer).__name__}")
        self.layers = nnx.List([layer if isinstance(layer, nnx.Module) else Activation(layer) for layer in layers])

    def __call__(self, x: Any, *, train: bool = False) -> Any:
        for layer in self.layers:
            x = layer(x, train=train)
        return x
