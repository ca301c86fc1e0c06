"""What every family of image networks shares: activations by name, the pooling of the last map, the compute dtype."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.nn._bridge import checkpointed

POOLS = ("avg", "max", "none")


class Taps:
    """The activations that a call is asked for, gathered by name while the network runs.

    The names are the same in every family: `"stem"`, `"blocks/0"` and on, `"features"` (the last map, before it is
    pooled) and `"pool"`.
    """

    def __init__(self, model: str, asked: Sequence[str], known: Sequence[str]):
        if isinstance(asked, str):
            raise ValueError(f"{model}: taps must be a sequence of names, got {asked!r}; write taps=({asked!r},)")
        for name in asked:
            check_choice(model, "tap", name, known)
        self.asked, self.kept = tuple(asked), {}

    def __call__(self, name: str, x: Array) -> Array:
        """x, kept if `name` is asked for."""
        if name in self.asked:
            self.kept[name] = x
        return x

    def wants(self, name: str) -> bool:
        """Whether `name` is asked for."""
        return name in self.asked

    def result(self, output: Array) -> Any:
        """`output`, with the activations in the order asked for beside it if there are any."""
        return (output, {name: self.kept[name] for name in self.asked}) if self.asked else output


def tap_names(blocks: int) -> tuple[str, ...]:
    """The names of a network's activations, in the order they arise."""
    return ("stem", *(f"blocks/{i}" for i in range(blocks)), "features", "pool")


def last_at_each_stride(strides: Sequence[int]) -> tuple[str, ...]:
    """Of the stem and the blocks, whose strides are given, the last one at each resolution."""
    names = ["stem", *(f"blocks/{i}" for i in range(len(strides)))]
    return tuple(name for name, following in zip(names, (*strides, 2), strict=True) if following != 1)


def check_pool(model: str, pool: str) -> None:
    """`pool` is one that `global_pool` knows."""
    check_choice(model, "pool", pool, POOLS)


def global_pool(x: Array, pool: str) -> Array:
    """`(N, H, W, C)` -> `(N, C)` by the mean or the largest entry; as it is with `"none"`."""
    if pool == "none":
        return x
    return F.global_avg_pool(x) if pool == "avg" else F.global_max_pool(x)


def classifier(features: int, num_classes: int, *, rngs: nnx.Rngs) -> nn.Linear | None:
    """The linear layer on the pooled features, or None for a network without classes."""
    return None if num_classes == 0 else nn.Linear(features, num_classes, rngs=rngs)


def classify(x: Array, dropout: nn.Dropout, head: nn.Linear | None, *, dtype: Any, train: bool) -> Array:
    """Dropout and classifier of pooled features, in `dtype`, the network's input's, whatever the blocks ran in."""
    x = dropout(x.astype(dtype), train=train)
    return x if head is None else head(x, train=train)


def drop_path(rate: float, rngs: nnx.Rngs) -> nn.DropPath | None:
    """Stochastic depth, if there is any: without it no random key is in the state."""
    return nn.DropPath(rate, rngs=rngs) if rate else None


def compute_in(x: Array, dtype: DTypeLike | None) -> Array:
    """x in the dtype that the network computes in; an integer image passes through, for the first layer to refuse."""
    return x if dtype is None or not jnp.issubdtype(x.dtype, jnp.floating) else x.astype(dtype)


def run_block(block: nnx.Module, x: Array, *, train: bool, remat: bool) -> Array:
    """`block(x)`, under `jax.checkpoint` with `remat`."""
    return checkpointed(block, x, train=train) if remat else block(x, train=train)  # type: ignore[operator]
