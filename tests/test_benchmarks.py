"""The benchmark suites: what they print, write and refuse. Times are never asserted, only that they are there."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import jaxml.functional as F
from benchmarks import _device, _html, _measure, _memory, _networks, _results, _suites, _torch_peers
from benchmarks.__main__ import app
from benchmarks._directions import TITLES
from benchmarks._layers import SHAPES
from benchmarks._measure import Candidate, compiled, guarded, measure, skip_reason
from benchmarks._pair import compare
from benchmarks._random import normal
from benchmarks._results import Report, Row, SuiteResult
from benchmarks._settings import Settings

TINY = Settings("tiny")
OOM = "RESOURCE_EXHAUSTED: Out of memory allocating 999999999999 bytes."


def cli(*arguments, env=None):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "80", **(env or {})})


@pytest.fixture
def no_work(monkeypatch):
    """Fails the test if anything is measured."""

    def run(*_):
        raise AssertionError("a bad request reached the suites")

    monkeypatch.setattr(_suites, "run", run)


# ---------------------------------------------------------------------------------------------- requests


def test_list_names_every_suite():
    result = cli("--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(_suites.SUITES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "mobilnet"], "unknown suite 'mobilnet': did you mean mobilenet?"),
        (["--only", "zzz"], "unknown suite 'zzz': there are layers, depthwise, sweep, digits, mobilenet"),
        (["--dtype", "float31"], "dtype must be one of float32, bfloat16, float16, got float31; did you mean float32?"),
        (["--batch", "0"], "batch must be at least 1, got 0"),
        (["--seed", "-1"], "seed must not be negative, got -1"),
    ],
)
def test_bad_requests_stop_before_any_work(arguments, message, no_work, tmp_path):
    result = cli(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert f"error: {message}" in result.output
    assert not (tmp_path / "out").exists()


def test_peers_without_torch_says_how_to_get_it(no_work, monkeypatch, tmp_path):
    monkeypatch.setattr(_torch_peers.importlib.util, "find_spec", lambda name: None)
    result = cli("--peers", "--out", tmp_path)
    assert result.exit_code == 2
    assert "pip install 'torch==2.13.0'" in result.output


def test_an_output_folder_that_is_a_file_is_an_error_before_any_work(no_work, tmp_path):
    (tmp_path / "out").write_text("mine")
    result = cli("--only", "layers", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert (tmp_path / "out").read_text() == "mine"


def test_a_result_file_that_is_a_folder_is_an_error_before_any_work(no_work, tmp_path):
    result = cli("--only", "layers", "--json", tmp_path)
    assert result.exit_code == 2
    assert f"error: the result file cannot be a folder: {tmp_path}" in result.output


# ---------------------------------------------------------------------------------------------- runs


def test_a_run_prints_and_writes_json_png_and_html(tmp_path):
    result = cli("--tiny", "--only", "layers", "--only", "sweep", "--out", tmp_path, "--json", tmp_path / "r.json")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80 + len(str(tmp_path))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"r.json", "report.html", "layers-saving.png", "layers-roofline.png", "sweep-lines.png"}
    raw = json.loads((tmp_path / "r.json").read_text())
    assert raw["schema"] == _results.SCHEMA
    assert [suite["name"] for suite in raw["suites"]] == ["layers", "sweep"]
    row = raw["suites"][0]["rows"][0]
    for key in ("forward.standard", "forward.separable", "forward.stock", "dx.standard", "dw.separable"):
        assert row["times"][key]["samples"] >= 1
        assert 0 < row["times"][key]["q25"] <= row["times"][key]["median"] <= row["times"][key]["q75"]
    assert row["facts"]["forward_share"] == pytest.approx(
        row["speedups"]["forward.separable/standard"][0] / row["facts"]["saving"]
    )
    for png in tmp_path.glob("*.png"):
        assert png.read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)\s*=\s*['\"]?https?:|<link|<script|@import", page)
    assert raw["device"]["versions"]["jax"] == jax.__version__

    again = cli("report", "--results", tmp_path / "r.json", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "report.html").read_text() == page


def test_depthwise_times_every_implementation_in_every_direction(tmp_path):
    assert cli("--tiny", "--only", "depthwise", "--out", tmp_path).exit_code == 0
    (suite,) = _results.load(tmp_path / "results.json").suites
    names = {"xla", "default", *F.depthwise_implementations()}
    assert set(suite.rows[0].times) == {f"{what}.{name}" for what in TITLES for name in names}
    assert suite.rows[0].notes == []  # every implementation computes what stock does
    assert {key for key in suite.rows[0].speedups if key.endswith("default/xla")} == {
        f"{what}.default/xla" for what in TITLES
    }


@pytest.mark.loose_promotion  # optax's SGD multiplies by a Python scalar's array
def test_networks_and_digits_are_trained_and_timed(tmp_path, monkeypatch):
    """With two narrow networks in MobileNet's place: compiling that takes a minute."""
    small = {"standard": ("cnn", {}), "separable": ("cnn_separable", {})}
    monkeypatch.setattr(_networks, "NETWORKS", small)
    narrow = {"in_channels": 3, "num_classes": _networks.CLASSES, "widths": (8, 16), "strides": (2, 2)}
    monkeypatch.setattr(_networks, "OPTIONS", narrow)
    result = cli("--tiny", "--only", "mobilenet", "--only", "digits", "--batch", 16, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    digits, networks = _results.load(tmp_path / "results.json").suites
    for row in networks.rows:
        assert set(row.times) == {"network.standard", "network.separable"}
    trained, timed = digits.rows
    assert trained.facts["accuracy_standard"] > 0.5 < trained.facts["accuracy_separable"]  # one epoch; chance is 0.1
    assert set(timed.times) == {"step.standard", "step.separable", "step.stock"}
    assert timed.facts["macs_standard"] > timed.facts["macs_separable"]


def test_a_run_killed_midway_leaves_nothing(tmp_path, monkeypatch):
    rows = iter([Row("first"), KeyboardInterrupt()])

    def killed(name, task):
        row = next(rows)
        if isinstance(row, BaseException):
            raise row
        return row

    monkeypatch.setattr(_suites, "guarded", killed)
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("the run before")
    result = cli("--tiny", "--only", "sweep", "--out", out)
    assert result.exit_code != 0
    assert [path.name for path in out.iterdir()] == ["results.json"]
    assert (out / "results.json").read_text() == "the run before"


def test_a_failing_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")

    def half(temporary):
        temporary.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _results.write_atomically(path, half)
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert path.read_text() == "old"


# ---------------------------------------------------------------------------------------------- what does not fit


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
    tried = []

    def too_big_first(shape, settings, directions):
        tried.append(shape)
        if len(tried) == 1:
            raise jax.errors.JaxRuntimeError(OOM)
        return compare(shape, settings, directions)

    monkeypatch.setattr("benchmarks._sweep.compare", too_big_first)
    result = cli("--tiny", "--only", "sweep", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "out of memory, skipped" in result.output
    assert "out of memory, skipped" in (tmp_path / "report.html").read_text()
    (suite,) = _results.load(tmp_path / "results.json").suites
    assert [bool(row.times) for row in suite.rows] == [False, True, True, True]


@pytest.mark.parametrize("name", list(_suites.SUITES))
def test_every_suite_draws_a_result_of_which_nothing_fitted(name, tmp_path):
    from benchmarks import _plots

    result = SuiteResult(name, 1.0, [Row("huge", notes=["out of memory, skipped"])])
    report = Report("2026", _device.describe(), {"dtype": "float32", "size": "tiny", "seed": 0}, [result])
    assert _plots.write_all(report, tmp_path) == {}
    assert "out of memory, skipped" in _html.page(report, {})
    assert _suites.SUITES[name].summary(result) == []


def test_a_fault_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        guarded("row", lambda: 1 // 0)


def test_a_different_result_is_noted():
    row = Row("layer")
    x = jnp.ones(3)
    candidates = {"right": lambda: compiled(jnp.sin, x), "wrong": lambda: compiled(jnp.cos, x)}
    measure(row, "forward", candidates, TINY, reference="right")
    assert [note.split(" by ")[0] for note in row.notes] == ["forward, wrong: result differs from right's"]
    assert row.times["forward.wrong"].difference == pytest.approx(1 - np.cos(1) / np.sin(1), rel=1e-5)


# ---------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_counted_ratio_is_the_theorys(shape):
    from benchmarks._pair import _counts

    facts = _counts(shape, 8, 4)
    assert facts["ratio"] == pytest.approx(1 / shape.out_channels + 1 / shape.kernel**2, rel=1e-12)
    assert facts["theory"] == pytest.approx(facts["ratio"], rel=1e-12)


def test_the_networks_counts_are_the_papers():
    facts = _networks._counts(224)
    assert round(facts["macs_separable"] / 1e6) == 569
    assert round(facts["macs_standard"] / 1e6) == 4867
    assert facts["params_separable"] == 4_231_976


# ---------------------------------------------------------------------------------------------- PyTorch


@pytest.mark.peers
def test_peers_compute_the_same(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'torch==2.13.0'")
    result = cli("--tiny", "--peers", "--only", "layers", "--only", "depthwise", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    layers, depthwise = _results.load(tmp_path / "results.json").suites
    assert {"forward.torch-standard", "gradient.torch-separable"} <= set(layers.rows[0].times)
    for what in TITLES:
        assert depthwise.rows[0].times[f"{what}.torch"].difference < 1e-5
