"""Padding and window options shared by convolutions and pools: what a user may write, and the pairs it means."""

from collections.abc import Sequence
from typing import Any

from jaxml.functional._checks import check_choice, check_equal, check_positive

Padding = str | int | Sequence[int] | Sequence[Sequence[int]]
"""`"SAME"`, `"VALID"`, an int, one int an axis, or one `(before, after)` pair an axis."""


def to_tuple(function: str, name: str, value: int | Sequence[int], n: int) -> tuple[int, ...]:
    """`value` for each of `n` spatial axes: an int is repeated, a sequence must have `n` entries, all positive."""
    values: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,) * n
    check_equal(function, f"the number of entries of {name}", len(values), n)
    check_positive(function, name, values)
    return values


def same_pads(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's SAME: `ceil(size / stride)` outputs, the odd element of padding at the end."""
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def output_size(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Number of windows along one axis."""
    return (size + sum(pads) - (kernel - 1) * dilation - 1) // stride + 1


def resolve_padding(
    function: str,
    padding: Padding,
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """`(before, after)` for every spatial axis.

    `"SAME"` is TensorFlow's (as many outputs as `ceil(size / stride)`, asymmetric where the total is odd), `"VALID"` is
    none, an int is PyTorch's (as many on both sides of every axis). An empty image, negative padding and a kernel that
    is larger than the padded input are errors.
    """
    check_positive(function, "the spatial size of x", spatial)
    check_positive(function, "the spatial size of the kernel", kernel)
    axes = list(zip(spatial, kernel, stride, dilation, strict=True))
    if isinstance(padding, str):
        check_choice(function, "padding", padding, ("SAME", "VALID"))
        pads = tuple(same_pads(*axis) if padding == "SAME" else (0, 0) for axis in axes)
    else:
        pads = explicit_pads(function, padding, len(spatial))
    for size, k, _, d, pair in [(*axis, pair) for axis, pair in zip(axes, pads, strict=True)]:
        extent = (k - 1) * d + 1
        if extent > size + sum(pair):
            raise ValueError(
                f"{function}: the window covers {extent} positions, more than the padded input's {size + sum(pair)} "
                f"(spatial: {spatial}, kernel: {kernel}, dilation: {dilation}, padding: {pads})"
            )
    return pads


def explicit_pads(
    function: str, padding: Padding, n: int, words: tuple[str, ...] = ("SAME", "VALID")
) -> tuple[tuple[int, int], ...]:
    """One `(before, after)` pair for each of `n` axes; `words` is what else the caller takes, for the message."""
    entries: Sequence = padding if isinstance(padding, Sequence) else (padding,) * n
    check_equal(function, "the number of entries of padding", len(entries), n)
    pads = []
    for entry in entries:
        pair = tuple(entry) if isinstance(entry, Sequence) else (entry, entry)
        if len(pair) != 2 or any(isinstance(p, bool) or not isinstance(p, int) or p < 0 for p in pair):
            raise ValueError(
                f"{function}: padding must be {''.join(f'{word!r}, ' for word in words)}an int, or one non-negative "
                f"(before, after) pair for each of {n} axes, got {padding!r}"
            )
        pads.append(pair)
    return tuple(pads)
