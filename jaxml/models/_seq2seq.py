"""A sequence from a sequence, with attention to every step of the source."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

import jaxml.functional as F
from jaxml import nn
from jaxml.functional._checks import check_choice, check_equal, check_positive, check_within
from jaxml.models._beam_search import beam_search
from jaxml.models._decode import Decoded, greedy_decode
from jaxml.models._sequence_parts import (
    RecurrentOptions,
    check_padding,
    check_tokens,
    inside,
    lengths_of,
    one_step,
    recurrent,
)
from jaxml.nn._dropout import checked_rate, next_key


@dataclass(frozen=True)
class Seq2SeqConfig(RecurrentOptions):
    """`num_embeddings` tokens of the source and `num_classes` of the target, as vectors of `embedding_features`;
    `num_layers` of `cell` ("rnn", "lstm" or "gru") with `hidden_features` units, of the encoder in each direction where
    it is `bidirectional`. `attention` is "luong", "additive" or None.

    `tied`: one table serves the source, the target and the logits, for a vocabulary that both share. `dropout` is that
    of the embeddings, before the logits, and between layers; this last, `recurrent_dropout`, what `zoneout` draws and
    `checkpoint_every` are left out of the decoder where a step waits for another's result. In training, `sampling_rate`
    of the tokens that the decoder gets are its own (scheduled sampling).

    A target begins behind `start_index` and ends with `end_index`, `max_length` tokens at most where it is not given.
    Trailing tokens `padding_index` are no part of a source, unless a call says `lengths`. `length` is that of an
    example, for counting.
    """

    num_classes: int = 4000
    num_embeddings: int = 4000
    embedding_features: int = 256
    hidden_features: int = 256
    num_layers: int = 1
    cell: str = "gru"
    attention: str | None = "luong"
    bidirectional: bool = True
    tied: bool = False
    sampling_rate: float = 0.0
    start_index: int = 2
    end_index: int = 3
    padding_index: int = 0
    max_length: int = 40
    length: int = 40
    input_dtype: ClassVar[str] = "int32"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.length,)


class DecoderState(NamedTuple):
    """What a step of the decoder needs, every array with the B rows first: h, or h and c, of each layer; the encoder's
    outputs; and which of these are of the source."""

    hidden: tuple[tuple[Array, ...], ...]
    memory: Float[Array, "B T E"]
    where: Bool[Array, "B T"]


class Seq2Seq(nnx.Module):
    """Recurrent layers read the source; others write the target, looking back at each step of the source.

        m = encoder(x)                                  c_t = Σ_s softmax_s(score(q_t, m_s)) m_s
        luong:     h_t = cell(e(y_{t-1}), h_{t-1}),     q_t = h_t         score q W m
        additive:  h_t = cell([e(y_{t-1}), c_t], h_{t-1}), q_t = h_{t-1}  score vᵀ tanh(q W_q + m W_m)
        logits_t = tanh([h_t, c_t] W_c) W_o

    Shapes: x (B, T) and targets (B, S), integers, the targets with `end_index` and without `start_index`; lengths (B,)
    -> logits (B, S, num_classes), those of step t from the targets before t (teacher forcing). Without targets each
    token is the likeliest one, (B, max_length, num_classes); `decode` gives tokens. What stands behind a row's length,
    and behind the end of a target, changes nothing else.
    `sampling_rate` of a call with `train=True`, a number or a scalar array that may change from step to step, goes
    before the configuration's. Without it, and without "additive", all steps of the target are one product.
    Variant: the decoder starts from `tanh` of a linear map of the encoder's last states where there are two directions,
    and from these themselves where there is one. Luong's input feeding is left out.
    Cost: of a GRU 3 * (in + hidden_features) * hidden_features MACs a step of each layer and direction; of attention
    see `F.luong_attention`, `F.additive_attention`; of the logits hidden_features * num_classes a step of the target.
    Errors: `ValueError` for an unknown cell or attention, a token that is none, lengths outside [0, T], a source of
    no step with attention, a rate outside [0, 1], and a `tied` model of two vocabularies; `TypeError` for tokens that
    are no integers.
    Reference: Sutskever et al. 2014, arXiv:1409.3215; Bahdanau et al. 2014, arXiv:1409.0473; Luong et al. 2015,
    arXiv:1508.04025; scheduled sampling: Bengio et al. 2015, arXiv:1506.03099.
    """

    family = "seq2seq"
    paper = "Luong et al. 2015, arXiv:1508.04025"

    def __init__(self, config: Seq2SeqConfig, *, rngs: nnx.Rngs):
        name = "Seq2Seq"
        _check_config(name, config)
        self.config = config
        e, h = config.embedding_features, config.hidden_features
        self.embedding = nn.Embedding(config.num_classes, e, rngs=rngs)
        self.source_embedding = None if config.tied else nn.Embedding(config.num_embeddings, e, rngs=rngs)
        directions = 2 if config.bidirectional else 1
        self.encoder = recurrent(name, config, e, bidirectional=config.bidirectional, rngs=rngs)
        states, memory = 2 if config.cell == "lstm" else 1, directions * h
        bridges = config.num_layers * states if config.bidirectional else 0
        self.bridge = nnx.List([nn.Linear(memory, h, rngs=rngs) for _ in range(bridges)])
        self.decoder = recurrent(name, config, e + memory if config.attention == "additive" else e, rngs=rngs)
        self.attention = _attention(config, memory, rngs)
        out = e if config.tied else h
        self.readout = nn.Linear(h + memory if config.attention else h, out, rngs=rngs)
        self.head = None if config.tied else nn.Linear(out, config.num_classes, rngs=rngs)
        self.b = nnx.Param(jnp.zeros((config.num_classes,), jnp.float32)) if config.tied else None
        draws = config.dropout > 0 or config.sampling_rate > 0
        self.key = nnx.Variable(rngs.dropout()) if draws else None

    def encode(
        self, x: Int[Array, "B T"], *, lengths: Int[Array, " B"] | None = None, train: bool = False
    ) -> DecoderState:
        """What the target is written from."""
        return self._encode(x, lengths, None, train)

    def step(self, state: DecoderState, token: Int[Array, " B"]) -> tuple[Float[Array, "B K"], DecoderState]:
        """One more token of the target: the logits of the next one and the new state."""
        vector, state = self._step(state, self.embedding(token))
        return self._logits(vector), state

    def __call__(
        self,
        x: Int[Array, "B T"],
        targets: Int[Array, "B S"] | None = None,
        *,
        lengths: Int[Array, " B"] | None = None,
        sampling_rate: float | Float[Array, ""] | None = None,
        train: bool = False,
    ) -> Float[Array, "B S K"]:
        rate = (self.config.sampling_rate if sampling_rate is None else sampling_rate) if train else 0.0
        if isinstance(rate, float | int):
            checked_rate("Seq2Seq: sampling_rate", rate)
        keys = self._keys(train, drawing=not isinstance(rate, float | int) or rate > 0)
        state = self._encode(x, lengths, keys[0], train)
        first = jnp.full((x.shape[0], 1), self.config.start_index, jnp.int32)
        if targets is None:
            return self._free(state, first[:, 0])
        check_tokens("Seq2Seq", targets, self.config.num_classes, name="targets")
        check_equal("Seq2Seq", "the number of rows of targets", targets.shape[0], x.shape[0], x=x)
        before = jnp.concatenate([first, targets.astype(jnp.int32)], axis=1)[:, :-1]
        if not isinstance(rate, float | int) or rate > 0:
            vectors = self._scheduled(state, before, rate, keys)
        elif self.config.attention == "additive":
            vectors = self._stepwise(state, self._dropped(keys[1], self.embedding(before)))
        else:
            vectors = self._at_once(state, self._dropped(keys[1], self.embedding(before)), train)
        return self._logits(self._dropped(keys[2], vectors))

    def decode(
        self,
        x: Int[Array, "B T"],
        *,
        lengths: Int[Array, " B"] | None = None,
        beam_size: int = 1,
        length_penalty: float = 0.0,
    ) -> Decoded:
        """The likeliest target that is found, by `greedy_decode` or, with more than one beam, `beam_search`; tokens
        (B, max_length).

        Under any penalty one beam finds the same target, as there is none to compare it with; what is no penalty is an
        error there too.
        """
        check_positive("Seq2Seq", "beam_size", [beam_size])
        check_within("Seq2Seq", "length_penalty", length_penalty, 0)
        state, config = self.encode(x, lengths=lengths), self.config
        start = jnp.full((x.shape[0],), config.start_index, jnp.int32)
        ends: dict[str, Any] = {"max_length": config.max_length, "end_index": config.end_index}
        ends["padding_index"] = config.padding_index
        if beam_size == 1:
            return greedy_decode(self.step, state, start, **ends)
        found = beam_search(self.step, state, start, beam_size=beam_size, length_penalty=length_penalty, **ends)
        return Decoded(*(a[:, 0] for a in found))

    def _keys(self, train: bool, *, drawing: bool) -> list[Key[Array, ""] | None]:
        """Of dropout in the source, in the target and before the logits, and of scheduled sampling."""
        if self.key is None:
            if drawing:
                raise ValueError(
                    "Seq2Seq: sampling_rate of a call needs a model made with dropout or with a sampling_rate above 0, "
                    "which has a key to draw with"
                )
            return [None] * 4
        key = next_key(self.key, train)
        return [None] * 4 if key is None or not train else list(jax.random.split(key, 4))

    def _dropped(self, key: Array | None, a: Array) -> Array:
        return a if key is None else F.dropout(key, a, rate=self.config.dropout)

    def _encode(self, x: Array, lengths: Array | None, key: Array | None, train: bool) -> DecoderState:
        config = self.config
        check_tokens("Seq2Seq", x, config.num_embeddings)
        if config.attention is not None and x.shape[1] == 0:
            raise ValueError(f"Seq2Seq: x must have a step for attention to look at (x: {tuple(x.shape)})")
        lengths = lengths_of(x, config.padding_index) if lengths is None else lengths
        embedding = self.embedding if self.source_embedding is None else self.source_embedding
        vectors = self._dropped(key, embedding(x, train=train))
        memory, last = self.encoder(vectors, lengths=lengths, train=train)
        last = last if isinstance(last, tuple) else (last,)
        if config.bidirectional:  # (layers * 2, B, H): the two directions of each layer side by side
            pairs = [
                jnp.concatenate([a[n], a[n + 1]], axis=-1) for n in range(0, 2 * config.num_layers, 2) for a in last
            ]
            flat = [jnp.tanh(linear(pair)) for linear, pair in zip(self.bridge, pairs, strict=True)]
        else:
            flat = [a if config.num_layers == 1 else a[n] for n in range(config.num_layers) for a in last]
        hidden = tuple(tuple(flat[n : n + len(last)]) for n in range(0, len(flat), len(last)))
        return DecoderState(hidden, memory, inside(lengths, x))

    def _look(self, queries: Array, state: DecoderState) -> Array:
        return self.attention(queries, state.memory, where=state.where)

    def _step(self, state: DecoderState, vector: Array) -> tuple[Array, DecoderState]:
        """From the embedded token to what the logits are made of."""
        context = None
        if self.config.attention == "additive":
            context = self._look(state.hidden[-1][0][:, None], state)[:, 0]
            vector = jnp.concatenate([vector, context], axis=-1)
        y, last = one_step(self.decoder, vector, self._stacked(state.hidden))
        if self.config.attention == "luong":
            context = self._look(y[:, None], state)[:, 0]
        hidden = self._unstacked(last)
        return self._read(y, context), state._replace(hidden=hidden)

    def _at_once(self, state: DecoderState, vectors: Array, train: bool) -> Array:
        """All steps of the decoder, of which none depends on the attention of another."""
        start = dict(zip(("h0", "c0"), self._stacked(state.hidden), strict=False))
        y, _ = self.decoder(vectors, **start, train=train)
        return self._read(y, self._look(y, state) if self.config.attention else None)

    def _stepwise(self, state: DecoderState, vectors: Array) -> Array:
        def go_on(hidden: Any, vector: Array) -> tuple[Any, Array]:
            read, after = self._step(state._replace(hidden=hidden), vector)
            return after.hidden, read

        return jnp.swapaxes(jax.lax.scan(go_on, state.hidden, jnp.swapaxes(vectors, 0, 1))[1], 0, 1)

    def _scheduled(self, state: DecoderState, before: Array, rate: Any, keys: list[Any]) -> Array:
        """Each token but the first is, with probability `rate`, drawn from what the decoder said of it."""
        steps, batch = before.shape[1], before.shape[0]
        key_coin, key_token = jax.random.split(keys[3])
        own = jax.random.bernoulli(key_coin, jnp.asarray(rate, jnp.float32), (steps, batch))
        own = own & (jnp.arange(steps) > 0)[:, None]
        size = self.config.embedding_features
        kept = self._dropped(keys[1], jnp.ones((batch, steps, size), self.embedding.w.dtype))

        def go_on(carry: Any, given: Any) -> tuple[Any, Array]:
            hidden, logits = carry
            token, own, kept, key = given
            drawn = jax.random.categorical(key, jax.lax.stop_gradient(logits), axis=-1).astype(jnp.int32)
            vector = self.embedding(jnp.where(own, drawn, token)) * kept
            read, after = self._step(state._replace(hidden=hidden), vector)
            return (after.hidden, jax.lax.stop_gradient(self._logits(read))), read

        logits = jnp.zeros((batch, self.config.num_classes), state.memory.dtype)
        given = before.T, own, jnp.swapaxes(kept, 0, 1), jax.random.split(key_token, steps)
        return jnp.swapaxes(jax.lax.scan(go_on, (state.hidden, logits), given)[1], 0, 1)

    def _free(self, state: DecoderState, token: Array) -> Array:
        def go_on(carry: Any, _: None) -> tuple[Any, Array]:
            logits, state = self.step(*carry)
            return (state, logits.argmax(axis=-1).astype(jnp.int32)), logits

        _, logits = jax.lax.scan(go_on, (state, token), None, length=self.config.max_length)
        return jnp.swapaxes(logits, 0, 1)

    def _read(self, y: Array, context: Array | None) -> Array:
        return jnp.tanh(self.readout(y if context is None else jnp.concatenate([y, context], axis=-1)))

    def _logits(self, vectors: Array) -> Array:
        if self.head is not None:
            return self.head(vectors)
        assert self.b is not None
        return F.linear(vectors, self.embedding.w[...].T.astype(vectors.dtype), self.b[...].astype(vectors.dtype))

    def _stacked(self, hidden: Any) -> tuple[Array, ...]:
        """h, and c, of all layers as the recurrent layers take them."""
        return tuple(layers[0] if len(layers) == 1 else jnp.stack(layers) for layers in zip(*hidden, strict=True))

    def _unstacked(self, last: Any) -> tuple[tuple[Array, ...], ...]:
        last = last if isinstance(last, tuple) else (last,)
        if self.config.num_layers == 1:
            return (last,)
        return tuple(tuple(a[n] for a in last) for n in range(self.config.num_layers))


def _attention(config: Seq2SeqConfig, memory: int, rngs: nnx.Rngs) -> Any:
    h = config.hidden_features
    if config.attention == "additive":
        return nn.AdditiveAttention(h, memory, h, rngs=rngs)
    return nn.LuongAttention(h, memory, rngs=rngs) if config.attention == "luong" else None


def _check_config(name: str, config: Seq2SeqConfig) -> None:
    check_choice(name, "attention", config.attention, ("luong", "additive", None))
    check_padding(name, config.padding_index, min(config.num_embeddings, config.num_classes))
    check_positive(name, "num_classes, num_embeddings, max_length", (
        config.num_classes, config.num_embeddings, config.max_length
    ))  # fmt: skip
    for index in ("start_index", "end_index"):
        check_within(name, index, getattr(config, index), 0, config.num_classes - 1)
    checked_rate(f"{name}: sampling_rate", config.sampling_rate)
    if config.tied and config.num_classes != config.num_embeddings:
        raise ValueError(
            f"{name}: tied needs one vocabulary, got num_embeddings={config.num_embeddings} and "
            f"num_classes={config.num_classes}"
        )
