"""Comparing two result files: the statistics against SciPy's, the verdicts, and what cannot be compared."""

import io
import json
import shutil

import numpy as np
import pytest
import scipy.stats
from _benchmarks import cli, install, measured
from rich.console import Console

from benchmarks import _compare, _compare_text, _results
from benchmarks._ranks import benjamini_hochberg, mann_whitney, smallest_p
from benchmarks._results import Report, Row, SuiteResult

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture
def fake(monkeypatch):
    return install(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the fake suite."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        install(monkeypatch)
        result = cli("--tiny", "--out", folder)
    assert result.exit_code == 0, result.output
    return folder / "results.json"


@pytest.fixture
def old(finished, tmp_path):
    """The finished run's file, to be changed at will."""
    (tmp_path / "old").mkdir()
    return shutil.copy(finished, tmp_path / "old" / "results.json")


# ---------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (9, 9), (30, 30), (2, 50)])
def test_few_samples_are_tested_exactly(n, m, rng):
    for shift in (0.0, 1.0, -3.0):
        a, b = rng.normal(size=n), rng.normal(size=m) + shift
        want = scipy.stats.mannwhitneyu(a, b, method="exact").pvalue
        assert mann_whitney(a, b) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "values"), [(40, 41, 10**6), (9, 9, 4), (3, 20, 2), (100, 7, 30)])
def test_many_samples_and_ties_are_tested_by_the_normal_approximation(n, m, values, rng):
    for shift in (0, 1):
        a, b = rng.integers(0, values, n).astype(float), rng.integers(0, values, m) + float(shift)
        want = scipy.stats.mannwhitneyu(a, b, method="asymptotic").pvalue
        assert mann_whitney(a, b) == pytest.approx(want, rel=1e-9)


def test_equal_samples_tell_nothing():
    assert mann_whitney([1.0] * 5, [1.0] * 5) == 1.0


def test_the_test_needs_samples():
    with pytest.raises(ValueError, match="mann_whitney: both need at least one sample"):
        mann_whitney([], [1.0])


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 4), (9, 9)])
def test_the_smallest_p_is_that_of_samples_apart(n, m):
    assert mann_whitney(np.arange(n), np.arange(m) + 100.0) == pytest.approx(smallest_p(n, m), rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_q_values_are_scipys(count, rng):
    p = rng.uniform(size=count) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p), rtol=1e-12)
    assert benjamini_hochberg([]) == []


# ---------------------------------------------------------------------------------------------- verdicts


def test_a_regression_exits_1_and_is_named(fake, old, tmp_path):
    fake.factors["two", "forward.b"] = 1.5
    fake.factors["three", "forward.a"] = 0.5
    result = cli("--tiny", "--out", tmp_path, "--compare", old)
    assert result.exit_code == 1
    assert "1 slower, 1 faster, 4 same" in result.output
    assert "slower: fake/two, forward.b: 1.50x" in result.output
    assert (tmp_path / "results.json").exists()  # what was measured is kept


def test_what_seems_slower_is_measured_again(fake, old, tmp_path):
    """Once slow, then not: no regression, and the row's last measurement is what is kept."""
    fake.factors["two", "forward.b"] = 1.5
    fake.after_each = lambda name: fake.factors.pop((name, "forward.b"), None)
    result = cli("--tiny", "--out", tmp_path, "--compare", old)
    assert result.exit_code == 0, result.output
    assert fake.called == ["one", "two", "three", "two"]
    kept = _results.load(tmp_path / "results.json").suites[0].rows[1].times["forward.b"]
    assert kept.median == pytest.approx(1e-3, rel=0.1)


def test_what_stays_slower_is_measured_three_times(fake, old, tmp_path):
    fake.factors["two", "forward.b"] = 1.5
    assert cli("--tiny", "--out", tmp_path, "--compare", old).exit_code == 1
    assert fake.called == ["one", "two", "three", "two", "two"]


