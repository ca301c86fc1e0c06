"""Attention of sequence-to-sequence models, whose scores are learned."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast, in_dtype
from jaxml.nn._scope import scoped


class AdditiveAttention(nnx.Module):
    """`softmax_s(vᵀ tanh(q_t w_q + k_s w_k))` as weights of the values, Bahdanau's, by `F.additive_attention`.

    Shapes: queries (B, T, query_features), keys (B, S, key_features), values (B, S, V), the keys unless given -> (B, T,
    V); `w_q` (query_features, features), `w_k` (key_features, features), `v` (features,). `where` (B, S) or (B, T, S)
    says which keys take part.
    Variant: `w_q` and `w_k` start from `w_init`, Glorot's uniform unless given, `v` normal of deviation features^-1/2;
    the paper has deviation 0.001 and a `v` of zeros. Keras's AdditiveAttention has `v` alone.
    Cost: the two projections, and T * S * (features + V) MACs an example.
    Errors: `ValueError` for a size that is not positive.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in that of the queries where that is None.
    Reference: Bahdanau et al. 2014, arXiv:1409.0473.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.AdditiveAttention(3, 4, 8, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)), jnp.ones((2, 6, 4))).shape
    (2, 5, 4)
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        features: int,
        *,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        sizes = (query_features, key_features, features)
        check_positive("AdditiveAttention", "query_features, key_features, features", sizes)
        self.dtype = dtype
        w_init = init.glorot_uniform() if w_init is None else w_init
        self.w_q = nnx.Param(w_init(rngs.params(), (query_features, features), param_dtype))
        self.w_k = nnx.Param(w_init(rngs.params(), (key_features, features), param_dtype))
        self.v = nnx.Param(init.normal(stddev=features**-0.5)(rngs.params(), (features,), param_dtype))

    @scoped
    def __call__(
        self,
        queries: Float[Array, "B T Q"],
        keys: Float[Array, "B S K"],
        values: Float[Array, "B S V"] | None = None,
        *,
        where: Bool[Array, "..."] | None = None,
        train: bool = False,
    ) -> Float[Array, "B T V2"]:
        k, v = in_dtype(keys, keys if values is None else values, dtype=self.dtype)
        queries, *arrays = cast(queries, self.w_q[...], self.w_k[...], self.v[...], dtype=self.dtype)
        return F.additive_attention(queries, k, v, *arrays, where=where)


class LuongAttention(nnx.Module):
    """`softmax_s(q_tᵀ w k_s)` as weights of the values, Luong's "general" score, by `F.luong_attention`.

    Shapes: queries (B, T, query_features), keys (B, S, key_features), values (B, S, V), the keys unless given -> (B, T,
    V); `w` (query_features, key_features). `where` (B, S) or (B, T, S) says which keys take part.
    Variant: `w` starts from `w_init`, Glorot's uniform unless given; the paper's is uniform in ±0.1. Its "dot" score
    has no parameters: call `F.luong_attention`.
    Cost: the projection, and T * S * (key_features + V) MACs an example.
    Errors: `ValueError` for a size that is not positive.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in that of the queries where that is None.
    Reference: Luong et al. 2015, arXiv:1508.04025.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.LuongAttention(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)), jnp.ones((2, 6, 4))).shape
    (2, 5, 4)
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        *,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive("LuongAttention", "query_features, key_features", (query_features, key_features))
        self.dtype = dtype
        w_init = init.glorot_uniform() if w_init is None else w_init
        self.w = nnx.Param(w_init(rngs.params(), (query_features, key_features), param_dtype))

    @scoped
    def __call__(
        self,
        queries: Float[Array, "B T Q"],
        keys: Float[Array, "B S K"],
        values: Float[Array, "B S V"] | None = None,
        *,
        where: Bool[Array, "..."] | None = None,
        train: bool = False,
    ) -> Float[Array, "B T V2"]:
        k, v = in_dtype(keys, keys if values is None else values, dtype=self.dtype)
        queries, w = cast(queries, self.w[...], dtype=self.dtype)
        return F.luong_attention(queries, k, v, w, where=where)
