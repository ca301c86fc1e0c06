"""A class for a whole sequence."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.models._sequence_parts import (
    RecurrentOptions,
    check_padding,
    check_tokens,
    inside,
    last_hidden,
    lengths_of,
    recurrent,
)


@dataclass(frozen=True)
class SequenceClassifierConfig(RecurrentOptions):
    """Tokens below `num_embeddings`, as vectors of `embedding_features`; `num_layers` of `cell` ("rnn", "lstm" or
    "gru") with `hidden_features` units in each direction; `pool` makes one vector of the steps: "last" (the states
    behind the last step), "mean" or "max". Trailing tokens `padding_index` are no part of a sequence, unless a call
    says `lengths`. `length` is that of an example, for counting; the model takes any.
    """

    num_classes: int = 2
    num_embeddings: int = 256
    embedding_features: int = 64
    hidden_features: int = 128
    num_layers: int = 1
    bidirectional: bool = True
    cell: str = "lstm"
    pool: str = "last"
    padding_index: int | None = None
    length: int = 128
    input_dtype: ClassVar[str] = "int32"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.length,)


class SequenceClassifier(nnx.Module):
    """Embedding, recurrent layers, one vector for the whole sequence, dropout, a linear layer to the logits.

    Shapes: x (B, T), integers; lengths (B,) -> (B, num_classes). What stands behind a row's length changes nothing.
    Cost: 4 * (embedding_features + hidden_features) * hidden_features MACs a step and direction of an LSTM's first
    layer (3 in place of 4 for a GRU, 1 for an RNN), and those of the head once.
    Errors: `ValueError` for an unknown cell or pool, a token that is none, lengths outside [0, T]; `TypeError` for
    tokens that are no integers.
    """

    family = "sequence_classifier"
    paper = "Graves and Schmidhuber 2005, Neural Networks 18"

    def __init__(self, config: SequenceClassifierConfig, *, rngs: nnx.Rngs):
        name = "SequenceClassifier"
        check_choice(name, "pool", config.pool, ("last", "mean", "max"))
        check_padding(name, config.padding_index, config.num_embeddings)
        self.config = config
        self.embedding = nn.Embedding(config.num_embeddings, config.embedding_features, rngs=rngs)
        self.recurrent = recurrent(
            name, config, config.embedding_features, bidirectional=config.bidirectional, rngs=rngs
        )
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        features = config.hidden_features * (2 if config.bidirectional else 1)
        self.head = nn.Linear(features, config.num_classes, rngs=rngs)

    def __call__(
        self, x: Int[Array, "B T"], *, lengths: Int[Array, " B"] | None = None, train: bool = False
    ) -> Float[Array, "B K"]:
        check_tokens("SequenceClassifier", x, self.config.num_embeddings)
        lengths = lengths_of(x, self.config.padding_index) if lengths is None else lengths
        y, state = self.recurrent(self.embedding(x, train=train), lengths=lengths, train=train)
        if self.config.pool == "last":
            pooled = last_hidden(state, self.config.bidirectional)
        else:
            within = inside(lengths, x)[..., None]
            if self.config.pool == "mean":
                # The outputs are zero past the end; an empty row has the mean 0.
                pooled = y.sum(1) / jnp.maximum(within.sum(1), 1).astype(y.dtype)
            else:
                lowest = jnp.finfo(y.dtype).min
                pooled = jnp.where(within.any(1), jnp.where(within, y, lowest).max(1, initial=lowest), 0)
        return self.head(self.dropout(pooled, train=train), train=train)
