"""How many elements of a window and its arrays meet along one axis, with and without those on padding.

Left operand i, right operand k and result o meet where `i * lhs_step = o * out_step + k * rhs_step - before`.
"""

import functools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """Sizes of the left operand, the right one and the result; the stride of the result, the dilation of each."""

    lhs: int
    rhs: int
    out: int
    out_step: int = 1
    lhs_step: int = 1
    rhs_step: int = 1
    before: int = 0


def read_pairs(axis: Axis) -> int:
    """Pairs (result, right) that meet an element of the left operand: none on padding, none on zeros in between."""
    return _count(axis.out, axis.rhs, axis.out_step, axis.rhs_step, axis.before, axis.lhs_step, axis.lhs)


def pairs(axis: Axis, which: tuple[int, int]) -> int:
    """Pairs of two of (left, right, result), by number, that meet the third or would if it had no end."""
    a = axis
    steps = (a.lhs_step, -a.rhs_step, -a.out_step)
    sizes = (a.lhs, a.rhs, a.out)
    (third,) = {0, 1, 2} - set(which)
    i, j = which
    return _count(sizes[i], sizes[j], steps[i], steps[j], -a.before, abs(steps[third]), None)


def met(axis: Axis, padding: bool) -> int:
    """Results that meet an element of the left operand, or with `padding` a place on padding: not zeros in between."""
    if padding and axis.lhs_step == 1:
        return axis.out if axis.rhs else 0
    found = np.zeros(axis.out, bool)
    for k in range(axis.rhs):
        position = np.arange(axis.out, dtype=np.int64) * axis.out_step + k * axis.rhs_step - axis.before
        hit = position % axis.lhs_step == 0
        found |= hit if padding else hit & (position >= 0) & (position < axis.lhs * axis.lhs_step)
        if found.all():
            break
    return int(np.count_nonzero(found))


@functools.lru_cache(4096)
def _count(a: int, b: int, by_a: int, by_b: int, before: int, step: int, limit: int | None) -> int:
    """Pairs (i < a, j < b) whose position `i*by_a + j*by_b - before` is a multiple of `step`, and in 0..limit*step."""
    if step == 1 and limit is None:
        return a * b
    if a < b:
        a, b, by_a, by_b = b, a, by_b, by_a
    total = 0
    along = np.arange(a, dtype=np.int64) * by_a - before
    for j in range(b):
        position = along + j * by_b
        hit = position % step == 0
        if limit is not None:
            hit &= (position >= 0) & (position < limit * step)
        total += int(np.count_nonzero(hit))
    return total
