"""Batches of sentences of similar length: each once an epoch, little padding, the same after a resumption."""

import numpy as np
import pytest

from jaxml import data


@pytest.fixture
def rows(rng):
    """97 pairs whose first token says which one it is."""
    lengths = rng.integers(1, 21, (97, 2))
    return [[[100 + n] + [5] * (length - 1) for n, length in enumerate(part)] for part in lengths.T]


def members(batches):
    return [x[where, 0].tolist() for (x, _), _, where in batches]


def test_every_pair_comes_once_an_epoch(rows):
    batches = data.TokenBatches(*rows, batch_size=8, lengths=(5, 10, 20), seed=3)
    taken = [[next(batches) for _ in range(len(batches))] for _ in range(2)]
    for epoch, found in enumerate(taken):
        assert sorted(n for batch in members(found) for n in batch) == list(range(100, 197))
        assert members(found) == members(batches.epoch(epoch))
    assert members(taken[0]) != members(taken[1])
    needs = [max(len(s), len(t)) for s, t in zip(*rows, strict=True)]
    for (x, t), (y, weight), where in taken[0]:
        assert x.shape == t.shape == (8, x.shape[1]) and y is t and weight.shape == where.shape == (8,)
        low = {5: 0, 10: 5, 20: 10}[x.shape[1]]
        for row, target, w in zip(x[where], t[where], weight[where], strict=True):
            n = row[0] - 100
            assert low < needs[n] <= x.shape[1]
            assert row[row != 0].tolist() == rows[0][n] and target[target != 0].tolist() == rows[1][n]
            assert np.isclose(w, len(rows[1][n]) * 97 / sum(map(len, rows[1])))


def test_the_weighted_mean_is_that_over_tokens(rows, rng):
    """Of losses that are a mean over a row's tokens."""
    losses = [rng.uniform(size=len(row)) for row in rows[1]]
    batches = data.TokenBatches(*rows, batch_size=8, lengths=(20,), shuffle=False).epoch(0)
    each = [
        losses[n - 100].mean() * w
        for (x, _), (_, ws), where in batches
        for n, w in zip(x[where, 0], ws[where], strict=True)
    ]
    assert np.isclose(np.mean(each), np.concatenate(losses).mean(), rtol=1e-5)


def test_it_goes_on_where_it_was(rows):
    batches = data.TokenBatches(*rows, batch_size=8, lengths=(5, 10, 20))
    for _ in range(len(batches) + 3):
        next(batches)
    state = batches.get_state()
    assert state == {"epoch": 1, "taken": 3}
    want = members([next(batches) for _ in range(20)])
    again = data.TokenBatches(*rows, batch_size=8, lengths=(5, 10, 20))
    again.set_state(state)
    assert members([next(again) for _ in range(20)]) == want


def test_order_is_kept_for_validation(rows):
    batches = data.TokenBatches(*rows, batch_size=50, lengths=(20,), shuffle=False)
    assert members(batches.epoch(0)) == members(batches.epoch(7)) == [list(range(100, 150)), list(range(150, 197))]


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ([], [], {}, "there must be as many targets as sources, and one at least, got 0 sources and 0 targets"),
        ([[4]], [[4], [5]], {}, "there must be as many targets as sources, and one at least, got 1 sources and 2"),
        (
            [[4], [4] * 9],
            [[4], [4]],
            {"lengths": (4, 8)},
            r"row 1 has 9 tokens, more than the longest of lengths, \(4, 8\)",
        ),
        ([[4]], [[4]], {"batch_size": 0}, "batch_size must be positive integers"),
        ([[4]], [[4]], {"lengths": (0, 8)}, "lengths must be positive integers"),
    ],
)
def test_what_makes_no_batches(source, target, options, message):
    with pytest.raises(ValueError, match=f"TokenBatches: {message}"):
        data.TokenBatches(source, target, **{"batch_size": 2, **options})
