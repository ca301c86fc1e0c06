"""`jax.distributed.initialize` by the environment, with errors in words."""

import os
import socket
import sys
import time
from types import TracebackType
from typing import Any, NoReturn

import jax

from jaxml.functional._checks import check_positive
from jaxml.train._last_words import last_words

ADDRESS, COUNT, INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
# What tells that there are others, where JAX, having begun to compute, no longer looks for them.
CLUSTERS = ("SLURM_STEP_NODELIST", "OMPI_COMM_WORLD_SIZE", "JOB_COMPLETION_INDEX", "TPU_WORKER_HOSTNAMES")
GRACE = 5  # seconds by which the first process leaves after its error; JAX ends all others as soon as it is gone


def initialize_distributed(*, initialization_timeout: int = 300, heartbeat_timeout: int = 100) -> bool:
    """Make this process one of several that compute together, as its environment says; whether there are several.

    Under Slurm, Open MPI, Kubernetes and on Cloud TPUs JAX finds the others by itself. On plain machines set
    `JAX_COORDINATOR_ADDRESS` (host:port of the first process), `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID` (from 0) for
    each. Where nothing of the kind is there, nothing is done: a script with this call runs alone too. It comes before
    anything that computes, and a second call does nothing.

    initialization_timeout: seconds to wait for the others.
    heartbeat_timeout: seconds of silence after which a process counts as lost, and JAX ends the others. A process that
        dies is mostly noticed at once, by its closed connections.

    From here on an uncaught error ends this process with status 1 without waiting for the others, which would
    wait for it in turn; the first one, whose end JAX makes the end of all, leaves 5 s later, so that those with an
    error of their own can say it. JAX takes SIGTERM for itself, and `fit` asks it.

    Errors: `ValueError` for variables that are missing or no numbers, `TimeoutError` where the coordinator cannot be
    reached in time, `RuntimeError` where JAX has already begun to compute or the port is taken. Where others do not
    come in time JAX ends the process, and standard error says why.

    >>> initialize_distributed()  # no variables here
    False
    """
    check_positive("initialize_distributed", "initialization_timeout", [initialization_timeout])
    check_positive("initialize_distributed", "heartbeat_timeout", [heartbeat_timeout])
    if jax.distributed.is_initialized():
        return jax.process_count() > 1
    start = time.monotonic()
    options: dict[str, Any] = _of_plain_machines()
    if options.get("num_processes") == 1:
        return False
    if options.get("process_id"):
        _wait_for_coordinator(options["coordinator_address"], initialization_timeout)
    elif options:
        _check_port(options["coordinator_address"])
    left = max(1, round(initialization_timeout - (time.monotonic() - start)))
    where = f" at {options['coordinator_address']}" if options else ""
    words = (
        f"initialize_distributed: not all processes met at the coordinator{where} within {initialization_timeout} s; "
        f"start them all, or wait longer with initialization_timeout"
    )
    try:
        with last_words(words):
            jax.distributed.initialize(
                **options, initialization_timeout=left, heartbeat_timeout_seconds=heartbeat_timeout
            )
    except ValueError as error:
        if options or "defined" not in str(error):
            raise
        if ADDRESS in os.environ:
            raise ValueError(
                f"initialize_distributed: {ADDRESS} is set, but neither {COUNT} and {INDEX} are, "
                "nor is there a cluster that JAX knows"
            ) from None
        return False
    except RuntimeError as error:
        if not options and "before any JAX calls" in str(error) and not any(name in os.environ for name in CLUSTERS):
            return False
        reason = "JAX has already begun to compute: this call must come first, before any array is made"
        reason = reason if "before any JAX calls" in str(error) else str(error)
        raise RuntimeError(f"initialize_distributed: {reason}") from error
    sys.excepthook = _leaving(sys.excepthook)
    return jax.process_count() > 1


def _of_plain_machines() -> dict[str, Any]:
    """What the three variables say, checked; empty where the last two are not set, and JAX is to look around."""
    if COUNT not in os.environ and INDEX not in os.environ:
        return {}
    missing = [name for name in (ADDRESS, COUNT, INDEX) if not os.environ.get(name)]
    if missing:
        raise ValueError(
            f"initialize_distributed: {ADDRESS}, {COUNT} and {INDEX} must be set together, "
            f"missing {' and '.join(missing)}"
        )
    address, numbers = os.environ[ADDRESS], {}
    for name in (COUNT, INDEX):
        if not os.environ[name].isdecimal():
            raise ValueError(f"initialize_distributed: {name} must be a whole number, got {os.environ[name]!r}")
        numbers[name] = int(os.environ[name])
    if numbers[INDEX] >= numbers[COUNT]:
        raise ValueError(
            f"initialize_distributed: {INDEX} must be below {COUNT}={numbers[COUNT]}, got {numbers[INDEX]}"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"initialize_distributed: {ADDRESS} must be host:port, got {address!r}")
    return {
        "coordinator_address": address,
        "num_processes": numbers[COUNT],
        "process_id": numbers[INDEX],
        "cluster_detection_method": "deactivate",
    }


def _check_port(address: str) -> None:
    """JAX would raise too, but what it has begun by then may crash the process on its way out."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(("", int(address.rpartition(":")[2])), family=family, dualstack_ipv6=both).close()
    except OSError as error:
        raise RuntimeError(
            f"initialize_distributed: {address} is taken or not to be had ({os.strerror(error.errno or 0)}); "
            f"choose another port for {ADDRESS}"
        ) from error


def _wait_for_coordinator(address: str, timeout: float) -> None:
    """Until it listens. JAX would end the process instead of raising."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        try:
            socket.create_connection((host.strip("[]"), int(port)), max(left, 0.1)).close()
            return
        except OSError as error:
            if left < 0.1:
                raise TimeoutError(
                    f"initialize_distributed: the coordinator at {address} cannot be reached within {timeout} s "
                    f"({error}); is process 0 started, and {ADDRESS} its address?"
                ) from error
        time.sleep(0.1)


def leave_at_once(status: int) -> NoReturn:
    """The end: the usual way out waits for all processes, and those in a collective for this one. All processes may
    have the same error, and the first one would end the others before they have said it."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if jax.process_index() == 0:
        time.sleep(GRACE)
    os._exit(status)


def _leaving(hook: Any) -> Any:
    """`hook`, and then the end."""

    def leave(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        hook(kind, error, traceback)
        leave_at_once(1)

    return leave
