"""A probe of the device: how fast it multiplies matrices, and how fast it moves bytes in and out of cache."""

import functools
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxml import timing
from jaxml.flops._ceilings import Ceilings, name_of
from jaxml.flops._rules import is_complex

SIDES = (512, 1024, 2048, 4096, 8192)  # of square matrices; a GPU needs the last ones, a CPU has not the time for them
# Bytes of the working sets. Closer together where the caches of today end: there the bandwidth falls by five.
WORKING_SETS = (2**18, 2**20, 2**22, 2**24, 2**25, 2**26, 2**27, 2**29)
SWEEPS = 3
MOVED = 2**29  # bytes that one program moves at least, so that its dispatch does not count


def ceilings(dtypes: Sequence[Any] = ("float32",), /, *, seconds: float = 3.0) -> Ceilings:
    """The roofs of JAX's default device, measured; once in a process for the same arguments.

    FLOP/s are those of the fastest of a few square matrix products, in the precision that `jax.numpy.matmul` has by
    default. Bytes/s are those of `x * c` into x itself, repeated, in working sets of 256 KiB to 512 MiB: fresh memory
    would measure page faults.

    dtypes: names or dtypes of the products.
    seconds: about how long the probe takes: a half for the bandwidth, a half for each dtype.

    Errors: `ValueError` for no positive number of seconds, for no dtypes, and for one that does not exist or that the
    platform cannot multiply.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"ceilings: seconds must be positive and finite, got {seconds}")
    names = [_checked(dtype) for dtype in ((dtypes,) if isinstance(dtypes, str) else dtypes)]
    if not names:
        raise ValueError("ceilings: dtypes must not be empty")
    (device,) = jnp.zeros(()).devices()
    cores = f", {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    return Ceilings(
        device.device_kind + (cores if device.platform == "cpu" else ""),
        {name: _rate(name, seconds / 2, device) for name in names},
        dict(_bandwidth(seconds / 2, device)),
    )


def _checked(dtype: Any) -> str:
    """The name of a dtype that has products."""
    name = name_of("ceilings", dtype)
    known = jnp.dtype(name)
    if not jnp.issubdtype(known, jnp.number):
        raise ValueError(f"ceilings: {name} is no dtype of numbers")
    if jax.dtypes.canonicalize_dtype(known) != known:
        raise ValueError(f"ceilings: {name} needs jax_enable_x64")
    return name


@functools.cache
def _rate(name: str, seconds: float, device: Any) -> float:
    """FLOP/s of the fastest product; each side doubled as long as the time allows."""
    best, last, begun = 0.0, 0.0, time.perf_counter()
    for side in SIDES:
        left = seconds - (time.perf_counter() - begun)
        if best and 8 * last * 5 > left:  # warm-up, and no fewer than 3 samples
            break
        x = jax.device_put(jax.random.normal(jax.random.key(0), (side, side)).astype(name), device)
        # 8 bits hold no sum of products; hardware that multiplies them adds in 32.
        into = jnp.int32 if jnp.issubdtype(x.dtype, jnp.integer) and x.dtype.itemsize < 4 else None
        try:
            product = timing.compile(functools.partial(jnp.matmul, preferred_element_type=into), x, x)
            last = _times(functools.partial(product.call, x, x), left / 2).minimum
        except Exception as error:
            if best:  # no memory for a larger one
                break
            reason = str(error).strip().split("\n")[0]
            raise ValueError(f"ceilings: {device.platform} cannot multiply {name} matrices: {reason}") from error
        best = max(best, (8 if is_complex(x) else 2) * side**3 / last)
    return best


@functools.cache
def _bandwidth(seconds: float, device: Any) -> tuple[tuple[int, float], ...]:
    """Working set and bytes/s, read plus written: the lower quartile of the times of all sweeps.

    On a shared machine the bandwidth is at times half or double of what it is otherwise, for a second. Sweeps over all
    sizes spread that, and of their quartile half as much is seen in the next probe as of the shortest time.
    """
    limit = (device.memory_stats() or {}).get("bytes_limit", 4 * WORKING_SETS[-1])
    passes = {n: max(1, MOVED // (2 * n)) for n in WORKING_SETS if n <= limit / 4}
    calls = {n: _repeated(n, times, device) for n, times in passes.items()}
    samples: dict[int, list[float]] = {n: [] for n in calls}
    for _ in range(SWEEPS):
        for n, call in calls.items():
            samples[n] += _times(call, seconds / SWEEPS / len(calls)).samples
    times = {n: timing.Timing("pass", tuple(samples[n])).q25 for n in calls}
    return tuple((n, 2 * n * passes[n] / times[n]) for n in calls)


def _repeated(nbytes: int, passes: int, device: Any) -> Callable[[], jax.Array]:
    """`passes` passes over `nbytes`, each of them multiplying every number in its place."""

    def multiplied(x: jax.Array, times: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, times, lambda _, x: x * jnp.float32(1.0000001), x)

    state = jax.device_put(jnp.ones(nbytes // 4, jnp.float32), device)
    times = jax.device_put(jnp.int32(passes), device)  # no constant: passes that XLA can count it could merge
    compiled = timing.compile(multiplied, state, times, donate_argnums=0)

    def call() -> jax.Array:
        nonlocal state
        state = compiled.call(state, times)
        return state

    return call


def _times(call: Callable[[], jax.Array], seconds: float) -> timing.Timing:
    return timing.compare({"probe": call}, warmup=1, repeats=1000, max_seconds=max(seconds, 0.0))["probe"]
