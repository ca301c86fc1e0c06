"""Long short-term memory with layer normalisation, of one step and over time."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Integer

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast, in_dtype, read
from jaxml.nn._recurrent_base import uniform
from jaxml.nn._scope import scoped


class LayerNormLSTMCell(nnx.Module):
    """One step of an LSTM whose products and cell are normalised, by `F.layer_norm_lstm_cell`.

    Shapes: x (B, in_features), h and c (B, hidden_features) -> `(h', c')`; `w_ih` (in_features, 4 * hidden_features)
    and `w_hh` (hidden_features, 4 * hidden_features), both from `w_init`, unless given uniform in
    ±hidden_features^-1/2; `b` (4 * hidden_features,), gates i f g o, zero at the start but for the forget gate, which
    has 1; `scale_ih`, `scale_hh` (4 * hidden_features,) and `scale_c` (hidden_features,) of ones, `bias_c` of zeros.
    Cost: 4 * (in_features + hidden_features) * hidden_features MACs a row.
    Errors: `ValueError` for a size below 1.
    Reference: Ba, Kiros and Hinton 2016, arXiv:1607.06450.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> h, c = nn.LayerNormLSTMCell(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 3)), jnp.zeros((2, 4)), jnp.zeros((2, 4)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        eps: float = 1e-5,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_positive(type(self).__name__, "in_features, hidden_features", (in_features, hidden_features))
        columns, draw = 4 * hidden_features, uniform(hidden_features) if w_init is None else w_init
        self.eps, self.dtype = eps, dtype
        self.w_ih = nnx.Param(draw(rngs.params(), (in_features, columns), param_dtype))
        self.w_hh = nnx.Param(draw(rngs.params(), (hidden_features, columns), param_dtype))
        self.b = nnx.Param(jnp.zeros(columns, param_dtype).at[hidden_features : 2 * hidden_features].set(1))
        self.scale_ih, self.scale_hh = (nnx.Param(jnp.ones(columns, param_dtype)) for _ in range(2))
        self.scale_c = nnx.Param(jnp.ones(hidden_features, param_dtype))
        self.bias_c = nnx.Param(jnp.zeros(hidden_features, param_dtype))

    @scoped
    def __call__(
        self, x: Float[Array, "B I"], h: Float[Array, "B H"], c: Float[Array, "B H"], *, train: bool = False
    ) -> tuple[Float[Array, "B H"], Float[Array, "B H"]]:
        x, *params = self._arrays(x)
        h, c = (in_dtype(state, dtype=self.dtype) for state in (h, c))
        return F.layer_norm_lstm_cell(x, h, c, *params, eps=self.eps)

    def _arrays(self, x: Array) -> tuple[Any, ...]:
        held = (self.w_ih, self.w_hh, self.b, self.scale_ih, self.scale_hh, self.scale_c, self.bias_c)
        return tuple(cast(x, *map(read, held), dtype=self.dtype))


class LayerNormLSTM(LayerNormLSTMCell):
    """`LayerNormLSTMCell` over time, by `F.layer_norm_lstm`; its parameters and options are the cell's.

    Shapes: x (B, T, in_features) -> outputs (B, T, hidden_features) and the last states, each (B, hidden_features).
    `lengths`, `h0`, `c0` and `reverse` are as in `LSTM`.
    Cost: 4 * (in_features + hidden_features) * hidden_features MACs a step.
    Errors: `ValueError` for a size below 1.
    Reference: Ba, Kiros and Hinton 2016, arXiv:1607.06450.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y, (h, c) = nn.LayerNormLSTM(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)), lengths=jnp.array([5, 2]))
    >>> y.shape, float(y[1, 2:].sum())
    ((2, 5, 4), 0.0)
    """

    @scoped
    def __call__(
        self,
        x: Float[Array, "B T I"],
        *,
        lengths: Integer[Array, " B"] | None = None,
        h0: Float[Array, "B H"] | None = None,
        c0: Float[Array, "B H"] | None = None,
        reverse: bool = False,
        train: bool = False,
    ) -> tuple[Float[Array, "B T H"], tuple[Float[Array, "B H"], Float[Array, "B H"]]]:
        x, *params = self._arrays(x)
        h0, c0 = (None if state is None else in_dtype(state, dtype=self.dtype) for state in (h0, c0))
        return F.layer_norm_lstm(x, *params, h0=h0, c0=c0, lengths=lengths, reverse=reverse, eps=self.eps)
