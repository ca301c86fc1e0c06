"""SIGTERM and Ctrl-C taken note of, so that a run can save before it leaves."""

import os
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

    def leave(self, folder: Path | None, step: int) -> NoReturn:
        """Say where the run was saved (a step below 0: nowhere), and do what the signal would have done."""
        saved = f"step {step} is saved in {folder}; the same call with resume=True goes on from there"
        nothing = "there was nothing to save yet" if folder else f"step {step} is the last; nothing was saved"
        print(f"fit: {saved if folder and step >= 0 else nothing}", file=sys.stderr)
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.signal or 0))


@contextmanager
def graceful(active: bool) -> Iterator[Stop]:
    """The first signal is noted, a second one acts at once. Only the main thread may. In a run of several processes
    JAX's own service takes SIGTERM for itself and tells them all; Ctrl-C is passed on to it."""
    stop, several = Stop(), jax.process_count() > 1
    if not (active or several) or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: Any) -> None:
        del frame
        if several:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)
        doing = b"saving before leaving" if active else b"leaving after this step"
        os.write(2, b"fit: " + doing + b"; once more to leave at once\n")  # print may be what was interrupted

    numbers = (signal.SIGINT,) if several else (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
