"""SIGTERM and Ctrl-C taken note of, so that a run can save before it leaves."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import jax


class Stop:
    """The signal that asked the run to end, or None."""

    signal: int | None = None

    def requested(self, step: int) -> bool:
        """Whether to save and leave now: all processes of a run agree on the step."""
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            if multihost_utils.reached_preemption_sync_point(step):
                self.signal = signal.SIGTERM
        return self.signal is not None

    def leave(self, folder: Path, step: int) -> NoReturn:
        """Say where the run was saved, and do what the signal would have done."""
        print(
            f"fit: step {step} is saved in {folder}; the same call with resume=True goes on from there", file=sys.stderr
        )
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.signal or 0))


@contextmanager
def graceful(active: bool) -> Iterator[Stop]:
    """The first signal is noted, a second one acts at once. Only the main thread may, and a run of one process does:
    several processes are told by JAX's own service, which takes SIGTERM for itself."""
    stop = Stop()
    if not active or threading.current_thread() is not threading.main_thread() or jax.process_count() > 1:
        yield stop
        return

    def note(number: int, frame: Any) -> None:
        del frame
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)
        print("fit: saving before leaving; once more to leave at once", file=sys.stderr)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
