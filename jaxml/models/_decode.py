"""Writing a sequence token by token: the likeliest, or drawn. `_beam_search` keeps several."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer

from jaxml.functional._checks import check_above, check_positive, check_rank, check_within

# step(state, token (B,)) -> (logits (B, V) of the next token, state); the leaves of state have the B rows first
Step = Callable[[Any, Array], tuple[Array, Any]]


class Decoded(NamedTuple):
    """Sequences (..., max_length), `end_index` the last of each that ended and then `padding_index`; how many tokens
    each has, that one among them; and the log probability of each."""

    tokens: Int[Array, "..."]
    lengths: Int[Array, "..."]
    log_probability: Float[Array, "..."]


def greedy_decode(
    step: Step,
    state: Any,
    start: Integer[Array, " B"],
    *,
    max_length: int,
    end_index: int | None = None,
    padding_index: int = 0,
) -> Decoded:
    """The likeliest token after token, `y_t = argmax p(y | y_1, ..., y_{t-1})`, until `end_index` or `max_length`.

    step: `step(state, token) -> (logits, state)`, with token (B,) and logits (B, V); pure. `model.step` of
        `models.Seq2Seq` and of `models.CharacterLanguageModel` are such functions.
    state: before the first step. start: (B,), the token that the first step gets.

    One `lax.while_loop`, which ends when every row has: works under `jit`. Shapes: tokens (B, max_length).
    Errors: `ValueError` for `max_length` below 1, tokens that are none, or a `step` that gives anything but (B, V).

    >>> step = lambda state, token: (jax.nn.one_hot(token + 1, 5), state)
    >>> greedy_decode(step, None, jnp.array([1]), max_length=4, end_index=4).tokens.tolist()
    [[2, 3, 4, 0]]
    """
    _check("greedy_decode", step, state, start, max_length, end_index, padding_index)

    def choose(key: Array | None, logits: Array) -> Array:
        del key
        return logits.argmax(axis=-1)

    return _decode(step, choose, None, state, start, max_length, end_index, padding_index)


def sample_decode(
    key: Array,
    step: Step,
    state: Any,
    start: Integer[Array, " B"],
    *,
    max_length: int,
    end_index: int | None = None,
    padding_index: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> Decoded:
    """Tokens drawn from `softmax(logits / temperature)`, or from that of the `top_k` likeliest alone.

    All else is as in `greedy_decode`; `log_probability` is that of the model itself, at temperature 1 and of all
    tokens. `top_k=1` is greedy. Errors: as there, and for a `temperature` not above 0 and a `top_k` outside 1 ... V.

    >>> step = lambda state, token: (jnp.zeros((token.shape[0], 5)), state)
    >>> sample_decode(jax.random.key(0), step, None, jnp.array([1, 1]), max_length=4, top_k=2).tokens.shape
    (2, 4)
    """
    vocabulary = _check("sample_decode", step, state, start, max_length, end_index, padding_index)
    check_above("sample_decode", "temperature", temperature, 0)
    if top_k is not None:
        check_positive("sample_decode", "top_k", [top_k])
        check_within("sample_decode", "top_k", top_k, 1, vocabulary)

    def choose(key: Array | None, logits: Array) -> Array:
        assert key is not None
        logits = logits / jnp.asarray(temperature, logits.dtype)
        if top_k is None:
            return jax.random.categorical(key, logits, axis=-1)
        values, tokens = jax.lax.top_k(logits, top_k)
        chosen = jax.random.categorical(key, values, axis=-1)
        return jnp.take_along_axis(tokens, chosen[:, None], axis=1)[:, 0]

    return _decode(step, choose, key, state, start, max_length, end_index, padding_index)


def _decode(
    step: Step,
    choose: Callable[[Array | None, Array], Array],
    key: Array | None,
    state: Any,
    start: Array,
    max_length: int,
    end_index: int | None,
    padding_index: int,
) -> Decoded:
    """`choose(key, logits)` gives the tokens of a step."""
    batch = start.shape[0]

    def going(carry: Any) -> Array:
        t, *_, ended = carry
        return (t < max_length) & ~ended.all()

    def body(carry: Any) -> Any:
        t, state, token, tokens, lengths, total, ended = carry
        logits, state = step(state, token)
        chosen = choose(None if key is None else jax.random.fold_in(key, t), logits).astype(jnp.int32)
        log_p = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
        total = jnp.where(ended, total, total + jnp.take_along_axis(log_p, chosen[:, None], axis=1)[:, 0])
        token = jnp.where(ended, padding_index, chosen)
        lengths = lengths + jnp.where(ended, 0, 1).astype(jnp.int32)
        tokens = jax.lax.dynamic_update_slice_in_dim(tokens, token[:, None], t, axis=1)
        if end_index is not None:
            ended = ended | (token == end_index)
        return t + 1, state, token, tokens, lengths, total, ended

    begin = (
        jnp.asarray(0, jnp.int32),
        state,
        start.astype(jnp.int32),
        jnp.full((batch, max_length), padding_index, jnp.int32),
        jnp.zeros(batch, jnp.int32),
        jnp.zeros(batch, jnp.float32),
        jnp.zeros(batch, bool),
    )
    _, _, _, tokens, lengths, total, _ = jax.lax.while_loop(going, body, begin)
    return Decoded(tokens, lengths, total)


def _check(
    function: str, step: Step, state: Any, start: Any, max_length: int, end_index: int | None, padding_index: int
) -> int:
    """The size of the vocabulary; all is as the functions say. Nothing is computed."""
    check_positive(function, "max_length", [max_length])
    check_rank(function, "start", start, 1, "(B,)")
    if not jnp.issubdtype(start.dtype, jnp.integer):
        raise TypeError(f"{function}: start must be integers, got {start.dtype}")
    token = jax.ShapeDtypeStruct(start.shape, jnp.int32)
    logits, after = jax.eval_shape(step, state, token)
    if getattr(logits, "ndim", None) != 2 or logits.shape[0] != start.shape[0]:
        got = getattr(logits, "shape", type(logits).__name__)
        raise ValueError(f"{function}: step must give logits ({start.shape[0]}, V) and a state, got {got}")
    (before, trees), (after, new_trees) = (
        (jax.tree.map(lambda a: (a.shape, a.dtype.name), t), jax.tree.structure(t))
        for t in (jax.eval_shape(lambda state: state, state), after)
    )
    if trees != new_trees or before != after:
        raise ValueError(f"{function}: step must give a state like the one it gets, {before}, got {after}")
    for name, index in (("end_index", end_index), ("padding_index", padding_index)):
        if index is not None:
            check_within(function, name, index, 0, logits.shape[1] - 1)
    return logits.shape[1]
