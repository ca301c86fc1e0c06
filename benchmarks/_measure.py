"""Time several candidates for one job side by side, and survive those that do not fit."""

import gc
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks._memory import require_for
from benchmarks._results import Measured, Row
from benchmarks._settings import Settings
from jaxml import flops, timing

# Sums over a hundred thousand terms differ by their order, and a GPU may multiply in TF32.
TOLERANCE = {"float32": 1e-2, "bfloat16": 1e-1, "float16": 1e-1}

OUT_OF_MEMORY = "out of memory, skipped"
NO_MEMORY = ("resource_exhausted", "out of memory", "can't allocate memory")
NO_SUPPORT = ("unimplemented", "not implemented for")


@dataclass(frozen=True)
class Candidate:
    """A zero-argument call that does the whole job, and how to read its result as NumPy arrays.

    `roof(seconds, ceilings)` is its roofline, for a call that took so long; None for what is no program of JAX's.
    """

    call: Callable[[], Any]
    arrays: Callable[[Any], list[np.ndarray]]
    compile_seconds: float | None = None
    temp_bytes: int | None = None
    roof: Callable[[float, flops.Ceilings], flops.Roofline] | None = None


def numpy_leaves(out: Any) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(out)]


def compiled(f: Callable[..., Any], *args: Any) -> Candidate:
    """`f(*args)` through `jax.jit`, compiled ahead of time; `MemoryError` where the host has no room for it to run."""
    done = timing.compile(f, *args)
    require_for(f, *args, temp_bytes=done.temp_bytes)
    return Candidate(
        lambda: done.call(*args),
        numpy_leaves,
        done.trace_seconds + done.compile_seconds,
        done.temp_bytes,
        partial(roofline, f, args),
    )


def roofline(f: Callable[..., Any], args: tuple[Any, ...], seconds: float, ceilings: flops.Ceilings) -> flops.Roofline:
    """Of `f(*args)`, one call of which took `seconds`; shapes are enough for arguments."""
    return flops.roofline(f, *args, ceilings=ceilings, seconds=seconds)


def skip_reason(error: BaseException) -> str | None:
    """Why a size is passed over, or None when `error` is a fault to be seen.

    XLA, PyTorch and NumPy each have their own exception for "no memory"; only its text is common ground.
    """
    text = str(error).lower()
    runtime = isinstance(error, RuntimeError)
    if isinstance(error, MemoryError) or (runtime and any(sign in text for sign in NO_MEMORY)):
        return OUT_OF_MEMORY
    if isinstance(error, NotImplementedError) or (runtime and any(sign in text for sign in NO_SUPPORT)):
        return "not supported on this device, skipped"
    return None


def guarded(name: str, task: Callable[[Settings], Row], settings: Settings) -> Row:
    """The row `task` makes, or a row that says why there is none.

    Where memory runs out the batch is halved for the whole row, so that its candidates stay comparable.
    """
    settings = settings.for_row()
    first = 0
    while True:
        try:
            row = task(settings)
        except Exception as error:
            reason = skip_reason(error)
            if reason is None:
                raise
            row = None if reason == OUT_OF_MEMORY and settings.can_halve else Row(name, notes=[reason])
        finally:
            gc.collect()  # drop this row's buffers before the next row, or try, asks for memory
        first = first or settings.largest
        if row is not None:
            break
        settings = settings.halved()
    if settings.largest < first:
        row.notes.insert(0, f"batch halved from {first} to {settings.largest}: out of memory")
    return row


def measure(
    row: Row,
    what: str,
    candidates: Mapping[str, Callable[[], Candidate]],
    settings: Settings,
    *,
    speedups: Iterable[tuple[str, str]] = (),
    reference: str | None = None,
    patience: float = 1.0,
    least: float = 0.0,
) -> None:
    """Build each candidate, run it once, then time all in interleaved rounds; the figures go into `row`.

    A candidate that does not fit even at batch 1 is noted, the others go on. `speedups` are `(fast, slow)` pairs. With
    `reference`, results are compared with that candidate's: timing two different computations proves nothing.
    `patience` and `least` are those of `Settings.rounds`.
    """
    built: dict[str, Candidate] = {}
    results: dict[str, list[np.ndarray]] = {}
    for name, build in candidates.items():
        try:
            candidate = build()
            out = jax.block_until_ready(candidate.call())
        except Exception as error:
            reason = skip_reason(error)
            if reason is None or (reason == OUT_OF_MEMORY and settings.can_halve):
                raise
            row.notes.append(f"{what}, {name}: {reason}")
            continue
        built[name] = candidate
        if reference is not None:
            results[name] = candidate.arrays(out)
    if not built:
        return
    timings = timing.compare({name: c.call for name, c in built.items()}, **settings.rounds(patience, least))
    roofs = {name: _roof(c, timings[name].median, settings) for name, c in built.items()}
    for name, candidate in built.items():
        t = timings[name]
        # What is no program of JAX's has the floor of its namesake, torch-x that of x: they do the same job.
        roof = roofs[name] or roofs.get(name.partition("-")[2]) or roofs.get(reference or "")
        difference = None
        if reference in results and name != reference:
            difference = _difference(results[name], results[reference])
            if not difference <= TOLERANCE[settings.dtype]:
                row.notes.append(f"{what}, {name}: result differs from {reference}'s by {difference:.1e}")
            difference = difference if math.isfinite(difference) else None  # JSON knows no NaN
        row.times[f"{what}.{name}"] = Measured(
            t.median, t.q25, t.q75, t.minimum, len(t.samples),
            candidate.compile_seconds, candidate.temp_bytes, difference, list(t.samples),
            roof.floor if roof else None, roof.bound if roof else None,
        )  # fmt: skip
    for fast, slow in speedups:
        if fast in timings and slow in timings:
            row.speedups[f"{what}.{fast}/{slow}"] = timing.ratio(timings[slow], timings[fast])


def _roof(candidate: Candidate, seconds: float, settings: Settings) -> flops.Roofline | None:
    return None if candidate.roof is None or settings.ceilings is None else candidate.roof(seconds, settings.ceilings)


def _difference(got: list[np.ndarray], want: list[np.ndarray]) -> float:
    """The largest deviation, relative to the largest entry of its array."""
    return max(float(np.abs(g - w).max() / max(np.abs(w).max(), 1e-30)) for g, w in zip(got, want, strict=True))
