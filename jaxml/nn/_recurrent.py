"""Recurrent layers over time."""

from collections.abc import Sequence
from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Integer

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._recurrent_base import Recurrent
from jaxml.nn._scope import scoped


class RNN(Recurrent):
    """Elman's network over time, `h_t = tanh(x_t w_ih + b_ih + h_{t-1} w_hh + b_hh)`, by `F.rnn`.

    Shapes: x (B, T, in_features) -> outputs (B, T, hidden_features) and the last state (B, hidden_features); `w_ih`
    (in_features, hidden_features), `w_hh` (hidden_features, hidden_features), `b_ih` and `b_hh` (hidden_features,).
    All else is as in `LSTM`, but that `zoneout_rate` is one rate.
    Cost: (in_features + hidden_features) * hidden_features MACs a step, of each layer and direction.
    Errors: `ValueError` for a size below 1, and rates outside their ranges, as in `LSTM`.
    Reference: Elman 1990.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y, h = nn.RNN(3, 4, activation="relu", rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)))
    >>> y.shape, h.shape
    ((2, 5, 4), (2, 4))
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout_rate: float = 0.0,
        variational: bool = False,
        recurrent_dropout_rate: float = 0.0,
        zoneout_rate: float = 0.0,
        activation: Literal["tanh", "relu"] = "tanh",
        use_bias: bool = True,
        checkpoint_every: int | None = None,
        implementation: Any = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features, hidden_features, num_layers=num_layers, bidirectional=bidirectional,
            dropout_rate=dropout_rate, variational=variational, recurrent_dropout_rate=recurrent_dropout_rate,
            zoneout_rate=(zoneout_rate,), use_bias=use_bias, checkpoint_every=checkpoint_every,
            implementation=implementation, w_init=w_init, dtype=dtype, param_dtype=param_dtype, rngs=rngs,
        )  # fmt: skip
        self.activation: Literal["tanh", "relu"] = activation

    @scoped
    def __call__(
        self,
        x: Float[Array, "B T I"],
        *,
        lengths: Integer[Array, " B"] | None = None,
        h0: Float[Array, "..."] | None = None,
        reverse: bool = False,
        train: bool = False,
    ) -> tuple[Float[Array, "B T F"], Float[Array, "..."]]:
        x, given = self._arrays(x, {"h0": h0}, train)
        return F.rnn(x, lengths=lengths, reverse=reverse, activation=self.activation, **given)


class LSTM(Recurrent):
    """A long short-term memory over time, by `F.lstm`.

    Shapes: x (B, T, in_features) -> outputs (B, T, hidden_features) and the last states `(h, c)`, (B, hidden_features)
    each; `w_ih` (in_features, 4 * hidden_features), `w_hh` (hidden_features, 4 * hidden_features), `b_ih` and `b_hh`
    (4 * hidden_features,), gates i f g o. With `projection_features`, P, the outputs and h have P features, `w_hh`
    (P, 4 * hidden_features), and `w_hr` is (hidden_features, P). With several layers, or `bidirectional`, each of these
    is a list, for l0, l0_reverse, l1, ..., the states are (layers * directions, B, ...), and the outputs of the two
    directions stand side by side. `lengths` (B,) are the steps of each row: the outputs are 0 past them, and the states
    those at the end.

    With `train=True` masks are drawn, of one key that moves with each such call, as in `Dropout`:

        dropout_rate            x_t of every layer but the first, times m / (1 - rate), m ~ Bernoulli(1 - rate) anew for
                                each entry; `variational`, one m (B, 1, F) for all steps (of the first layer's input,
                                and of the outputs, that is `SpatialDropout`)
        recurrent_dropout_rate  h_{t-1} on its way to `w_hh`, times m / (1 - rate), one m (B, H) for all steps
        zoneout_rate            h_t = z h_{t-1} + (1 - z) h'_t of the new h'_t, z ~ Bernoulli(rate) (B, T, H), and c_t
                                alike; a pair (h, c) gives each its own. Without `train` z is the rate itself

    each layer and direction with masks of its own. With `peepholes` the gates see the cell: `peephole`
    (3, hidden_features), zero at the start, is that of `F.lstm_cell`. `checkpoint_every` is that of `F.lstm`: the
    backward pass of long sequences computes the gates anew, from the states of every so many steps.

    Variant: the matrices start from `w_init`, unless given PyTorch's uniform in ±hidden_features^-1/2; the biases are
    zero but for the forget gate's in `b_ih`, which is 1 (Jozefowicz et al. 2015; Keras).
    Cost: 4 * (in_features + hidden_features) * hidden_features MACs a step, of each layer and direction.
    Errors: `ValueError` for a size or `checkpoint_every` below 1, a `dropout_rate` outside [0, 1], another rate outside
    [0, 1), and for `implementation="cudnn"` with peepholes, recurrent dropout or zoneout.
    Parameters are stored in `param_dtype`; a call computes in `dtype`, or in that of x where that is None.
    Reference: Hochreiter and Schmidhuber 1997; peepholes Gers and Schmidhuber 2000; variational and recurrent dropout
    Gal and Ghahramani 2016, arXiv:1512.05287; zoneout Krueger et al. 2017, arXiv:1606.01305.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y, (h, c) = nn.LSTM(3, 4, bidirectional=True, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)))
    >>> y.shape, c.shape
    ((2, 5, 8), (2, 2, 4))
    """

    gates = 4

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout_rate: float = 0.0,
        variational: bool = False,
        recurrent_dropout_rate: float = 0.0,
        zoneout_rate: float | tuple[float, float] = 0.0,
        projection_features: int | None = None,
        peepholes: bool = False,
        use_bias: bool = True,
        checkpoint_every: int | None = None,
        implementation: Any = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        if projection_features is not None:
            check_positive("LSTM", "projection_features", (projection_features,))
        zoneout = tuple(zoneout_rate) if isinstance(zoneout_rate, Sequence) else (zoneout_rate, zoneout_rate)
        if len(zoneout) != 2:
            raise ValueError(f"LSTM: zoneout_rate must be one rate or a pair (h, c), got {zoneout_rate}")
        super().__init__(
            in_features, hidden_features, num_layers=num_layers, bidirectional=bidirectional,
            dropout_rate=dropout_rate, variational=variational, recurrent_dropout_rate=recurrent_dropout_rate,
            zoneout_rate=zoneout, projection_features=projection_features, peepholes=peepholes, use_bias=use_bias,
            checkpoint_every=checkpoint_every, implementation=implementation, w_init=w_init, dtype=dtype,
            param_dtype=param_dtype, rngs=rngs,
        )  # fmt: skip
        for b in () if self.b_ih is None else self.b_ih if isinstance(self.b_ih, nnx.List) else (self.b_ih,):
            b.set_value(b[...].at[hidden_features : 2 * hidden_features].set(1))

    @scoped
    def __call__(
        self,
        x: Float[Array, "B T I"],
        *,
        lengths: Integer[Array, " B"] | None = None,
        h0: Float[Array, "..."] | None = None,
        c0: Float[Array, "..."] | None = None,
        reverse: bool = False,
        train: bool = False,
    ) -> tuple[Float[Array, "B T F"], tuple[Float[Array, "..."], Float[Array, "..."]]]:
        x, given = self._arrays(x, {"h0": h0, "c0": c0}, train)
        return F.lstm(x, lengths=lengths, reverse=reverse, **given)


class GRU(Recurrent):
    """A gated recurrent unit over time, by `F.gru`.

    Shapes: x (B, T, in_features) -> outputs (B, T, hidden_features) and the last state (B, hidden_features); `w_ih`
    (in_features, 3 * hidden_features), `w_hh` (hidden_features, 3 * hidden_features), `b_ih` and `b_hh`
    (3 * hidden_features,), gates r z n. `reset_after` says whether the reset gate comes after the product, as in
    PyTorch, or before. All else is as in `LSTM`, but that all biases start at zero, and `zoneout_rate` is one rate.
    Cost: 3 * (in_features + hidden_features) * hidden_features MACs a step, of each layer and direction.
    Errors: `ValueError` for a size below 1, and rates outside their ranges, as in `LSTM`.
    Reference: Cho et al. 2014, arXiv:1406.1078.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> y, h = nn.GRU(3, 4, num_layers=2, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)), lengths=jnp.array([5, 2]))
    >>> y.shape, h.shape
    ((2, 5, 4), (2, 2, 4))
    """

    gates = 3

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout_rate: float = 0.0,
        variational: bool = False,
        recurrent_dropout_rate: float = 0.0,
        zoneout_rate: float = 0.0,
        reset_after: bool = True,
        use_bias: bool = True,
        checkpoint_every: int | None = None,
        implementation: Any = None,
        w_init: init.Initializer | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features, hidden_features, num_layers=num_layers, bidirectional=bidirectional,
            dropout_rate=dropout_rate, variational=variational, recurrent_dropout_rate=recurrent_dropout_rate,
            zoneout_rate=(zoneout_rate,), use_bias=use_bias, checkpoint_every=checkpoint_every,
            implementation=implementation, w_init=w_init, dtype=dtype, param_dtype=param_dtype, rngs=rngs,
        )  # fmt: skip
        self.reset_after = reset_after

    @scoped
    def __call__(
        self,
        x: Float[Array, "B T I"],
        *,
        lengths: Integer[Array, " B"] | None = None,
        h0: Float[Array, "..."] | None = None,
        reverse: bool = False,
        train: bool = False,
    ) -> tuple[Float[Array, "B T F"], Float[Array, "..."]]:
        x, given = self._arrays(x, {"h0": h0}, train)
        return F.gru(x, lengths=lengths, reverse=reverse, reset_after=self.reset_after, **given)
