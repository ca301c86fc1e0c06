"""Processes that train together on this machine, as tests/_train_worker.py does."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import _train_worker
import jax
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "jax"


class Worker:
    """A running worker: its lines as they come, and all it said."""

    def __init__(self, options, index=None, count=1, port=None, devices=1, env=()):
        given = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "SLURM_", "OMPI_"))}
        given |= {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(CACHE), "PYTHONUNBUFFERED": "1"}
        given["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
        flags = os.environ.get("XLA_FLAGS", "")
        given["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={devices}"
        if index is not None:
            address = f"localhost:{port}"
            given |= {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(count), "JAX_PROCESS_ID": str(index)}
        command = [sys.executable, "-m", "tests._train_worker", json.dumps(options)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=given | dict(env), cwd=ROOT, **pipes)
        self.lines, self.said, self.errors = queue.Queue(), [], ""
        self.readers = [threading.Thread(target=read) for read in (self._read_lines, self._read_errors)]
        for reader in self.readers:
            reader.start()

    def _read_lines(self):
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line.strip())
                self.lines.put(line.strip())

    def _read_errors(self):
        with self.process.stderr as errors:
            self.errors = errors.read()

    def wait_for(self, line, timeout=60):
        """Until it has printed this line."""
        end = time.monotonic() + timeout
        while self.lines.get(timeout=max(end - time.monotonic(), 0.01)) != line:
            pass

    def wait(self, timeout=60):
        """Its exit status."""
        status = self.process.wait(timeout)
        for reader in self.readers:
            reader.join()
        return status


@contextmanager
def workers(options, count=2, **settings) -> Iterator[list[Worker]]:
    """`count` processes that find one another; none outlives the block. `options` are for all, or one for each."""
    each = options if isinstance(options, list) else [options] * count
    port = free_port()
    started = [Worker(o, i, len(each), port, **settings) for i, o in enumerate(each)]
    try:
        yield started
    finally:
        for worker in started:
            worker.process.kill()
            worker.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def run_together(options, count=2, **settings) -> list[Worker]:
    """The workers, after they have all ended well."""
    with workers(options, count, **settings) as started:
        for worker in started:
            assert worker.wait() == 0, worker.errors[-3000:]
    return started


def run_alone(options, out):
    """What the worker writes to `out`, computed here, in this process on one device."""
    with jax.enable_x64(True):
        _train_worker.main(options | {"out": str(out)})
    return results(out)


def results(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def assert_same(first, second, rtol=1e-11):
    """Equal but for the order of summation."""
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=rtol, atol=1e-13, err_msg=name)
