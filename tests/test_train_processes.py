"""Real processes on localhost: they train as one does, one is lost, one is asked to leave, and the run goes on."""

import os
import re
import signal
import socket
import time

import jax
import pytest
from _processes import Worker, assert_same, free_port, results, run_alone, run_together, workers

from jaxml import train

BOUND = 30  # seconds from the loss of a process to the end of the others; the workers' heartbeat is 10 s


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Twelve epochs by one process on one device."""
    return run_alone({"epochs": 12}, tmp_path_factory.mktemp("alone") / "out.npz")


def test_one_is_killed_and_the_run_resumes_alone(tmp_path, uninterrupted, capsys):
    """Parameters lie cut over two processes of two devices each. Until then they did what one process does."""
    options = {"epochs": 12, "sharding": "fsdp", "checkpoint_dir": str(tmp_path / "run"), "checkpoint_every": 2}
    with workers(options | {"pause": 0.3}, devices=2) as (first, second):
        first.wait_for("epoch 3")
        second.wait_for("epoch 3")
        second.process.send_signal(signal.SIGKILL)
        start = time.monotonic()
        status = first.wait(BOUND)
        assert time.monotonic() - start < BOUND
    assert first.said[0] == "several: True, 4 devices, 2 of them here"
    assert status == 1
    message = "fit: process 0 of 2 cannot go on: another process was lost, or cannot be reached; the newest checkpoint"
    assert message in first.errors
    assert "LostProcessError" in first.errors
    capsys.readouterr()
    resumed = run_alone(options | {"resume": True, "sharding": None}, tmp_path / "resumed.npz")
    assert "epoch 1\n" not in capsys.readouterr().out
    assert_same(resumed, uninterrupted)


@pytest.mark.slow
def test_streams_of_each_process_own_part_are_the_whole_batch(tmp_path):
    alone = run_alone({"epochs": 3, "data": "stream"}, tmp_path / "alone.npz")
    run_together({"epochs": 3, "data": "stream", "out": str(tmp_path / "two.npz")})
    assert_same(results(tmp_path / "two.npz"), alone)


@pytest.mark.slow
def test_average_plateau_and_best_of_cut_parameters(tmp_path):
    options = {"epochs": 3, "ema": 0.9, "best": "val_loss", "clip_norm": 0.5, "plateau": True, "accumulate": 2}
    alone = run_alone(options, tmp_path / "alone.npz")
    run_together(options | {"sharding": "fsdp", "out": str(tmp_path / "two.npz")})
    assert_same(results(tmp_path / "two.npz"), alone)
    assert "history learning_rate" in alone


@pytest.mark.slow
def test_the_first_process_is_killed(tmp_path):
    """It is JAX's coordinator: JAX ends the other at once, but not without words."""
    options = {"epochs": 40, "checkpoint_dir": str(tmp_path / "run"), "pause": 0.2}
    with workers(options) as (first, second):
        second.wait_for("epoch 3")
        first.process.send_signal(signal.SIGKILL)
        assert second.wait(BOUND) != 0
    assert "fit: process 1 of 2" in second.errors
    assert "the newest checkpoint is step" in second.errors


@pytest.mark.slow
def test_a_silent_process_is_given_up_after_the_heartbeat_timeout(tmp_path):
    options = {"epochs": 400, "checkpoint_dir": str(tmp_path / "run"), "pause": 0.2, "heartbeat_timeout": 4}
    with workers(options) as (first, second):
        first.wait_for("epoch 3")
        second.process.send_signal(signal.SIGSTOP)
        assert first.wait(BOUND) != 0
    assert "fit: process 0 of 2" in first.errors
    assert "the newest checkpoint is step" in first.errors


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_one_is_asked_to_leave_and_both_save_the_same_step(tmp_path, uninterrupted, signal_number):
    options = {"epochs": 12, "sharding": "fsdp", "checkpoint_dir": str(tmp_path / "run")}
    with workers(options | {"pause": 0.3}) as both:
        both[1].wait_for("epoch 2")
        both[1].process.send_signal(signal_number)
        assert [worker.wait(BOUND) for worker in both] == [143, 143]
    said = {re.search(r"fit: step (\d+) is saved in", worker.errors)[1] for worker in both}
    assert len(said) == 1
    assert (tmp_path / "run" / said.pop()).is_dir()
    resumed = run_alone(options | {"resume": True, "sharding": None}, tmp_path / "resumed.npz")
    assert_same(resumed, uninterrupted)


@pytest.mark.slow
def test_sigterm_without_checkpoints_ends_both():
    with workers({"epochs": 400, "pause": 0.2}) as both:
        both[1].wait_for("epoch 2")
        both[1].process.send_signal(signal.SIGTERM)
        assert [worker.wait(BOUND) for worker in both] == [143, 143]


