"""Attention by dot products in several heads."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive, check_within
from jaxml.nn._common import cast, filled, in_dtype, read
from jaxml.nn._dropout import next_key
from jaxml.nn._scope import scoped


class MultiHeadAttention(nnx.Module):
    """`linear(attention(q w_q + b_q, k w_k + b_k, v w_v + b_v), w_o, b_o)`, by `F.multi_head_attention`.

    Shapes: queries (B, T, in_features), keys (B, S, key_features), values (B, S, value_features) -> (B, T,
    out_features); what is not given is the one before, so that `layer(x)` is self-attention. `w_q` (in_features,
    qkv_features), `w_k` and `w_v` alike, `w_o` (qkv_features, out_features); `b_q`, `b_k`, `b_v`, `b_o`, zero at the
    start. All features are in_features unless given. `where`, (B, S) or to be broadcast to (B, heads, T, S), says which
    keys take part, `bias` is added to the scores, and `causal` hides what comes later. `rate` is the dropout of the
    weights of the attention with `train=True`; its key moves with each such call, as in `Dropout`.
    Variant: the matrices start from `w_init`, each by itself Glorot's uniform unless given, as in Keras; PyTorch draws
    the first three as one stacked matrix, so √2 times smaller, and the last one as a linear layer's.
    Cost: the four projections, and 2 * T * S * qkv_features MACs an example.
    Errors: `ValueError` for a size below 1, heads that do not divide qkv_features, and a rate outside [0, 1].
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in that of the queries where that is None.
    Reference: Vaswani et al. 2017, arXiv:1706.03762.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.MultiHeadAttention(8, 2, rngs=nnx.Rngs(0))(jnp.ones((4, 5, 8)), causal=True).shape
    (4, 5, 8)
    """

    def __init__(
        self,
        in_features: int,
        heads: int,
        *,
        key_features: int | None = None,
        value_features: int | None = None,
        qkv_features: int | None = None,
        out_features: int | None = None,
        rate: float = 0.0,
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        given = (key_features, value_features, qkv_features, out_features)
        keys, values, inner, out = (in_features if n is None else n for n in given)
        check_positive("MultiHeadAttention", "in_features, heads", (in_features, heads))
        names = "key_features, value_features, qkv_features, out_features"
        check_positive("MultiHeadAttention", names, (keys, values, inner, out))
        if inner % heads:
            raise ValueError(f"MultiHeadAttention: heads must divide qkv_features, got heads={heads} and {inner}")
        check_within("MultiHeadAttention", "rate", rate, 0, 1)
        self.heads, self.rate, self.dtype = heads, rate, dtype
        w_init = init.glorot_uniform() if w_init is None else w_init
        self.w_q = nnx.Param(w_init(rngs.params(), (in_features, inner), param_dtype))
        self.w_k = nnx.Param(w_init(rngs.params(), (keys, inner), param_dtype))
        self.w_v = nnx.Param(w_init(rngs.params(), (values, inner), param_dtype))
        self.w_o = nnx.Param(w_init(rngs.params(), (inner, out), param_dtype))
        self.b_q, self.b_k, self.b_v = (filled(use_bias, (inner,), 0, param_dtype) for _ in range(3))
        self.b_o = filled(use_bias, (out,), 0, param_dtype)
        self.key = nnx.Variable(rngs.dropout()) if rate > 0 else None

    @scoped
    def __call__(
        self,
        queries: Float[Array, "B T E"],
        keys: Float[Array, "B S F"] | None = None,
        values: Float[Array, "B S G"] | None = None,
        *,
        where: Bool[Array, "..."] | None = None,
        bias: Float[Array, "..."] | None = None,
        causal: bool = False,
        train: bool = False,
    ) -> Float[Array, "B T O"]:
        keys = queries if keys is None else keys
        values = keys if values is None else values
        weights = (self.w_q, self.w_k, self.w_v, self.w_o, self.b_q, self.b_k, self.b_v, self.b_o)
        queries, *arrays = cast(queries, *map(read, weights), dtype=self.dtype)
        k, v, bias = in_dtype(keys, values, bias, dtype=self.dtype)
        return F.multi_head_attention(
            next_key(self.key, train),
            queries,
            k,
            v,
            *arrays,
            heads=self.heads,
            where=where,
            bias=bias,
            causal=causal,
            rate=self.rate,
            train=train,
        )
