"""The benchmark suites: what they print, write and refuse. Times are never asserted, only that they are there."""

import json
import re

import jax
import pytest
from _benchmarks import cli

import jaxml.functional as F
from benchmarks import _device, _families, _html, _results, _run, _suites, _torch_peers
from benchmarks._directions import TITLES
from benchmarks._pair import counts
from benchmarks._results import Report, Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._shape import MOBILENET

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture
def no_work(monkeypatch):
    """Fails the test if anything is measured."""

    def measure(*_):
        raise AssertionError("a bad request reached the suites")

    monkeypatch.setattr(_run, "measure", measure)


# ---------------------------------------------------------------------------------------------- requests


def test_list_names_every_suite():
    result = cli("--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(_suites.SUITES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "depthwize"], "unknown suite 'depthwize': did you mean depthwise?"),
        (["--only", "zzz"], f"unknown suite 'zzz': there are {', '.join(_suites.SUITES)}"),
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
    result = cli("--only", "depthwise", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert (tmp_path / "out").read_text() == "mine"


def test_a_result_file_that_is_a_folder_is_an_error_before_any_work(no_work, tmp_path):
    result = cli("--only", "depthwise", "--json", tmp_path)
    assert result.exit_code == 2
    assert f"error: the result file cannot be a folder: {tmp_path}" in result.output


@pytest.mark.parametrize("size", ["tiny", "quick", "full"])
def test_no_two_rows_of_a_suite_have_one_name(size):
    """Rows are found again by their names, in a partial file and in a comparison."""
    names = _suites.names(_suites.plan(_suites.find([]), Settings(size)))
    assert len(set(names)) == len(names) > 0


# ---------------------------------------------------------------------------------------------- runs


def test_a_run_prints_and_writes_json_png_and_html(tmp_path):
    result = cli("--tiny", "--only", "separable_conv", "--out", tmp_path, "--json", tmp_path / "r.json")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80 + len(str(tmp_path))
    plots = {path.name for path in tmp_path.glob("separable_conv-*.png")}
    assert len(plots) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "report.html", *plots}
    raw = json.loads((tmp_path / "r.json").read_text())
    assert raw["schema"] == _results.SCHEMA
    assert [suite["name"] for suite in raw["suites"]] == ["separable_conv"]
    row = raw["suites"][0]["rows"][0]
    for key in ("forward.standard", "forward.separable", "forward.stock", "dx.standard", "dw.separable"):
        assert row["times"][key]["samples"] == len(row["times"][key]["raw"]) >= 1
        assert row["times"][key]["floor"] > 0 and row["times"][key]["bound"] in ("compute", "memory")
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
    assert raw["ceilings"]["device"] == "made up for a tiny run"

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


@pytest.mark.slow
@pytest.mark.loose_promotion  # optax's SGD multiplies by a Python scalar's array
def test_networks_and_digits_are_trained_and_timed(tmp_path, monkeypatch):
    """Without MobileNet: compiling that takes a minute."""
    monkeypatch.delitem(_families.FAMILIES, "mobilenet_v1")
    result = cli("--tiny", "--only", "models", "--only", "digits", "--batch", 16, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    digits, networks = _results.load(tmp_path / "results.json").suites
    who = {"mlp": {"jaxml", "stock"}, "cnn": {"standard", "separable", "stock"}}
    for row in networks.rows:
        assert set(row.times) == {f"network.{name}" for name in who[row.facts["family"]]}
        assert all(row.share(key) is not None for key in row.times)
    trained, timed = digits.rows
    assert trained.facts["accuracy_standard"] > 0.5 < trained.facts["accuracy_separable"]  # one epoch; chance is 0.1
    assert set(timed.times) == {"step.standard", "step.separable", "step.stock"}
    assert timed.facts["macs_standard"] > timed.facts["macs_separable"]


def test_a_report_with_a_suite_that_is_gone_is_refused(tmp_path):
    report = Report("2026", {}, {}, [SuiteResult("sweep", 1.0, [])])
    _results.save(report, tmp_path / "r.json")
    result = cli("report", "--results", tmp_path / "r.json", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "r.json: of an older version, with suites that are gone: sweep" in result.output
    assert not (tmp_path / "out").exists()


def test_the_environment_that_decides_speed_is_captured(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("JAX_ENABLE_X64", "0")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    device = _device.describe()
    assert device["environment"]["OMP_NUM_THREADS"] == "3"
    assert device["environment"]["JAX_ENABLE_X64"] == "0"
    assert "SECRET_TOKEN" not in device["environment"]
    assert len(device["load"]) == 3
    assert device["memory_bytes"] > 2**20


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


@pytest.mark.parametrize("name", list(_suites.SUITES))
def test_every_suite_draws_a_result_of_which_nothing_fitted(name, tmp_path):
    from benchmarks import _plots

    result = SuiteResult(name, 1.0, [Row("huge", notes=["out of memory, skipped"])])
    report = Report("2026", _device.describe(), {"dtype": "float32", "size": "tiny", "seed": 0}, [result])
    assert _plots.write_all(report, tmp_path) == {}
    assert "out of memory, skipped" in _html.page(report, {})
    assert _suites.SUITES[name].summary(result) == []


# ---------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize("shape", MOBILENET, ids=str)
def test_the_counted_ratio_is_the_theorys(shape):
    facts = counts(shape, 8, "float32")
    assert facts["ratio"] == pytest.approx(1 / shape.out_channels + 1 / shape.kernel**2, rel=1e-12)
    assert facts["theory"] == pytest.approx(facts["ratio"], rel=1e-12)


# ---------------------------------------------------------------------------------------------- PyTorch


@pytest.mark.peers
def test_peers_compute_the_same(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'torch==2.13.0'")
    result = cli("--tiny", "--peers", "--only", "separable_conv", "--only", "depthwise", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    pair, depthwise = _results.load(tmp_path / "results.json").suites
    assert {"forward.torch-standard", "gradient.torch-separable"} <= set(pair.rows[0].times)
    for what in TITLES:
        assert depthwise.rows[0].times[f"{what}.torch"].difference < 1e-5
