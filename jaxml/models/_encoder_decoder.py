"""A sequence from a sequence, by way of one vector."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxml import nn
from jaxml.functional._checks import check_equal, check_positive, check_within
from jaxml.models._sequence_parts import RecurrentOptions, check_padding, check_tokens, lengths_of, one_step, recurrent


@dataclass(frozen=True)
class EncoderDecoderConfig(RecurrentOptions):
    """`num_embeddings` tokens of the source and `num_classes` of the target, both as vectors of `embedding_features`;
    `num_layers` of `cell` ("rnn", "lstm" or "gru") with `hidden_features` units on either side. A target begins behind
    `start_index` and ends with `end_index`, `max_length` tokens at most where it is not given. Trailing source tokens
    `padding_index` are no part of it, unless a call says `lengths`. `length` is that of an example, for counting.
    """

    num_classes: int = 64
    num_embeddings: int = 64
    embedding_features: int = 128
    hidden_features: int = 256
    num_layers: int = 1
    cell: str = "gru"
    start_index: int = 2
    end_index: int = 3
    padding_index: int | None = 0
    max_length: int = 20
    length: int = 20
    input_dtype: ClassVar[str] = "int32"

    @classmethod
    def g2p_en(cls, **options: Any) -> "EncoderDecoderConfig":
        """g2p-en's, of English letters to ARPAbet, for the weights of its package."""
        return cls(**{"num_classes": 74, "num_embeddings": 29, "embedding_features": 256, **options})

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.length,)


class EncoderDecoder(nnx.Module):
    """Recurrent layers read the source; their last state is the first of those that write the target, token by token.

    The plain form, whose parameters are those of the published networks (g2p-en's weights load into it): one linear
    layer from the decoder's output to the logits. `Seq2Seq` without attention puts a tanh layer before it, reads the
    source in two directions, and has beam search.
    Shapes: x (B, T) and targets (B, S), integers; lengths (B,) -> logits (B, S, num_classes), each from the source and
    the targets before (teacher forcing). Without targets each token is the likeliest one, (B, max_length, num_classes).
    Cost: of a GRU 3 * (embedding_features + hidden_features) * hidden_features MACs a step of the source and of the
    target, and hidden_features * num_classes of the target's.
    Errors: `ValueError` for an unknown cell, a token that is none, lengths outside [0, T]; `TypeError` for tokens that
    are no integers.
    """

    family = "encoder_decoder"
    paper = "Cho et al. 2014, arXiv:1406.1078"

    def __init__(self, config: EncoderDecoderConfig, *, rngs: nnx.Rngs):
        name = "EncoderDecoder"
        check_padding(name, config.padding_index, config.num_embeddings)
        check_positive(name, "max_length", (config.max_length,))
        for index in ("start_index", "end_index"):
            check_within(name, index, getattr(config, index), 0, config.num_classes - 1)
        self.config = config
        self.encoder_embedding = nn.Embedding(config.num_embeddings, config.embedding_features, rngs=rngs)
        self.encoder = recurrent(name, config, config.embedding_features, rngs=rngs)
        self.decoder_embedding = nn.Embedding(config.num_classes, config.embedding_features, rngs=rngs)
        self.decoder = recurrent(name, config, config.embedding_features, rngs=rngs)
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = nn.Linear(config.hidden_features, config.num_classes, rngs=rngs)

    def encode(self, x: Int[Array, "B T"], *, lengths: Int[Array, " B"] | None = None, train: bool = False) -> Any:
        """The state that the target is written from."""
        check_tokens("EncoderDecoder", x, self.config.num_embeddings)
        lengths = lengths_of(x, self.config.padding_index) if lengths is None else lengths
        return self.encoder(self.encoder_embedding(x, train=train), lengths=lengths, train=train)[1]

    def step(self, state: Any, token: Int[Array, " B"]) -> tuple[Float[Array, "B K"], Any]:
        """One more token of the target: the logits of the next one and the new state."""
        y, state = one_step(self.decoder, self.decoder_embedding(token), state)
        return self.head(y), state

    def __call__(
        self,
        x: Int[Array, "B T"],
        targets: Int[Array, "B S"] | None = None,
        *,
        lengths: Int[Array, " B"] | None = None,
        train: bool = False,
    ) -> Float[Array, "B S K"]:
        state = self.encode(x, lengths=lengths, train=train)
        first = jnp.full((x.shape[0],), self.config.start_index, jnp.int32)
        if targets is None:
            return self._free(state, first)
        check_tokens("EncoderDecoder", targets, self.config.num_classes, name="targets")
        check_equal("EncoderDecoder", "the number of rows of targets", targets.shape[0], x.shape[0], x=x)
        before = jnp.concatenate([first[:, None], targets.astype(jnp.int32)], axis=1)[:, :-1]
        start = dict(zip(("h0", "c0"), state if isinstance(state, tuple) else (state,), strict=False))
        y, _ = self.decoder(self.decoder_embedding(before, train=train), **start, train=train)
        return self.head(self.dropout(y, train=train), train=train)

    def decode(self, x: Int[Array, "B T"], *, lengths: Int[Array, " B"] | None = None) -> Int[Array, "B S"]:
        """The likeliest token at each step, (B, max_length); from the end on `end_index`."""
        tokens = self(x, lengths=lengths).argmax(axis=-1).astype(jnp.int32)
        ended = jnp.cumsum(tokens == self.config.end_index, axis=1) > 0
        return jnp.where(ended, self.config.end_index, tokens)

    def _free(self, state: Any, token: Array) -> Array:
        def go_on(carry: tuple[Any, Array], _: None) -> tuple[tuple[Any, Array], Array]:
            logits, state = self.step(*carry)
            return (state, logits.argmax(axis=-1).astype(jnp.int32)), logits

        _, logits = jax.lax.scan(go_on, (state, token), None, length=self.config.max_length)
        return jnp.swapaxes(logits, 0, 1)