@pytest.mark.slow
def test_one_fails_alone_and_the_other_does_not_wait_for_it(tmp_path):
    options = {"epochs": 40, "checkpoint_dir": str(tmp_path / "run"), "fails": [1, 3]}
    with workers(options) as (first, second):
        assert second.wait(BOUND) == first.wait(BOUND) == 1
    assert "this process alone has failed" in second.errors
    assert "LostProcessError" not in second.errors
    assert "LostProcessError: fit: process 0 of 2 cannot go on" in first.errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"different": "parameters"}, "fit: all processes must be given the same parameters"),
        ({"different": "data"}, "fit: all processes must be given the same data"),
        ({"different": "seed"}, "fit: all processes must be given the same options"),
        ({"data": "stream", "batches": [5, 4]}, "fit: all processes must be given the same number of batches"),
        ({"data": "generator", "late": 2}, "fit: data is a stream without a length: in a run of several processes"),
    ],
)
def test_processes_that_do_not_do_the_same(options, message):
    with workers(options | {"epochs": 1}) as both:
        assert [worker.wait(BOUND) for worker in both] == [1, 1]
    assert all(f"ValueError: {message}" in worker.errors for worker in both)


@pytest.mark.slow
def test_slurm_is_detected():
    """JAX's own detection: the job's first node is the coordinator, at a port made of the job's number."""
    job = os.getpid() % 4096
    slurm = {"SLURM_JOB_ID": str(job), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    own = [slurm | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in (0, 1)]
    started = [Worker({"epochs": 1}, env=variables) for variables in own]
    try:
        assert [worker.wait() for worker in started] == [0, 0]
    finally:
        for worker in started:
            worker.process.kill()
            worker.wait()
    assert all(worker.said[0] == "several: True, 2 devices, 1 of them here" for worker in started)


@pytest.mark.slow
def test_others_that_do_not_come():
    alone = {"epochs": 1, "initialization_timeout": 2}
    first, second = Worker(alone, 0, 2, free_port()), Worker(alone, 1, 2, free_port())
    assert second.wait(BOUND) == 1
    assert re.search(r"TimeoutError: initialize_distributed: the coordinator at localhost:\d+ cannot be", second.errors)
    assert first.wait(BOUND) != 0
    assert "initialize_distributed: not all processes met at the coordinator at localhost" in first.errors


@pytest.mark.slow
def test_port_that_is_taken():
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        worker = Worker({"epochs": 1, "initialization_timeout": 5}, 0, 2, port)
        assert worker.wait(BOUND) == 1
    said = f"localhost:{port} is taken or not to be had (Address already in use); choose another port"
    assert f"RuntimeError: initialize_distributed: {said}" in worker.errors


A, N, I = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"  # noqa: E741


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({A: "h:1", N: "2"}, r"JAX_PROCESS_ID must be set together, missing JAX_PROCESS_ID$"),
        ({I: "0"}, r"missing JAX_COORDINATOR_ADDRESS and JAX_NUM_PROCESSES"),
        ({A: "h:1", N: "two", I: "0"}, r"JAX_NUM_PROCESSES must be a whole number, got 'two'"),
        ({A: "h:1", N: "2", I: "-1"}, r"JAX_PROCESS_ID must be a whole number, got '-1'"),
        ({A: "h:1", N: "2", I: "2"}, r"JAX_PROCESS_ID must be below JAX_NUM_PROCESSES=2, got 2"),
        ({A: "h", N: "2", I: "0"}, r"JAX_COORDINATOR_ADDRESS must be host:port, got 'h'"),
    ],
)
def test_variables_that_do_not_fit(monkeypatch, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=rf"^initialize_distributed: .*{message}"):
        train.initialize_distributed()


def test_options_out_of_range():
    with pytest.raises(ValueError, match="initialize_distributed: heartbeat_timeout must be positive integers, got"):
        train.initialize_distributed(heartbeat_timeout=0)
    with pytest.raises(ValueError, match="initialize_distributed: initialization_timeout must be positive integers"):
        train.initialize_distributed(initialization_timeout=-1)


def test_alone_nothing_is_begun(monkeypatch):
    assert not train.initialize_distributed()
    for name, value in {A: "localhost:1", N: "1", I: "0"}.items():
        monkeypatch.setenv(name, value)
    assert not train.initialize_distributed()
    assert not jax.distributed.is_initialized()


def test_too_late(monkeypatch):
    jax.devices()
    for name, value in {A: f"localhost:{free_port()}", N: "2", I: "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match="initialize_distributed: JAX has already begun to compute: this call must"):
        train.initialize_distributed()
