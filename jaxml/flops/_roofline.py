"""The roofline: how long a program takes at least on a device, and how near it comes to that."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxml import timing
from jaxml.flops._ceilings import Ceilings, name_of
from jaxml.flops._cost import Cost
from jaxml.flops._count import check_options, traced
from jaxml.flops._io import ends
from jaxml.flops._probe import ceilings as probe
from jaxml.flops._roofline_text import roofline_text
from jaxml.flops._table import for_rich
from jaxml.flops._walk import Walker

REPEATS = 10
TIMED_AT_MOST = 3.0  # seconds


@dataclass(frozen=True)
class Roofline:
    """A program under the roofs of a device.

    cost: what it computes. dtype: the one at whose rate it counts.
    moved: bytes that it moves at least: those of its products and convolutions, elementwise work being fused into
        them, and never fewer than its inputs and outputs have.
    intensity: FLOPs for each byte moved.
    bound: "compute" or "memory", whichever makes the larger part of the floor.
    floor: seconds that it takes at least.
    seconds: the median of what it took; None where nothing was timed.
    share: `floor / seconds`, the share of the roof that it reaches; None likewise.
    """

    cost: Cost
    dtype: str
    moved: int
    intensity: float
    bound: str
    floor: float
    seconds: float | None = None
    share: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return {**vars(self), "cost": self.cost.as_dict()}

    def __str__(self) -> str:
        return roofline_text(self)

    def __rich__(self) -> str:
        return for_rich(str(self))


def roofline(
    f: Callable[..., Any],
    *args: Any,
    ceilings: Ceilings | None = None,
    seconds: float | None = None,
    dtype: Any = None,
    padding: str = "exclude",
) -> Roofline:
    """How long `f(*args)` takes at least on this device, which of its roofs says so, and how near `f` comes to it.

    floor = sum over products and convolutions of max(FLOPs / rate, bytes / bandwidth)

    and never below what reading the inputs and writing the outputs takes; without products, the larger of that and
    FLOPs / rate. Elementwise work is taken to be fused away. The bandwidth is that for the bytes of one execution: a
    scan reads its weights from the cache, step after step.

    args: arrays, then `f` is compiled and timed; or, of any leaf, `jax.ShapeDtypeStruct`, then it is only counted.
    ceilings: the roofs; None measures them once, with `flops.ceilings`.
    seconds: what one call takes, where it is known; then `f` is not run.
    dtype: at whose rate all counts. None: each product at that of its operands if the ceilings have it, and the rest
        at that of the widest floating dtype among the arguments.
    padding: as in `count`, but here taps on padding are no work by default, since a program may leave them out.

    Errors: `CountError` for what `count` refuses; `ValueError` for `seconds` that are no positive number, and for a
        dtype that the ceilings lack.

    >>> roofs = Ceilings("example", {"float32": 2e11}, {10**6: 1e11, 10**8: 2e10})
    >>> a = jax.ShapeDtypeStruct((1000, 1000), "float32")
    >>> line = roofline(lambda a: a @ a, a, ceilings=roofs)
    >>> line.bound, line.floor
    ('compute', 0.01)
    """
    check_options(padding=padding, trip_count=None, branch="max")
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"roofline: seconds must be positive and finite, got {seconds}")
    jaxpr = traced(f, *args)
    name = _widest(args) if dtype is None else name_of("roofline", dtype)
    tally, _ = Walker(padding).walk(jaxpr, ())
    own = sorted({p.dtype for p in tally.products} - {name}) if dtype is None else []
    if ceilings is None:
        ceilings = probe((name, *(d for d in own if jnp.issubdtype(d, jnp.floating))))
    default = ceilings.rate(name)
    rates = {d: ceilings.flops.get(d, default) for d in own}

    cost = tally.cost()
    read, written = ends(jaxpr)
    # Written over what was read, as donated arrays are, the ends take no more room than the larger of them.
    inout = (read + written) / ceilings.bandwidth_at(max(read, written))
    parts = [
        (times * p.flops / rates.get(p.dtype, default), times * p.bytes / ceilings.bandwidth_at(p.bytes))
        for p, times in tally.products.items()
    ] or [(cost.flops / default, 0.0)]
    floor, bound = _floor(parts, inout)
    moved = max(read + written, sum(times * p.bytes for p, times in tally.products.items()))
    if seconds is None:
        seconds = _timed(f, args)
    share = None if seconds is None else floor / seconds
    return Roofline(cost, name, moved, cost.flops / moved if moved else 0.0, bound, floor, seconds, share)


def _floor(parts: list[tuple[float, float]], inout: float) -> tuple[float, str]:
    """Seconds, and what bounds them, from those for computing and moving of each part and for the program's ends."""
    by_compute = sum(compute for compute, memory in parts if compute >= memory)
    by_memory = sum(memory for compute, memory in parts if compute < memory)
    if inout > by_compute + by_memory:
        return inout, "memory"
    return by_compute + by_memory, "compute" if by_compute >= by_memory else "memory"


def _timed(f: Callable[..., Any], args: tuple[Any, ...]) -> float | None:
    """Median seconds of a call; None for arguments that are only shapes."""
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(args)):
        return None
    args = jax.device_put(args)  # so that no sample includes the way to the device
    compiled = timing.compile(f, *args)
    times = timing.compare({"f": lambda: compiled.call(*args)}, repeats=REPEATS, max_seconds=TIMED_AT_MOST)
    return times["f"].median


def _widest(args: Any) -> str:
    """The floating dtype with the most bytes among the leaves; float32 where there is none."""
    dtypes = [leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf) for leaf in jax.tree.leaves(args)]
    floating = [d for d in dtypes if jnp.issubdtype(d, jnp.floating)]
    return max(floating, key=lambda d: d.itemsize).name if floating else "float32"