def test_the_same_again_is_no_regression(fake, old, tmp_path):
    result = cli("--tiny", "--out", tmp_path, "--compare", old)
    assert result.exit_code == 0, result.output
    assert "0 slower, 0 faster, 6 same" in result.output


def test_a_significant_change_within_the_threshold_is_the_same(fake, old, tmp_path):
    fake.factors["one", "forward.a"] = 1.08
    assert cli("--tiny", "--out", tmp_path, "--compare", old).exit_code == 0
    assert cli("--tiny", "--out", tmp_path, "--compare", old, "--threshold", 1.05).exit_code == 1


def test_a_large_change_that_may_be_noise_is_the_same():
    noisy = measured(samples=3)
    slower = measured(factor=2.0, samples=3)
    before, after = ({"forward.a": m} for m in (noisy, slower))
    found = _compare.compare(report(Row("r", times=after)), report(Row("r", times=before)))
    assert [change.verdict for change in found.changes] == ["same"]
    assert found.few == 1
    assert "1 times have too few samples to tell any change" in _compare_text.in_short(found)


def test_many_tests_are_corrected_for():
    """One key with p = 0.03 is called alone, and not among 19 others."""
    a, b = [10.0, 11, 12, 13], [14.0, 15, 16, 17]  # p = 2 / 70
    changed = [Row("changed", times={"k": times_of(b)}), Row("changed", times={"k": times_of(a)})]
    others = [Row(f"row {i}", times={"k": times_of(a)}) for i in range(19)]
    alone = _compare.compare(report(changed[0]), report(changed[1]))
    among = _compare.compare(report(changed[0], *others), report(changed[1], *others))
    assert alone.changes[0].p == among.changes[0].p == pytest.approx(2 / 70)
    assert (alone.changes[0].verdict, among.changes[0].verdict) == ("slower", "same")


@pytest.mark.slow
def test_a_slow_machine_is_a_regression_unless_relative(fake, old, tmp_path):
    fake.factors |= {(row, key): 1.5 for row in fake.rows for key in ("forward.a", "forward.b")}
    fake.factors["one", "forward.a"] = 3.0
    plain = cli("--tiny", "--out", tmp_path, "--compare", old)
    assert "6 slower" in plain.output and "1.50x is the median ratio" in plain.output
    relative = cli("--tiny", "--out", tmp_path, "--compare", old, "--relative")
    assert "1 slower, 0 faster, 5 same" in relative.output
    assert "slower: fake/one, forward.a: 2.00x" in relative.output
    assert "1.50x is the median ratio; the others are relative to it" in relative.output


def test_what_one_file_lacks_is_listed(fake, old, tmp_path):
    fake.rows = ("one", "four")
    result = cli("--tiny", "--out", tmp_path, "--compare", old)
    assert result.exit_code == 0
    for line in ("only in the new file: fake/four", "only in the old file: fake/two", "0 slower, 0 faster, 2 same"):
        assert line in result.output
    both = Row("r", times={"a": measured(), "b": measured()})
    found = _compare.compare(report(both), report(Row("r", times={"a": measured()}), suite="gone", more=[both]))
    assert found.alone == ["only in the old file: suite gone, 1 rows"]
    found = _compare.compare(report(both), report(Row("r", times={"a": measured()})))
    assert found.alone == ["only in the new file: fake/r, b"]


def test_files_are_compared_without_a_run(fake, old, tmp_path):
    fake.factors["one", "forward.a"] = 2.0
    cli("--tiny", "--out", tmp_path)
    fake.called.clear()
    slower = cli("compare", tmp_path / "results.json", old)
    assert (slower.exit_code, fake.called) == (1, [])
    assert "slower: fake/one, forward.a: 2.00x" in slower.output
    assert cli("compare", old, tmp_path / "results.json").exit_code == 0  # faster
    assert cli("compare", tmp_path / "results.json", old, "--threshold", 2.5).exit_code == 0


