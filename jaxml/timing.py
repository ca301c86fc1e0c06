"""Timing that can be compared: compilation apart, warm-up, `block_until_ready`, and candidates interleaved.

Two programs timed one after the other differ by whatever the machine did meanwhile. Here every round runs each
candidate once, in an order shuffled anew, so that drift and neighbours hit all of them alike; samples of one round
are paired, and `ratio` uses that.

>>> import jax.numpy as jnp
>>> double = compile(lambda x: 2 * x, jnp.ones(3))
>>> times = compare({"a": lambda: double.call(jnp.ones(3)), "b": lambda: None}, repeats=5)
>>> len(times["a"].samples), times["a"].minimum > 0
(5, True)
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

SHORT = 200e-6  # seconds; a sample shorter than this is mostly the clock and the dispatch
MAX_INNER = 1000
MIN_ROUNDS = 3  # fewer have no spread

_clock = time.perf_counter


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one candidate, one sample a round, raw and in order; each the mean of `inner` calls."""

    name: str
    samples: tuple[float, ...]
    inner: int = 1

    @property
    def minimum(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return _quantile(self.samples, 0.5)

    @property
    def q25(self) -> float:
        return _quantile(self.samples, 0.25)

    @property
    def q75(self) -> float:
        return _quantile(self.samples, 0.75)

    @property
    def iqr(self) -> float:
        return self.q75 - self.q25

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return {
            "name": self.name,
            "minimum": self.minimum,
            "median": self.median,
            "q25": self.q25,
            "q75": self.q75,
            "iqr": self.iqr,
            "repeats": len(self.samples),
            "inner": self.inner,
            "samples": list(self.samples),
        }


@dataclass(frozen=True)
class Compiled:
    """A program compiled ahead of time: `call` it with arrays like those it was compiled for.

    `temp_bytes` and `flops` are XLA's own figures, None where the backend gives none. XLA counts the body of a loop
    once and leaves out taps on padding, so `flops` is a diagnostic and no model cost.
    """

    call: Callable[..., Any]
    trace_seconds: float
    compile_seconds: float
    temp_bytes: int | None
    flops: float | None


def compile(f: Callable[..., Any], *args: Any, donate_argnums: int | Sequence[int] = ()) -> Compiled:
    """`jax.jit(f)` compiled for `args` (arrays or `jax.ShapeDtypeStruct`s): tracing with lowering, then XLA, timed."""
    start = _clock()
    lowered = jax.jit(f, donate_argnums=donate_argnums).lower(*args)
    traced = _clock()
    compiled = lowered.compile()
    done = _clock()
    memory = compiled.memory_analysis()
    cost = compiled.cost_analysis()
    flops = (cost or {}).get("flops", -1.0)
    return Compiled(
        call=compiled,
        trace_seconds=traced - start,
        compile_seconds=done - traced,
        temp_bytes=None if memory is None else int(memory.temp_size_in_bytes),
        flops=float(flops) if flops >= 0 else None,  # a backend that cannot tell says -1
    )


def compare(
    candidates: Mapping[str, Callable[[], Any]],
    *,
    warmup: int = 2,
    repeats: int = 10,
    min_seconds: float | int = 0.0,
    max_seconds: float | int | None = None,
    inner: int | str = "auto",
    seed: int = 0,
) -> dict[str, Timing]:
    """Time calls without arguments against each other, round by round, each round in a fresh seeded order.

    warmup: untimed calls of each candidate before the first round; compile before, or here at the latest.
    repeats: rounds to make, so samples per candidate; more are made until `min_seconds` have passed.
    max_seconds: what the whole comparison may take, warm-up included. Rounds are then left out, but 3 are always made
        (fewer only if `repeats` is), and rounds stay whole: `len(timing.samples)` says how many there were.
    inner: calls in one sample; "auto" repeats calls below 200 us until a sample is about that long.

    Every call is waited for with `jax.block_until_ready`, inside a sample too: JAX may run independent small programs
    side by side, and what is wanted is the time of one. Nothing else of the library's runs inside a sample.

    Errors: `ValueError` for no candidates or impossible options. What a candidate raises passes through.
    """
    if not candidates:
        raise ValueError("compare: candidates must not be empty")
    if warmup < 0:
        raise ValueError(f"compare: warmup must be at least 0, got {warmup}")
    if repeats < 1:
        raise ValueError(f"compare: repeats must be at least 1, got {repeats}")
    if inner != "auto" and (isinstance(inner, str) or inner < 1):
        raise ValueError(f"compare: inner must be 'auto' or at least 1, got {inner!r}")
    if max_seconds is not None and max_seconds < min_seconds:
        raise ValueError(f"compare: max_seconds must be at least min_seconds, got {max_seconds} < {min_seconds}")

    start = _clock()
    calls = {}
    for name, call in candidates.items():
        for _ in range(warmup):
            jax.block_until_ready(call())
        calls[name] = _calls_per_sample(call) if inner == "auto" else int(inner)

    order = list(candidates)
    shuffle = random.Random(seed).shuffle
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    rounds = 0
    while rounds < repeats or _clock() - start < min_seconds:
        begun = _clock()
        shuffle(order)
        for name in order:
            samples[name].append(_sample(candidates[name], calls[name]))
        rounds += 1
        now = _clock()
        another_would_exceed = max_seconds is not None and now - start + (now - begun) > max_seconds
        if another_would_exceed and rounds >= min(repeats, MIN_ROUNDS):
            break
    return {name: Timing(name, tuple(samples[name]), calls[name]) for name in candidates}


def ratio(a: Timing, b: Timing) -> tuple[float, float, float]:
    """Median, lower and upper quartile of a's time over b's, round by round: above 1, `b` is the faster.

    Both must come from one `compare`, whose rounds pair their samples: what slowed a whole round cancels.

    >>> ratio(Timing("slow", (2.0, 4.0, 9.0)), Timing("fast", (1.0, 2.0, 3.0)))
    (2.0, 2.0, 2.5)
    """
    if len(a.samples) != len(b.samples):
        raise ValueError(
            f"ratio: both timings must have the same rounds, got {len(a.samples)} samples of {a.name!r} "
            f"and {len(b.samples)} of {b.name!r}"
        )
    ratios = [x / y for x, y in zip(a.samples, b.samples, strict=True)]
    return _quantile(ratios, 0.5), _quantile(ratios, 0.25), _quantile(ratios, 0.75)


def _sample(call: Callable[[], Any], inner: int) -> float:
    """Mean seconds per call over `inner` calls in a row."""
    start = _clock()
    for _ in range(inner):
        jax.block_until_ready(call())
    return (_clock() - start) / inner


def _calls_per_sample(call: Callable[[], Any]) -> int:
    """How many calls make up about `SHORT`. The shortest of a few is taken, since the first may be an odd one."""
    seconds = _sample(call, 1)
    if seconds < SHORT:
        seconds = min(seconds, _sample(call, 1), _sample(call, 1))
    return min(MAX_INNER, math.ceil(SHORT / max(seconds, SHORT / MAX_INNER)))


def _quantile(values: Sequence[float], q: float) -> float:
    """NumPy's default: linear between the two nearest order statistics."""
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
