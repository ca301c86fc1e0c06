"""Greedy, drawn and beam-searched sequences, of chains whose probabilities are known."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import models

V, END = 4, 3


def chain(rng, vocabulary=V):
    """log p(next | last two tokens), as a table and as a step whose state is the token before."""
    table = np.log(rng.dirichlet(np.full(vocabulary, 0.6), (vocabulary, vocabulary))).astype(np.float32)

    def step(state, token):
        return jnp.asarray(table)[state["before"], token], {"before": token}

    return table, step


def start(batch=2):
    return {"before": jnp.zeros(batch, jnp.int32)}, jnp.arange(batch, dtype=jnp.int32) + 1


def log_probability(table, first, tokens):
    before, total = [0, first], 0.0
    for token in tokens:
        total += float(table[before[0], before[1], token])
        before = [before[1], token]
    return total


def sequences(length, vocabulary=V, end=END):
    """All that end within `length` tokens, or have so many."""
    for tokens in itertools.product(range(vocabulary), repeat=length):
        at = tokens.index(end) if end in tokens else length - 1
        if all(t == 0 for t in tokens[at + 1 :]):
            yield tokens[: at + 1]


def padded(tokens, length):
    return [*tokens, *[0] * (length - len(tokens))]


def test_greedy_is_the_loop_in_python(rng):
    table, step = chain(rng)
    state, first = start()
    found = jax.jit(partial(models.greedy_decode, step, max_length=6, end_index=END))(state, first)
    for row in range(2):
        before, tokens = [0, row + 1], []
        while len(tokens) < 6 and END not in tokens:
            tokens.append(int(table[before[0], before[1]].argmax()))
            before = [before[1], tokens[-1]]
        assert found.tokens[row].tolist() == padded(tokens, 6)
        assert found.lengths[row] == len(tokens)
        assert np.isclose(found.log_probability[row], log_probability(table, row + 1, tokens), rtol=1e-5)


def test_without_an_end_all_steps_are_made():
    def step(state, token):
        return (jax.nn.one_hot((token + 1) % 5, 5), state)

    found = models.greedy_decode(step, None, jnp.array([1, 4]), max_length=5)
    assert found.tokens.tolist() == [[2, 3, 4, 0, 1], [0, 1, 2, 3, 4]] and found.lengths.tolist() == [5, 5]


def test_an_ended_row_waits_for_the_others():
    """And the loop stops with the last of them: the counter says how often `step` was called."""

    def step(state, token):
        return (jax.nn.one_hot(token + 1, 8), state + 1)

    ended = models.greedy_decode(step, jnp.zeros((2,), jnp.int32), jnp.array([1, 5]), max_length=8, end_index=6)
    assert ended.tokens.tolist() == [[2, 3, 4, 5, 6, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0]]
    assert ended.lengths.tolist() == [5, 1]


def test_drawn_tokens_are_distributed_as_they_should(rng):
    """4,000 rows of one distribution, sharpened by the temperature and cut to the two likeliest."""
    p = np.array([0.1, 0.2, 0.3, 0.4], np.float32)

    def step(state, token):
        return (jnp.tile(jnp.log(p)[None], (token.shape[0], 1)), state)

    first = jnp.zeros(4000, jnp.int32)
    for options, want in (
        ({}, p),
        ({"temperature": 0.5}, p**2 / (p**2).sum()),
        ({"top_k": 2}, [0, 0, 3 / 7, 4 / 7]),
        ({"top_k": 1}, [0, 0, 0, 1]),
    ):
        found = models.sample_decode(jax.random.key(1), step, None, first, max_length=2, **options)
        for column in (0, 1):
            share = np.bincount(found.tokens[:, column], minlength=4) / 4000
            assert np.abs(share - want).max() < 5 * np.sqrt(0.25 / 4000), options
        # Of the model itself, whatever was drawn from.
        np.testing.assert_allclose(found.log_probability, np.log(p)[np.asarray(found.tokens)].sum(1), rtol=1e-5)
    # Two steps, and two rows, draw for themselves; the same key draws the same.
    assert (found.tokens[:, 0] == found.tokens[:, 1]).all()  # of top_k=1
    drawn = models.sample_decode(jax.random.key(1), step, None, first, max_length=2)
    again = models.sample_decode(jax.random.key(1), step, None, first, max_length=2)
    assert (drawn.tokens == again.tokens).all() and 0.2 < float((drawn.tokens[:, 0] == drawn.tokens[:, 1]).mean()) < 0.4


@pytest.mark.parametrize("name", ["greedy_decode", "sample_decode", "beam_search"])
def test_an_empty_batch_is_decoded_to_nothing(name):
    found = SEARCHES[name](flat, None, jnp.zeros(0, jnp.int32), max_length=3)
    beams = (4,) if name == "beam_search" else ()
    assert [a.shape for a in found] == [(0, *beams, 3), (0, *beams), (0, *beams)]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(rng, length_penalty):
    _, step = chain(rng)
    state, first = start()
    greedy = models.greedy_decode(step, state, first, max_length=6, end_index=END)
    beam = models.beam_search(
        step, state, first, max_length=6, end_index=END, beam_size=1, length_penalty=length_penalty
    )
    assert (
        beam.tokens[:, 0].tolist() == greedy.tokens.tolist() and beam.lengths[:, 0].tolist() == greedy.lengths.tolist()
    )
    np.testing.assert_allclose(beam.log_probability[:, 0], greedy.log_probability, rtol=1e-6)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_full_beam_is_exhaustive_search(rng, length_penalty):
    """As wide as the vocabulary, of two tokens: the beam holds every first one."""
    table, step = chain(rng)
    state, first = start()
    search = partial(models.beam_search, step, max_length=2, end_index=END, beam_size=V, length_penalty=length_penalty)
    found = jax.jit(search)(state, first)
    for row in range(2):
        scored = sorted(
            sequences(2),
            key=lambda s: -log_probability(table, row + 1, s) / ((5 + len(s)) / 6) ** length_penalty,
        )
        assert found.tokens[row].tolist() == [padded(s, 2) for s in scored[:V]]
        assert found.lengths[row].tolist() == [len(s) for s in scored[:V]]
        want = [log_probability(table, row + 1, s) for s in scored[:V]]
        np.testing.assert_allclose(found.log_probability[row], want, rtol=1e-5)


def by_hand(table, first, length, width, alpha):
    """The search as it is written in words, one row, with lists."""
    beams = [((), 0.0)]
    for _ in range(length):
        candidates = []
        for tokens, total in beams:
            if END in tokens:
                candidates.append((tokens, total))
                continue
            before = (0, first, *tokens)[-2:]
            candidates += [((*tokens, t), total + float(table[before][t])) for t in range(V)]
        beams = sorted(candidates, key=lambda c: -c[1] / ((5 + len(c[0])) / 6) ** alpha)[:width]
    return beams


@pytest.mark.parametrize(("width", "length_penalty"), [(2, 0.0), (3, 0.8)])
def test_beams_are_those_of_the_search_by_hand(rng, width, length_penalty):
    for _ in range(3):
        table, step = chain(rng)
        state, first = start()
        options = {"max_length": 5, "end_index": END, "beam_size": width, "length_penalty": length_penalty}
        found = models.beam_search(step, state, first, **options)
        for row in range(2):
            want = by_hand(table, row + 1, 5, width, length_penalty)
            assert found.tokens[row].tolist() == [padded(tokens, 5) for tokens, _ in want]
            np.testing.assert_allclose(found.log_probability[row], [total for _, total in want], rtol=1e-5)


def test_a_penalty_prefers_the_longer_one():
    """To end at once has probability .5; to write three tokens first, .45."""
    table = jnp.log(jnp.array([[0, 0.45, 0, 0.55], [0.0, 0.0, 1, 0], [0, 0.0, 0, 1], [0, 0, 0, 1]]))

    def step(state, token):
        return (table[token], state)

    first, options = jnp.array([0]), {"max_length": 4, "end_index": 3, "beam_size": 2}
    short = models.beam_search(step, None, first, **options)
    long = models.beam_search(step, None, first, length_penalty=2.0, **options)
    assert short.tokens[0].tolist() == [[3, 0, 0, 0], [1, 2, 3, 0]]
    assert long.tokens[0].tolist() == [[1, 2, 3, 0], [3, 0, 0, 0]]


def test_impossible_beams_end_the_search():
    """Of two tokens one has probability 0: the second beam is never possible, and no NaN."""

    def step(state, token):
        return (
            jnp.where(jnp.arange(2) == 1, 0.0, -jnp.inf)[None] + jnp.zeros((token.shape[0], 1)),
            state,
        )

    found = models.beam_search(step, None, jnp.array([0]), max_length=9, end_index=1, beam_size=2)
    assert found.tokens[0, 0].tolist() == [1, *[0] * 8] and found.log_probability[0].tolist() == [0, -np.inf]


def flat(state, token):
    return jnp.zeros((token.shape[0], V)), state


SEARCHES = {
    "greedy_decode": models.greedy_decode,
    "sample_decode": partial(models.sample_decode, jax.random.key(0)),
    "beam_search": partial(models.beam_search, end_index=END),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"max_length": 0}, ValueError, "max_length must be positive integers"),
        ({"end_index": 4}, ValueError, "end_index must lie between 0 and 3, got 4"),
        ({"padding_index": -1}, ValueError, "padding_index must lie between 0 and 3, got -1"),
        ({"start": jnp.zeros((2, 1), jnp.int32)}, ValueError, r"start must have 1 axes \(B,\)"),
        ({"start": jnp.zeros(2)}, TypeError, "start must be integers, got float32"),
        ({"step": lambda s, t: (t, s)}, ValueError, r"step must give logits \(2, V\) and a state, got \(2,\)"),
        ({"step": lambda s, t: (flat(s, t)[0], t)}, ValueError, "step must give a state like the one it gets"),
    ],
)  # fmt: skip
def test_what_cannot_be_decoded(name, changed, error, message, unchecked_types):
    given = {"step": flat, "state": None, "start": jnp.zeros(2, jnp.int32), "max_length": 3} | changed
    step, state, first = (given.pop(part) for part in ("step", "state", "start"))
    with pytest.raises(error, match=f"{name}: {message}"):
        SEARCHES[name](step, state, first, **given)


def test_options_of_one_search(unchecked_types):
    first = jnp.zeros(2, jnp.int32)
    beam = partial(models.beam_search, flat, None, first, max_length=3, end_index=END)
    with pytest.raises(ValueError, match="beam_search: beam_size must be at most the size of the vocabulary, 4, got 5"):
        beam(beam_size=5)
    with pytest.raises(ValueError, match="beam_search: beam_size must be positive"):
        beam(beam_size=0)
    with pytest.raises(ValueError, match="beam_search: length_penalty must be at least 0, got -1"):
        beam(length_penalty=-1.0)
    with pytest.raises(
        ValueError, match=r"every leaf of state must have the 2 rows first, \['h'\] is of shape \(3, 2\)"
    ):
        models.beam_search(flat, {"h": jnp.zeros((3, 2))}, first, max_length=3, end_index=END)
    draw = partial(models.sample_decode, jax.random.key(0), flat, None, first, max_length=3)
    with pytest.raises(ValueError, match="sample_decode: temperature must be finite and above 0, got 0"):
        draw(temperature=0.0)
    for k in (0, 5):
        with pytest.raises(ValueError, match="sample_decode: top_k must"):
            draw(top_k=k)
