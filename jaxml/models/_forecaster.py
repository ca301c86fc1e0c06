"""The next values of a time series from its last ones."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from jaxml import nn
from jaxml.functional import init
from jaxml.functional._checks import check_equal, check_positive, check_rank
from jaxml.models._sequence_parts import RecurrentOptions, last_hidden, recurrent


@dataclass(frozen=True)
class ForecasterConfig(RecurrentOptions):
    """`in_features` numbers at each step, of which the first `out_features` are forecast for `horizon` steps, by
    `num_layers` of `cell` ("rnn", "lstm" or "gru") with `hidden_features` units. With `residual` what is learnt is the
    difference from the last values seen. `length` is that of an example, for counting; the model takes any.
    """

    in_features: int = 1
    out_features: int = 1
    horizon: int = 1
    hidden_features: int = 64
    num_layers: int = 1
    cell: str = "gru"
    residual: bool = True
    length: int = 64
    input_dtype: ClassVar[str] = "float32"

    @property
    def num_classes(self) -> int:
        """How many numbers come out."""
        return self.horizon * self.out_features

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.length, self.in_features)


class Forecaster(nnx.Module):
    """Recurrent layers over what was seen, and a linear layer from the last state to all steps of the horizon at once.

        y_{T+k} = x_T + (h_T w + b)_k     for k = 1, ..., horizon; without x_T if not `residual`

    Shapes: x (B, T, in_features); lengths (B,), at least 1 each where `residual` -> (B, horizon, out_features).
    Variant: with `residual` the head starts at zero, so that the first forecast is persistence.
    Cost: of a GRU 3 * (in_features + hidden_features) * hidden_features MACs a step of the first layer, and
    hidden_features * horizon * out_features once.
    Errors: `ValueError` for an unknown cell, sizes below 1, more outputs than inputs or a length of 0 where
    `residual` (in compiled code the x_T of such a row is 0), an x of no step.
    """

    family = "forecaster"
    paper = "Cho et al. 2014, arXiv:1406.1078"

    def __init__(self, config: ForecasterConfig, *, rngs: nnx.Rngs):
        sizes = (config.in_features, config.out_features, config.horizon)
        check_positive("Forecaster", "in_features, out_features, horizon", sizes)
        if config.residual and config.out_features > config.in_features:
            raise ValueError(
                f"Forecaster: with residual=True out_features must be at most in_features, {config.in_features}, "
                f"got {config.out_features}"
            )
        self.config = config
        self.recurrent = recurrent("Forecaster", config, config.in_features, rngs=rngs)
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        start = init.zeros() if config.residual else init.lecun_normal()
        self.head = nn.Linear(config.hidden_features, config.num_classes, w_init=start, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B T I"], *, lengths: Int[Array, " B"] | None = None, train: bool = False
    ) -> Float[Array, "B S O"]:
        check_rank("Forecaster", "x", x, 3, "(B, T, in_features)")
        check_equal("Forecaster", "the last axis of x", x.shape[2], self.config.in_features, x=x)
        if x.shape[1] == 0:
            raise ValueError(f"Forecaster: x must have a step to go on from (x: {tuple(x.shape)})")
        _, state = self.recurrent(x, lengths=lengths, train=train)
        h = self.dropout(last_hidden(state, False), train=train)
        out = self.head(h, train=train).reshape(x.shape[0], self.config.horizon, self.config.out_features)
        if not self.config.residual:
            return out
        return _last(x, lengths)[:, None, : self.config.out_features] + out


def _last(x: Array, lengths: Array | None) -> Array:
    """x at each row's last step, (B, I); 0 for a row of none, which is an error where it is known."""
    if lengths is None:
        return x[:, -1]
    if not isinstance(lengths, Tracer) and (np.asarray(lengths) == 0).any():
        raise ValueError("Forecaster: with residual=True lengths must be at least 1, got 0")
    last = x[jnp.arange(x.shape[0], dtype=jnp.int32), lengths - 1]
    return jnp.where((lengths > 0)[:, None], last, 0)
