"""Runs of several processes: how they find one another, that they do the same, and what is said when one is lost."""

import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxml.train._last_words import last_words, newest

# How JAX's collectives, its service and Orbax's barriers say that somebody else is gone.
LOST = re.compile(
    r"gloo|nccl|rccl|UNAVAILABLE|DEADLINE_EXCEEDED|heartbeat|coordination service|barrier|connection (reset|closed)",
    re.IGNORECASE,
)


class LostProcessError(RuntimeError):
    """Another process of the run is gone, so this one cannot go on."""


@contextmanager
def joint_run(folder: Path | None) -> Iterator[None]:
    """What the loss of another process looks like while they train together: an error that names the checkpoint in
    `folder` to go on from, and the same words if JAX ends this process before Python hears of it."""
    if jax.process_count() == 1:
        yield
        return
    me = f"fit: process {jax.process_index()} of {jax.process_count()}"
    lost = f"{me} cannot go on: another process was lost, or cannot be reached"
    with last_words(f"{me} was ended from outside, by a signal or because another process was lost", folder):
        try:
            yield
        except Exception as error:
            if isinstance(error, LostProcessError) or not LOST.search(str(error)):
                raise
            message = lost + newest(folder)
            # At once: where the lost process was the first one, JAX ends this one within milliseconds.
            print(message, file=sys.stderr, flush=True)
            raise LostProcessError(message) from error


def check_alike(parts: Mapping[str, Any]) -> None:
    """Every process calls `fit` with the same things. `parts` maps what they are called in the error to a text or to
    a tree of arrays; differing calls would hang, or train each replica on its own."""
    if jax.process_count() == 1:
        return
    from jax.experimental import multihost_utils

    own = np.array([_checksum(part) for part in parts.values()], np.uint32)
    every = np.asarray(multihost_utils.process_allgather(own)).reshape(-1, own.size)
    for name, column in zip(parts, every.T, strict=True):
        other = np.flatnonzero(column != column[0])
        if other.size:
            raise ValueError(
                f"fit: all processes must be given the same {name}, but those of process {other[0]} differ"
            )


def _checksum(part: Any) -> int:
    if isinstance(part, str):
        return zlib.crc32(part.encode())
    total = 0
    for leaf in jax.tree.leaves(part):
        if isinstance(leaf, jax.Array):
            if not leaf.is_fully_addressable:
                continue  # one array of all processes: there is nothing to compare
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                leaf = jax.random.key_data(leaf)
        a = np.ascontiguousarray(np.asarray(leaf))
        total = zlib.crc32(a.reshape(-1).view(np.uint8).data, zlib.crc32(f"{a.shape}{a.dtype}".encode(), total))
    return total
