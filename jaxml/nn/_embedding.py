"""Rows of a learned table."""

import math
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Int

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_choice, check_positive, check_within
from jaxml.nn._common import in_dtype
from jaxml.nn._scope import scoped


class Embedding(nnx.Module):
    """`y = w[indices]`, by `F.embedding`.

    Shapes: indices (...) -> (..., features); `w` (num_embeddings, features). An index that is no row gives NaN.
    Variant: `w` starts from `w_init`, unless given normal of deviation features^-1/2, as in Flax (PyTorch's deviation
    is 1, Keras's draw uniform in ±0.05). The row `padding_index`, if any, starts as zeros, and no gradient changes it.
    `max_norm` scales the rows that are returned; PyTorch's changes the table.
    Errors: `ValueError` for sizes below 1, a `padding_index` that is no row, a negative `max_norm`, `order` below 1.
    `w` is stored in `param_dtype`; the result is in `dtype`, or in that of `w` where that is None.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.Embedding(10, 3, rngs=nnx.Rngs(0))(jnp.array([[1, 2], [2, 9]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        features: int,
        *,
        padding_index: int | None = None,
        max_norm: float | None = None,
        order: float = 2.0,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.w = _table("Embedding", num_embeddings, features, padding_index, w_init, param_dtype, rngs)
        check_within("Embedding", "order", order, 1, math.inf)
        if max_norm is not None:
            check_within("Embedding", "max_norm", max_norm, 0, math.inf)
        self.padding_index, self.max_norm, self.order, self.dtype = padding_index, max_norm, order, dtype

    @scoped
    def __call__(self, indices: Int[Array, "*shape"], *, train: bool = False) -> Float[Array, "*shape D"]:
        w = in_dtype(self.w[...], dtype=self.dtype)
        return F.embedding(indices, w, padding_index=self.padding_index, max_norm=self.max_norm, order=self.order)


class EmbeddingBag(nnx.Module):
    """Sum, mean or maximum over bags of the rows `w[indices]`, by `F.embedding_bag`.

    Shapes: indices (B, L), one bag a row, or (T,) with `offsets` (B,) where bags begin -> (B, features); `weights`, of
    the shape of indices, are factors of the rows of a sum; `w` (num_embeddings, features), as in `Embedding`.
    Errors: `ValueError` for sizes below 1, an unknown mode, a `padding_index` that is no row.
    `w` is stored in `param_dtype`; the result is in `dtype`, or in that of `w` where that is None.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.EmbeddingBag(10, 3, rngs=nnx.Rngs(0))(jnp.array([[1, 2], [2, 9]])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        features: int,
        *,
        mode: Literal["sum", "mean", "max"] = "mean",
        padding_index: int | None = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_choice("EmbeddingBag", "mode", mode, ("sum", "mean", "max"))
        self.w = _table("EmbeddingBag", num_embeddings, features, padding_index, w_init, param_dtype, rngs)
        self.mode: Literal["sum", "mean", "max"] = mode
        self.padding_index, self.dtype = padding_index, dtype

    @scoped
    def __call__(
        self,
        indices: Int[Array, "..."],
        weights: Float[Array, "..."] | None = None,
        *,
        offsets: Int[Array, " B"] | None = None,
        train: bool = False,
    ) -> Float[Array, "B D"]:
        w, weights = in_dtype(self.w[...], weights, dtype=self.dtype)
        return F.embedding_bag(indices, w, weights, offsets=offsets, mode=self.mode, padding_index=self.padding_index)


def _table(
    module: str,
    rows: int,
    features: int,
    padding_index: int | None,
    w_init: init.Initializer | None,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> nnx.Param:
    check_positive(module, "num_embeddings, features", (rows, features))
    w_init = init.normal(stddev=features**-0.5) if w_init is None else w_init
    w = w_init(rngs.params(), (rows, features), dtype)
    if padding_index is not None:
        if not isinstance(padding_index, int) or not -rows <= padding_index < rows:
            raise ValueError(f"{module}: padding_index must be one of the {rows} rows, got {padding_index}")
        w = w.at[padding_index].set(0)
    return nnx.Param(w)
