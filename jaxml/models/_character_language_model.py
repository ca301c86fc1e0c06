"""The next character of a text."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxml import nn
from jaxml.functional._checks import check_above, check_positive
from jaxml.models._sequence_parts import RecurrentOptions, check_tokens, one_step, recurrent, zero_state


@dataclass(frozen=True)
class CharacterLanguageModelConfig(RecurrentOptions):
    """`num_classes` characters (256: the bytes of UTF-8), as vectors of `embedding_features`; `num_layers` of `cell`
    ("rnn", "lstm" or "gru") with `hidden_features` units. `length` is that of an example, for counting; the model takes
    any.
    """

    num_classes: int = 256
    embedding_features: int = 64
    hidden_features: int = 256
    num_layers: int = 1
    cell: str = "lstm"
    length: int = 128
    input_dtype: ClassVar[str] = "int32"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.length,)


class CharacterLanguageModel(nnx.Module):
    """Embedding, recurrent layers, and at each step the logits of the next character, `p(x_{t+1} | x_1, ..., x_t)`.

    Shapes: x (B, T), integers; lengths (B,) -> (B, T, num_classes). A training pair is (text[:-1], text[1:]).
    `step` goes on by one character, `sample` writes a text.
    Cost: of an LSTM 4 * (embedding_features + hidden_features) * hidden_features MACs a step of the first layer, and
    hidden_features * num_classes.
    Errors: `ValueError` for an unknown cell, a token that is none, lengths outside [0, T]; `TypeError` for tokens that
    are no integers.
    """

    family = "character_language_model"
    paper = "Graves 2013, arXiv:1308.0850"

    def __init__(self, config: CharacterLanguageModelConfig, *, rngs: nnx.Rngs):
        name = "CharacterLanguageModel"
        self.config = config
        self.embedding = nn.Embedding(config.num_classes, config.embedding_features, rngs=rngs)
        self.recurrent = recurrent(name, config, config.embedding_features, rngs=rngs)
        self.dropout = nn.Dropout(config.dropout, rngs=rngs)
        self.head = nn.Linear(config.hidden_features, config.num_classes, rngs=rngs)

    def __call__(
        self, x: Int[Array, "B T"], *, lengths: Int[Array, " B"] | None = None, train: bool = False
    ) -> Float[Array, "B T K"]:
        check_tokens("CharacterLanguageModel", x, self.config.num_classes)
        y, _ = self.recurrent(self.embedding(x, train=train), lengths=lengths, train=train)
        return self.head(self.dropout(y, train=train), train=train)

    def start(self, batch: int) -> Any:
        """The state before the first character of `batch` texts."""
        check_positive("CharacterLanguageModel", "batch", (batch,))
        return zero_state(self.recurrent, self.config, batch, self.embedding.w.dtype)

    def step(self, state: Any, token: Int[Array, " B"]) -> tuple[Float[Array, "B K"], Any]:
        """One more character: the logits of the next one and the new state."""
        y, state = one_step(self.recurrent, self.embedding(token), state)
        return self.head(y), state

    def sample(
        self, key: Array, prompt: Int[Array, "B T"], *, length: int, temperature: float = 1.0
    ) -> Int[Array, "B S"]:
        """`length` characters that go on from `prompt`, of at least one character, each drawn from
        `softmax(logits / temperature)`: below 1 the likely ones are likelier yet."""
        name = "CharacterLanguageModel.sample"
        check_tokens(name, prompt, self.config.num_classes, name="prompt")
        check_positive(name, "length, the number of characters of prompt", (length, prompt.shape[1]))
        check_above(name, "temperature", temperature, 0)
        y, state = self.recurrent(self.embedding(prompt))

        def go_on(carry: tuple[Array, Any], key: Array) -> tuple[tuple[Array, Any], Array]:
            logits, state = carry
            token = jax.random.categorical(key, logits / temperature, axis=-1)
            return self.step(state, token), token

        _, tokens = jax.lax.scan(go_on, (self.head(y[:, -1]), state), jax.random.split(key, length))
        return jnp.swapaxes(tokens, 0, 1)
