"""Beam search: the likeliest sequences of those that several partial ones lead to."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Integer

from jaxml.functional._checks import check_positive, check_within
from jaxml.models._decode import Decoded, Step, _check


def beam_search(
    step: Step,
    state: Any,
    start: Integer[Array, " B"],
    *,
    max_length: int,
    end_index: int,
    padding_index: int = 0,
    beam_size: int = 4,
    length_penalty: float = 0.0,
) -> Decoded:
    """The `beam_size` best sequences found by going on, at each step, from the `beam_size` best of the step before.

        score(y) = log p(y) / ((5 + |y|) / 6)^length_penalty

    A sequence that has ended keeps its place, frozen, until better ones push it out; the search ends when all have.
    `length_penalty` 0 compares probabilities, which favours short sequences; GNMT has 0.6 to 1. A beam of one is
    `greedy_decode`. With a beam as wide as the vocabulary, all sequences of up to two tokens are compared.

    step, state, start: as in `greedy_decode`; every leaf of `state` has the B rows first, and `step` gets
        B * beam_size rows.
    Shapes: tokens (B, beam_size, max_length), the best of each row first. Works under `jit`.
    Cost: that of `step` on B * beam_size rows, at most max_length times.
    Errors: `ValueError` for a beam wider than the vocabulary, a negative penalty, and as `greedy_decode`.
    Reference: Wu et al. 2016, arXiv:1609.08144, equation 14.

    >>> step = lambda state, token: (jnp.log(jnp.array([[0.0, 0.4, 0.6]]))[jnp.zeros_like(token)], state)
    >>> beam_search(step, None, jnp.array([1]), max_length=3, end_index=2, beam_size=2).tokens.tolist()
    [[[2, 0, 0], [1, 2, 0]]]
    """
    name = "beam_search"
    check_positive(name, "beam_size", [beam_size])
    check_within(name, "length_penalty", length_penalty, 0)
    batch = start.shape[0] if getattr(start, "ndim", 0) else 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if jnp.ndim(leaf) == 0 or jnp.shape(leaf)[0] != batch:
            at = jax.tree_util.keystr(path) or "itself"
            raise ValueError(
                f"{name}: every leaf of state must have the {batch} rows first, {at} is of shape {jnp.shape(leaf)}"
            )
    vocabulary = _check(name, step, state, start, max_length, end_index, padding_index)
    if beam_size > vocabulary:
        raise ValueError(f"{name}: beam_size must be at most the size of the vocabulary, {vocabulary}, got {beam_size}")
    k = beam_size

    def penalty(lengths: Array) -> Array:
        return ((5 + lengths.astype(jnp.float32)) / 6) ** length_penalty

    def going(carry: Any) -> Array:
        t, *_, total, ended = carry
        return (t < max_length) & ~(ended | jnp.isneginf(total)).all()

    def body(carry: Any) -> Any:
        t, state, token, tokens, lengths, total, ended = carry
        logits, state = step(state, token.reshape(-1))
        log_p = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1).reshape(batch, k, vocabulary)
        # A sequence that has ended goes on in one way, at no cost.
        frozen = jnp.where(jnp.arange(vocabulary) == padding_index, 0.0, -jnp.inf)
        log_p = jnp.where(ended[..., None], frozen[None, None], log_p)
        totals = total[..., None] + log_p
        scores = totals / penalty(_longer(lengths, ended))[..., None]
        _, best = jax.lax.top_k(scores.reshape(batch, k * vocabulary), k)
        parent, token = best // vocabulary, best % vocabulary
        total = jnp.take_along_axis(totals.reshape(batch, k * vocabulary), best, axis=1)
        tokens, lengths, ended = (_rows(a, parent) for a in (tokens, lengths, ended))
        rows = (jnp.arange(batch)[:, None] * k + parent).reshape(-1)
        state = jax.tree.map(lambda a: a[rows], state)
        tokens = jax.lax.dynamic_update_slice_in_dim(tokens, token[..., None], t, axis=2)
        lengths = _longer(lengths, ended)
        return t + 1, state, token, tokens, lengths, total, ended | (token == end_index)

    # One beam to begin with: of k equal ones every step would keep k times the same.
    total = jnp.where(jnp.arange(k) == 0, 0.0, -jnp.inf)[None].astype(jnp.float32)
    begin = (
        jnp.asarray(0, jnp.int32),
        jax.tree.map(lambda a: jnp.repeat(a, k, axis=0), state),
        jnp.repeat(start.astype(jnp.int32)[:, None], k, axis=1),
        jnp.full((batch, k, max_length), padding_index, jnp.int32),
        jnp.zeros((batch, k), jnp.int32),
        jnp.repeat(total, batch, axis=0),
        jnp.zeros((batch, k), bool),
    )
    _, _, _, tokens, lengths, total, _ = jax.lax.while_loop(going, body, begin)
    order = jnp.argsort(-total / penalty(lengths), axis=1)
    return Decoded(*(_rows(a, order) for a in (tokens, lengths, total)))


def _longer(lengths: Array, ended: Array) -> Array:
    """By one token, where a sequence has not ended."""
    return lengths + jnp.where(ended, 0, 1).astype(lengths.dtype)


def _rows(a: Array, index: Array) -> Array:
    """Of each row of the batch the beams at `index`, (B, k)."""
    return jnp.take_along_axis(a, index.reshape(index.shape + (1,) * (a.ndim - 2)), axis=1)
