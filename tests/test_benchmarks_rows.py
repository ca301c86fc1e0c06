"""Rows: what does not fit into memory, what differs, and the roof over what was timed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _benchmarks import cli, install

import jaxml.functional as F
from benchmarks import _ceilings, _measure, _results
from benchmarks._measure import Candidate, compiled, guarded, measure, skip_reason
from benchmarks._random import normal
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._training import step_candidate
from jaxml import flops
from jaxml.data import _memory

pytestmark = pytest.mark.usefixtures("settled")

TINY = Settings("tiny")
ROOFED = Settings("tiny", ceilings=flops.Ceilings("made up", {"float32": 1e9}, {2**20: 1e9}))
OOM = "RESOURCE_EXHAUSTED: Out of memory allocating 999999999999 bytes."


def fails(error):
    def build():
        raise error

    return build


def test_a_candidate_out_of_memory_is_noted_and_the_others_are_timed():
    row = Row("layer")
    candidates = {"big": fails(jax.errors.JaxRuntimeError(OOM)), "small": lambda: compiled(jnp.sin, jnp.ones(3))}
    measure(row, "forward", candidates, TINY, speedups=[("small", "big")])
    assert row.notes == ["forward, big: out of memory, skipped"]
    assert set(row.times) == {"forward.small"}
    assert row.speedups == {}


def test_what_the_host_has_no_room_for_is_skipped_before_the_kernel_kills_the_run(tmp_path, monkeypatch):
    """Linux grants any allocation and kills whoever uses it: arrays and programs are measured beforehand."""
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(_memory, "MEMINFO", meminfo)
    monkeypatch.setattr(_memory, "CGROUP", tmp_path)
    assert _memory.available() == float("inf")  # a system that does not say
    meminfo.write_text("MemTotal:  99 kB\nMemAvailable:  20 kB\n")
    assert _memory.available() == 20 * 1024
    with pytest.raises(MemoryError, match=r"6e\+04 bytes are needed, 2\.05e\+04 are there"):
        normal(0, [(10, 1000)], "bfloat16")
    row, x, image = Row("layer"), jnp.ones(3000), jnp.ones((1, 8, 8, 8))
    candidates = {
        "outer": lambda: compiled(jnp.outer, x, x),
        "sin": lambda: compiled(jnp.sin, x),
        "conv": lambda: compiled(F.conv2d, image, jnp.ones((5, 5, 8, 4))),  # small, but for the matrix of its patches
        "1x1": lambda: compiled(F.conv2d, image, jnp.ones((1, 1, 8, 4))),
    }
    measure(row, "forward", candidates, TINY)
    assert row.notes == [f"forward, {name}: out of memory, skipped" for name in ("outer", "conv")]
    assert set(row.times) == {"forward.sin", "forward.1x1"}
    for name, text in (("max", "9000"), ("current", "7000"), ("stat", "anon 1\ninactive_file 500")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert _memory.available() == 2500


def test_memory_that_runs_out_in_a_call_is_caught_too():
    row = Row("layer")
    measure(row, "forward", {"big": lambda: Candidate(fails(MemoryError()), _measure.numpy_leaves)}, TINY)
    assert row.notes == ["forward, big: out of memory, skipped"]
    assert not row.times


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory, skipped"),
        (jax.errors.JaxRuntimeError(OOM), "out of memory, skipped"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out of memory, skipped"),
        (jax.errors.JaxRuntimeError("UNIMPLEMENTED: no such convolution"), "not supported on this device, skipped"),
        (RuntimeError("\"conv\" not implemented for 'Half'"), "not supported on this device, skipped"),
        (jax.errors.JaxRuntimeError("INTERNAL: broken"), None),
        (ValueError("out of memory"), None),
    ],
)
def test_only_memory_and_support_are_reasons_to_skip(error, reason):
    assert skip_reason(error) == reason


def test_a_row_out_of_memory_is_reported_and_the_suite_goes_on(tmp_path, monkeypatch):
    fake = install(monkeypatch)
    fake.fails["one"] = jax.errors.JaxRuntimeError(OOM)
    result = cli("--tiny", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "! one: out of memory, skipped" in result.output
    assert "one: out of memory, skipped" in (tmp_path / "report.html").read_text()
    (suite,) = _results.load(tmp_path / "results.json").suites
    assert [bool(row.times) for row in suite.rows] == [False, True, True]


def job(limit, tried, *, early=False):
    """A row whose second candidate needs memory for more than `limit` examples; `early`: its arrays do already."""

    def task(settings):
        size = settings.examples(tiny=24)
        tried.append(size)
        if early and size > limit:
            raise MemoryError
        row = Row("layer", {"batch": size})
        candidates = {
            "small": lambda: compiled(jnp.sin, jnp.ones(size)),
            "big": fails(MemoryError()) if size > limit else lambda: compiled(jnp.cos, jnp.ones(size)),
        }
        measure(row, "forward", candidates, settings)
        return row

    return task


@pytest.mark.parametrize("early", [True, False])
def test_the_batch_is_halved_for_the_whole_row_until_it_fits(early):
    tried = []
    row = guarded("layer", job(7, tried, early=early), TINY)
    assert tried == [24, 12, 6]
    assert row.facts["batch"] == 6
    assert row.notes == ["batch halved from 24 to 6: out of memory"]
    assert set(row.times) == {"forward.small", "forward.big"}


def test_at_batch_1_a_candidate_out_of_memory_is_skipped():
    tried = []
    row = guarded("layer", job(0, tried), TINY)
    assert tried == [24, 12, 6, 3, 1]
    assert row.notes == ["batch halved from 24 to 1: out of memory", "forward, big: out of memory, skipped"]
    assert set(row.times) == {"forward.small"}


def test_at_batch_1_a_row_out_of_memory_is_skipped():
    row = guarded("layer", job(0, [], early=True), TINY)
    assert row.notes == ["batch halved from 24 to 1: out of memory", "out of memory, skipped"]
    assert not row.times


def test_the_next_row_has_the_whole_batch_again():
    tried = []
    guarded("first", job(7, []), TINY)
    guarded("second", job(99, tried), TINY)
    assert tried == [24]


def test_a_batch_that_was_asked_for_is_halved_too():
    tried = []
    row = guarded("layer", job(7, tried), Settings("tiny", batch=10))
    assert tried == [10, 5]
    assert row.notes == ["batch halved from 10 to 5: out of memory"]


def test_a_fault_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        guarded("row", lambda settings: 1 // 0, TINY)


def test_a_different_result_is_noted():
    row = Row("layer")
    x = jnp.ones(3)
    candidates = {"right": lambda: compiled(jnp.sin, x), "wrong": lambda: compiled(jnp.cos, x)}
    measure(row, "forward", candidates, TINY, reference="right")
    assert [note.split(" by ")[0] for note in row.notes] == ["forward, wrong: result differs from right's"]
    assert row.times["forward.wrong"].difference == pytest.approx(1 - np.cos(1) / np.sin(1), rel=1e-5)


# ---------------------------------------------------------------------------------------------- samples and roofs


def test_all_samples_are_kept():
    row = Row("layer")
    measure(row, "forward", {"sin": lambda: compiled(jnp.sin, jnp.ones(3))}, TINY)
    kept = row.times["forward.sin"]
    assert len(kept.raw) == kept.samples == 2
    assert np.median(kept.raw) == pytest.approx(kept.median, rel=1e-12)
    assert kept.floor is None and kept.bound is None  # no ceilings, no floor
    assert row.share("forward.sin") is None and row.share("forward.cos") is None


def test_a_program_has_the_floor_of_its_roofline():
    row, a = Row("layer"), jnp.ones((64, 64))
    measure(row, "forward", {"product": lambda: compiled(jnp.matmul, a, a)}, ROOFED)
    kept = row.times["forward.product"]
    assert kept.bound == "compute"
    assert kept.floor == pytest.approx(2 * 64**3 / 1e9)
    assert row.share("forward.product") == pytest.approx(kept.floor / kept.median)


def test_a_peer_has_the_floor_of_the_job_it_does():
    row, x = Row("layer"), jnp.ones(3)
    peer = Candidate(lambda: np.sin(x), _measure.numpy_leaves)
    jobs = {"sin": lambda: compiled(jnp.sin, x), "torch-sin": lambda: peer, "torch": lambda: peer}
    measure(row, "forward", jobs, ROOFED)
    floors = {name: row.times[f"forward.{name}"].floor for name in jobs}
    assert floors["torch-sin"] == floors["sin"] is not None
    assert floors["torch"] is None
    measure(row, "forward", jobs, ROOFED, reference="sin")
    assert row.times["forward.torch"].floor == floors["sin"]


@pytest.mark.loose_promotion  # optax's SGD multiplies by a Python scalar's array
def test_a_training_step_has_a_floor_though_its_arrays_are_donated():
    def apply(params, state, x, **_):
        return x @ params, state

    row, x = Row("step"), jnp.ones((64, 32))
    build = lambda: step_candidate(apply, jnp.ones((32, 16)), (), optax.sgd(0.1), x, jnp.zeros(64, int))  # noqa: E731
    measure(row, "step", {"jaxml": build}, ROOFED)
    assert row.times["step.jaxml"].floor >= 2 * 2 * 64 * 32 * 16 / 1e9  # the product, and its gradient's


def test_ceilings_are_one_line():
    found = flops.Ceilings("2 cores", {"float32": 2e11, "bfloat16": 1e9}, {2**20: 9e10, 2**28: 2e10}).as_dict()
    text = "200GFLOP/s in float32, 1GFLOP/s in bfloat16; 90GB/s at best, 20GB/s from memory (2 cores)"
    assert _ceilings.line(found) == text
