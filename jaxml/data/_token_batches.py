"""Batches of sentences of similar length, so that little of them is padding."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from jaxml.functional._checks import check_positive

Rows = Sequence[Sequence[int]]


class TokenBatches(Iterator[Any]):
    """An endless stream of batches for `train.fit`: pairs of token rows, each batch of rows of one bucket of lengths.

    A batch is `((x, t), (t, weight), where)`: the sources x and targets t, int32 (batch_size, L) filled up with
    `padding_index`, where L is the smallest of `lengths` that both rows of every pair fit into; so there are as many
    shapes, and compiled programs, as lengths. The last batch of a bucket is filled up with rows whose `where` is False.
    `weight` is a row's number of target tokens by the mean of all rows: the mean of losses that are means over the
    tokens of a row, times it, is the mean over all tokens.

    `len(batches)` make an epoch, in which every pair comes once, in an order that `seed` and the epoch's number fix:
    pass it on as `steps_per_epoch`. `get_state` and `set_state` say where it is, so that a run is resumed exactly.
    `epoch(n)` are the batches of one epoch; `shuffle=False` leaves the order as it is, for validation.

    Errors: ValueError for no rows, other numbers of sources and targets, a row that no length holds, and lengths or a
    batch size below 1.

    >>> source, target = [[4], [4, 5], [6]], [[7, 3], [8, 9, 3], [3]]
    >>> batches = TokenBatches(source, target, batch_size=2, lengths=(2, 4), shuffle=False)
    >>> [(x.tolist(), where.tolist()) for (x, t), y, where in batches.epoch(0)]
    [([[4, 0], [6, 0]], [True, True]), ([[4, 5, 0, 0], [4, 5, 0, 0]], [True, False])]
    """

    def __init__(
        self,
        source: Rows,
        target: Rows,
        *,
        batch_size: int,
        lengths: Sequence[int] = (12, 24, 48),
        padding_index: int = 0,
        shuffle: bool = True,
        seed: int = 0,
    ):
        name = "TokenBatches"
        check_positive(name, "batch_size", [batch_size])
        check_positive(name, "lengths", list(lengths))
        if len(source) != len(target) or not len(source):
            raise ValueError(
                f"{name}: there must be as many targets as sources, and one at least, got {len(source)} sources and "
                f"{len(target)} targets"
            )
        needs = [max(len(s), len(t)) for s, t in zip(source, target, strict=True)]
        if max(needs) > max(lengths):
            row = int(np.argmax(needs))
            raise ValueError(f"{name}: row {row} has {needs[row]} tokens, more than the longest of lengths, {lengths}")
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        mean = sum(map(len, target)) / len(target)
        self._buckets = []
        bounds = [0, *sorted(set(lengths))]
        for low, high in pairwise(bounds):
            rows = [n for n, need in enumerate(needs) if low < need <= high or (need == 0 == low)]
            if rows:
                x, t = (_padded([part[n] for n in rows], high, padding_index) for part in (source, target))
                weight = np.array([len(target[n]) / mean for n in rows], np.float32)
                self._buckets.append((x, t, weight))
        self._plan: list[tuple[int, np.ndarray]] = []
        self.set_state({"epoch": 0, "taken": 0})

    def __len__(self) -> int:
        return sum(-(-len(weight) // self.batch_size) for _, _, weight in self._buckets)

    def __next__(self) -> Any:
        if self._taken == len(self._plan):
            self.set_state({"epoch": self._epoch + 1, "taken": 0})
        self._taken += 1
        return self._batch(*self._plan[self._taken - 1])

    def epoch(self, number: int) -> list[Any]:
        """The batches of this epoch."""
        return [self._batch(bucket, index) for bucket, index in self._planned(number)]

    def get_state(self) -> dict[str, int]:
        """The epoch, and how many of its batches are taken."""
        return {"epoch": self._epoch, "taken": self._taken}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self._epoch, self._taken = state["epoch"], state["taken"]
        self._plan = self._planned(self._epoch)

    def _planned(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """The bucket, and the rows of it, of each batch."""
        random = np.random.default_rng([self.seed, epoch])
        plan = []
        for number, (_, _, weight) in enumerate(self._buckets):
            n = len(weight)
            order = random.permutation(n) if self.shuffle else np.arange(n)
            plan += [(number, order[at : at + self.batch_size]) for at in range(0, n, self.batch_size)]
        return [plan[at] for at in random.permutation(len(plan))] if self.shuffle else plan

    def _batch(self, bucket: int, index: np.ndarray) -> Any:
        where = np.arange(self.batch_size) < len(index)
        x, t, weight = (a[np.resize(index, self.batch_size)] for a in self._buckets[bucket])
        return (x, t), (t, weight), where


def _padded(rows: Rows, length: int, padding_index: int) -> np.ndarray:
    out = np.full((len(rows), length), padding_index, np.int32)
    for n, row in enumerate(rows):
        out[n, : len(row)] = row
    return out