def test_the_tables_fit_in_80_columns():
    row = Row("layer 112px 512>1024 k11 s2", times={"gradient.torch-separable": measured(factor=1234.5)})
    new = Row(row.name, times={"gradient.torch-separable": measured(factor=1.0)})
    stream = io.StringIO()
    _compare_text.show(_compare.compare(report(row), report(new)), Console(width=80, file=stream))
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for cell in (row.name, "gradient.torch-separable", "slower", "1234x"):
        assert cell in text


# ---------------------------------------------------------------------------------------------- refusals


def report(*rows, suite="fake", more=()):
    suites = [SuiteResult(suite, 1.0, list(rows))] + ([SuiteResult("fake", 1.0, list(more))] if more else [])
    return Report("2026", {}, {}, suites)


def times_of(raw):
    return _results.Measured(float(np.median(raw)), raw[1], raw[-2], raw[0], len(raw), raw=list(raw))


def edited(path, change):
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def without_samples(raw):
    for row in raw["suites"][0]["rows"]:
        for found in row["times"].values():
            found["raw"] = []


def renamed(raw):
    for row in raw["suites"][0]["rows"]:
        row["name"] += "?"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw.update(schema=99), "expected a benchmark report of schema"),
        (lambda raw: raw.update(schema=1), "is of schema 1, and only schema 2 can be compared"),
        (lambda raw: raw["device"].update(cpu="Z80"), "measured otherwise, cpu: Z80 then, "),
        (lambda raw: raw["device"].update(platform="gpu", cores=99), "platform: gpu then, cpu now; cores: 99 then, "),
        (lambda raw: raw["device"].update(timed_on="H100"), "timed_on: H100 then, cpu now"),
        (lambda raw: raw["settings"].update(dtype="float16"), "dtype: float16 then, float32 now"),
        (
            lambda raw: raw["settings"].update(size="full", batch=7),
            "size: full then, tiny now; batch: 7 then, None now",
        ),
        (lambda raw: raw["settings"].update(peers=True), "peers: True then, False now"),
        (without_samples, "holds no samples to compare"),
        (renamed, "no row in common"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_the_run(change, reason, fake, old, tmp_path):
    now = tmp_path / "now.json"
    now.write_text(old.read_text())
    edited(old, change)
    result = cli("--tiny", "--out", tmp_path / "new", "--compare", old)
    assert (result.exit_code, fake.called) == (2, [])
    assert reason in result.output and str(old) in result.output
    assert not (tmp_path / "new").exists()
    offline = cli("compare", now, old)
    assert offline.exit_code == 2
    assert reason in offline.output


def test_a_file_that_is_none_is_refused_before_the_run(fake, tmp_path):
    result = cli("--tiny", "--out", tmp_path, "--compare", tmp_path / "missing.json")
    assert result.exit_code == 2 and "missing.json" in result.output
    (tmp_path / "text.json").write_text("text")
    result = cli("--tiny", "--out", tmp_path, "--compare", tmp_path / "text.json")
    assert result.exit_code == 2 and "expected a benchmark report in JSON" in result.output
    assert fake.called == []


@pytest.mark.parametrize("threshold", [0.5, -1, "nan", "inf"])
def test_a_threshold_below_one_is_refused(threshold, fake, old, tmp_path):
    for request in (["--tiny", "--out", tmp_path, "--compare", old], ["compare", old, old]):
        result = cli(*request, "--threshold", threshold)
        assert result.exit_code == 2
        assert "error: --threshold must be at least 1 (1.10: 10 % slower), got" in result.output
    assert fake.called == []


def test_options_of_a_comparison_need_one(fake, tmp_path):
    for option in (["--threshold", 1.2], ["--relative"]):
        result = cli("--tiny", "--out", tmp_path, *option)
        assert result.exit_code == 2
        assert "error: --threshold and --relative need --compare" in result.output
    assert fake.called == []
