"""Recurrent layers of one step, and two layers that read in opposite directions."""

from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Integer

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast, filled, in_dtype, read
from jaxml.nn._recurrent import GRU, LSTM, RNN
from jaxml.nn._recurrent_base import uniform
from jaxml.nn._scope import scoped


class _Cell(nnx.Module):
    """The parameters of one step."""

    gates = 1

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        use_bias: bool,
        w_init: init.Initializer | None,
        dtype: DTypeLike | None,
        param_dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(type(self).__name__, "in_features, hidden_features", (in_features, hidden_features))
        columns, draw = self.gates * hidden_features, uniform(hidden_features) if w_init is None else w_init
        self.dtype = dtype
        self.w_ih = nnx.Param(draw(rngs.params(), (in_features, columns), param_dtype))
        self.w_hh = nnx.Param(draw(rngs.params(), (hidden_features, columns), param_dtype))
        self.b_ih, self.b_hh = (filled(use_bias, (columns,), 0, param_dtype) for _ in range(2))

    def _arrays(self, x: Array, *state: Array) -> tuple[Any, ...]:
        x, *params = cast(x, *map(read, (self.w_ih, self.w_hh, self.b_ih, self.b_hh)), dtype=self.dtype)
        return (x, *(in_dtype(s, dtype=self.dtype) for s in state), *params)


class RNNCell(_Cell):
    """One step of Elman's network, `h' = tanh(x w_ih + b_ih + h w_hh + b_hh)`, by `F.rnn_cell`.

    Shapes: x (B, in_features), h (B, hidden_features) -> h'; `w_ih` (in_features, hidden_features), `w_hh`
    (hidden_features, hidden_features), both from `w_init`, unless given uniform in ±hidden_features^-1/2; `b_ih` and
    `b_hh` (hidden_features,), zero at the start.
    Cost: (in_features + hidden_features) * hidden_features MACs a row.
    Errors: `ValueError` for a size below 1.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.RNNCell(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 3)), jnp.zeros((2, 4))).shape
    (2, 4)
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features, hidden_features, use_bias=use_bias, w_init=w_init, dtype=dtype, param_dtype=param_dtype,
            rngs=rngs,
        )  # fmt: skip
        self.activation = activation

    @scoped
    def __call__(self, x: Float[Array, "B I"], h: Float[Array, "B H"], *, train: bool = False) -> Float[Array, "B H"]:
        options: Any = {"activation": self.activation}
        return F.rnn_cell(*self._arrays(x, h), **options)


class LSTMCell(_Cell):
    """One step of a long short-term memory, by `F.lstm_cell`.

    Shapes: x (B, in_features), h and c (B, hidden_features) -> `(h', c')`; `w_ih` (in_features, 4 * hidden_features),
    `w_hh` (hidden_features, 4 * hidden_features), `b_ih` and `b_hh` (4 * hidden_features,), gates i f g o; they start
    as those of `LSTM`, and so does the (3, hidden_features) `peephole` of `peepholes=True`.
    Cost: 4 * (in_features + hidden_features) * hidden_features MACs a row.
    Errors: `ValueError` for a size below 1.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> h, c = nn.LSTMCell(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 3)), jnp.zeros((2, 4)), jnp.zeros((2, 4)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        peepholes: bool = False,
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features, hidden_features, use_bias=use_bias, w_init=w_init, dtype=dtype, param_dtype=param_dtype,
            rngs=rngs,
        )  # fmt: skip
        self.peephole = filled(peepholes, (3, hidden_features), 0, param_dtype)
        if self.b_ih is not None:
            self.b_ih.set_value(self.b_ih[...].at[hidden_features : 2 * hidden_features].set(1))

    @scoped
    def __call__(
        self, x: Float[Array, "B I"], h: Float[Array, "B H"], c: Float[Array, "B H"], *, train: bool = False
    ) -> tuple[Float[Array, "B H"], Float[Array, "B H"]]:
        x, *rest = self._arrays(x, h, c)
        _, peephole = cast(x, read(self.peephole))
        return F.lstm_cell(x, *rest, peephole=peephole)


class GRUCell(_Cell):
    """One step of a gated recurrent unit, by `F.gru_cell`.

    Shapes: x (B, in_features), h (B, hidden_features) -> h'; `w_ih` (in_features, 3 * hidden_features), `w_hh`
    (hidden_features, 3 * hidden_features), `b_ih` and `b_hh` (3 * hidden_features,), gates r z n; they start as those
    of `GRU`, and `reset_after` is its too.
    Cost: 3 * (in_features + hidden_features) * hidden_features MACs a row.
    Errors: `ValueError` for a size below 1.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> nn.GRUCell(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 3)), jnp.zeros((2, 4))).shape
    (2, 4)
    """

    gates = 3

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        reset_after: bool = True,
        use_bias: bool = True,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features, hidden_features, use_bias=use_bias, w_init=w_init, dtype=dtype, param_dtype=param_dtype,
            rngs=rngs,
        )  # fmt: skip
        self.reset_after = reset_after

    @scoped
    def __call__(self, x: Float[Array, "B I"], h: Float[Array, "B H"], *, train: bool = False) -> Float[Array, "B H"]:
        return F.gru_cell(*self._arrays(x, h), reset_after=self.reset_after)


class Bidirectional(nnx.Module):
    """Two recurrent layers on one input, the second reading each row from its own end; their outputs side by side.

    Shapes: x (B, T, in_features) -> outputs (B, T, F + G) of layers with F and G, and the pair of their last states.
    They may be of different kinds and sizes; for two of one size, `LSTM(..., bidirectional=True)` says the same.
    Cost: that of both layers.
    Errors: `TypeError` for a layer that is none of RNN, LSTM and GRU.
    Reference: Schuster and Paliwal 1997.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> both = nn.Bidirectional(nn.GRU(3, 4, rngs=nnx.Rngs(0)), nn.LSTM(3, 2, rngs=nnx.Rngs(1)))
    >>> both(jnp.ones((2, 5, 3)), lengths=jnp.array([5, 2]))[0].shape
    (2, 5, 6)
    """

    def __init__(self, forward: Any, backward: Any):
        for layer in (forward, backward):
            if not isinstance(layer, RNN | LSTM | GRU):
                raise TypeError(f"Bidirectional: layers must be of RNN, LSTM or GRU, got {type(layer).__name__}")
        self.forward, self.backward = forward, backward

    @scoped
    def __call__(
        self, x: Float[Array, "B T I"], *, lengths: Integer[Array, " B"] | None = None, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Any]:
        y, state = self.forward(x, lengths=lengths, train=train)
        z, other = self.backward(x, lengths=lengths, reverse=True, train=train)
        return jnp.concatenate([y, z], -1), (state, other)
