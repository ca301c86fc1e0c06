"""Real processes on localhost: they train as one does, one is lost, one is asked to leave, and the run goes on."""

import signal
import time

import pytest
from _processes import assert_same, run_alone, workers

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
