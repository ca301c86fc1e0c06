"""A class for every step of a sequence."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from flax import nnx
from jaxtyping import Array, Float, Int

import jaxml.functional as F
from jaxml import nn
from jaxml.functional import init
from jaxml.models._sequence_parts import RecurrentOptions, check_padding, check_tokens, lengths_of, recurrent


@dataclass(frozen=True)
class SequenceTaggerConfig(RecurrentOptions):
    """Tokens below `num_embeddings`, as vectors of `embedding_features`; `num_layers` of `cell` ("rnn", "lstm" or
    "gru") with `hidden_features` units in each direction; at each step dense layers of the widths `dense` with ReLU,
    and `num_classes` logits. Trailing tokens `padding_index` are no part of a sequence, unless a call says `lengths`.
    `length` is that of an example, for counting; the model takes any.
    """

    num_classes: int = 10
    num_embeddings: int = 256
    embedding_features: int = 64
    hidden_features: int = 128
    num_layers: int = 1
    bidirectional: bool = True
    cell: str = "lstm"
    dense: tuple[int, ...] = ()
    padding_index: int | None = None
    length: int = 128
    input_dtype: ClassVar[str] = "int32"

    @classmethod
    def g2pm(cls, **options: Any) -> "SequenceTaggerConfig":
        """g2pM's, of Chinese characters to pinyin with tones (arXiv:2004.03136), for the weights of its package."""
        sizes = {"num_classes": 876, "num_embeddings": 5398, "hidden_features": 32, "dense": (32,), "length": 32}
        return cls(**{**sizes, "padding_index": 0, **options})

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.length,)


class SequenceTagger(nnx.Module):
    """Embedding, recurrent layers in both directions, dense layers, and logits for every step.

    Shapes: x (B, T), integers; lengths (B,) -> (B, T, num_classes). Past a row's length the logits are those of zeros.
    Cost: of an LSTM 4 * (embedding_features + hidden_features) * hidden_features MACs a step and direction of the first
    layer, and the products of neighbouring widths of the dense layers a step.
    Errors: `ValueError` for an unknown cell, a token that is none, lengths outside [0, T]; `TypeError` for tokens that
    are no integers.
    """

    family = "sequence_tagger"
    paper = "Park and Lee 2020, arXiv:2004.03136"

    def __init__(self, config: SequenceTaggerConfig, *, rngs: nnx.Rngs):
        name = "SequenceTagger"
        check_padding(name, config.padding_index, config.num_embeddings)
        self.config = config
        self.embedding = nn.Embedding(config.num_embeddings, config.embedding_features, rngs=rngs)
        self.recurrent = recurrent(
            name, config, config.embedding_features, bidirectional=config.bidirectional, rngs=rngs
        )
        widths = (config.hidden_features * (2 if config.bidirectional else 1), *config.dense)
        # He's normal: the ReLU that follows halves the variance.
        self.layers = nnx.List([nn.Linear(i, o, w_init=init.he_normal(), rngs=rngs) for i, o in pairwise(widths)])
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = nn.Linear(widths[-1], config.num_classes, rngs=rngs)

    def __call__(
        self, x: Int[Array, "B T"], *, lengths: Int[Array, " B"] | None = None, train: bool = False
    ) -> Float[Array, "B T K"]:
        check_tokens("SequenceTagger", x, self.config.num_embeddings)
        lengths = lengths_of(x, self.config.padding_index) if lengths is None else lengths
        y, _ = self.recurrent(self.embedding(x, train=train), lengths=lengths, train=train)
        y = self.dropout(y, train=train)
        for layer in self.layers:
            y = F.relu(layer(y, train=train))
        return self.head(y, train=train)
