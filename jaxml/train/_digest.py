"""A checksum of arrays that does not depend on how they are cut over devices and processes."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

CHUNK = 1 << 20


def digests(leaves: Sequence[Any]) -> list[int]:
    """For each array the sum over its 32-bit words w_i (narrower ones widened) of (2 i + 1)(m_i + 1), modulo 2^32.

    m_i is w_i with its upper half folded into the lower, or words that end in zeros, as those of 1.0 and of bfloat16
    numbers do, could change places unseen. One changed word always changes the sum, several do but by rare chance. The
    sum over parts of an array is that of the whole: every process adds up what it holds.
    """
    own = np.array([sum(map(_of_shard, _shards(leaf))) % 2**32 for leaf in leaves], np.uint32)
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        own = np.asarray(multihost_utils.process_allgather(own)).sum(0, dtype=np.uint32)
    return [int(d) for d in own]


def _shards(leaf: Any) -> list[tuple[np.ndarray, tuple[int, ...], tuple[slice, ...]]]:
    """What this process holds: data, shape of the whole, and the place; over all processes each part once."""
    if not isinstance(leaf, jax.Array):
        return [(np.asarray(leaf), np.shape(leaf), (slice(None),) * np.ndim(leaf))]
    return [(np.asarray(s.data), leaf.shape, s.index) for s in leaf.addressable_shards if s.replica_id == 0]


def _of_shard(shard: tuple[np.ndarray, tuple[int, ...], tuple[slice, ...]]) -> int:
    data, shape, place = shard
    words = _words(data)
    if data.shape == shape:
        total, flat = 0, words.reshape(-1)
        for start in range(0, flat.size, CHUNK):  # in pieces that stay in the cache
            part = flat[start : start + CHUNK]
            total += int(
                (_weight(np.arange(start, start + part.size, dtype=np.uint64)) * (part + np.uint32(1))).sum(
                    dtype=np.uint32
                )
            )
        return total
    where = np.zeros(data.shape, np.uint64)
    for axis, (piece, size) in enumerate(zip(place, shape, strict=True)):
        stride = math.prod(shape[axis + 1 :])
        along = np.arange(*piece.indices(size), dtype=np.uint64) * np.uint64(stride)
        where += along.reshape([-1 if i == axis else 1 for i in range(data.ndim)])
    per = words.size // max(data.size, 1)
    where = where[..., None] * np.uint64(per) + np.arange(per, dtype=np.uint64)
    return int((_weight(where) * (words.reshape(where.shape) + np.uint32(1))).sum(dtype=np.uint32))


def _weight(index: np.ndarray) -> np.ndarray:
    return (index * np.uint64(2) + np.uint64(1)).astype(np.uint32)


def _words(a: np.ndarray) -> np.ndarray:
    """The array's bits as 32-bit words, one an entry or several, folded."""
    a = np.ascontiguousarray(a)
    narrow = a.dtype.itemsize < 4
    words = a.reshape(-1).view(f"u{a.dtype.itemsize}").astype(np.uint32) if narrow else a.reshape(-1).view(np.uint32)
    return words ^ (words >> np.uint32(16))
