"""Which rows are measured: `--filter` and `--dry-run`, and what is left of a run that was interrupted."""

import json

import pytest
from _benchmarks import ROWS, cli, install

from benchmarks import _results

pytestmark = pytest.mark.usefixtures("settled")

PARTIAL = "results.partial.jsonl"


@pytest.fixture
def fake(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def stopped(fake, tmp_path):
    """A run stopped by Ctrl-C at its third row, in a folder that holds an earlier run's file."""
    (tmp_path / "results.json").write_text("the run before")
    fake.fails["three"] = KeyboardInterrupt()
    result = cli("--tiny", "--out", tmp_path)
    fake.fails.clear()
    fake.called.clear()
    return result


# ---------------------------------------------------------------------------------------------- which rows


@pytest.mark.parametrize(
    ("pattern", "rows"), [("t", ["two", "three"]), ("^FAKE/o", ["one"]), ("o$", ["two"]), ("fake", list(ROWS))]
)
def test_rows_are_chosen_by_a_pattern(pattern, rows, fake, tmp_path):
    assert cli("--tiny", "--out", tmp_path, "--filter", pattern).exit_code == 0
    assert fake.called == rows
    (suite,) = _results.load(tmp_path / "results.json").suites
    assert [row.name for row in suite.rows] == rows


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("fake/tow", "--filter 'fake/tow' matches none of 3 rows: did you mean fake/two"),
        ("zzzzzz", "--filter 'zzzzzz' matches none of 3 rows: --dry-run lists them"),
        ("(", "--filter '(' is no regular expression: missing )"),
    ],
)
def test_a_pattern_that_chooses_nothing_is_refused(pattern, message, fake, tmp_path):
    result = cli("--tiny", "--out", tmp_path / "out", "--filter", pattern)
    assert result.exit_code == 2
    assert f"error: {message}" in result.output
    assert fake.called == []
    assert not (tmp_path / "out").exists()


def test_a_dry_run_lists_and_measures_nothing(fake, tmp_path):
    result = cli("--dry-run", "--filter", "t", "--out", tmp_path / "out")
    assert result.exit_code == 0
    lines = ["fake: Made up (2)", "  fake/two", "  fake/three", "2 rows; nothing was measured"]
    assert result.output.splitlines() == lines
    assert fake.called == []
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------------------------- interruptions


def test_an_interrupted_run_keeps_its_rows_and_says_how_to_go_on(stopped, tmp_path):
    assert stopped.exit_code == 130
    kept = f"2 of 3 rows are kept in {tmp_path / PARTIAL}; the same command with --resume goes on from there"
    assert f"interrupted: {kept}" in stopped.output
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", PARTIAL}
    assert (tmp_path / "results.json").read_text() == "the run before"


def test_a_resumed_run_measures_the_rest(stopped, fake, tmp_path):
    result = cli("--tiny", "--out", tmp_path, "--resume")
    assert result.exit_code == 0, result.output
    assert "resuming: 2 rows are there already" in result.output
    assert fake.called == ["three"]
    assert not (tmp_path / PARTIAL).exists()
    resumed = _results.load(tmp_path / "results.json")
    cli("--tiny", "--out", tmp_path)
    whole = _results.load(tmp_path / "results.json")
    assert resumed.suites[0].rows == whole.suites[0].rows


def test_a_resumed_run_keeps_the_date_and_the_ceilings_it_began_with(stopped, tmp_path):
    """Floors of one file are drawn from one probe."""
    path = tmp_path / PARTIAL
    text = path.read_text()
    assert text.count("made up for a tiny run") == 1
    began = json.loads(text.splitlines()[0])
    path.write_text(text.replace("made up for a tiny run", "the first probe").replace(began["created"], "in 2026"))
    assert cli("--tiny", "--out", tmp_path, "--resume").exit_code == 0
    resumed = _results.load(tmp_path / "results.json")
    assert (resumed.ceilings["device"], resumed.created) == ("the first probe", "in 2026")


def test_a_run_that_fails_can_be_resumed_too(fake, tmp_path):
    fake.fails["two"] = ZeroDivisionError("a fault")
    result = cli("--tiny", "--out", tmp_path)
    assert isinstance(result.exception, ZeroDivisionError)
    assert "interrupted: 1 of 3 rows are kept" in result.output
    fake.fails.clear()
    fake.called.clear()
    assert cli("--tiny", "--out", tmp_path, "--resume").exit_code == 0
    assert fake.called == ["two", "three"]


def test_a_line_torn_by_a_crash_is_measured_again(stopped, fake, tmp_path):
    path = tmp_path / PARTIAL
    path.write_text(path.read_text()[:-40])
    assert cli("--tiny", "--out", tmp_path, "--resume").exit_code == 0
    assert fake.called == ["two", "three"]


def test_a_second_interruption_loses_nothing(stopped, fake, tmp_path):
    path = tmp_path / PARTIAL
    path.write_text(path.read_text() + '{"torn')
    fake.rows = (*ROWS, "four")
    fake.fails["four"] = KeyboardInterrupt()
    assert cli("--tiny", "--out", tmp_path, "--resume").exit_code == 130
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["name"] for line in lines[1:]] == list(ROWS)


def test_without_resume_an_interrupted_run_is_mentioned_and_replaced(stopped, fake, tmp_path):
    result = cli("--tiny", "--out", tmp_path)
    assert result.exit_code == 0
    assert f"replacing {tmp_path / PARTIAL}, which --resume would have continued" in result.output
    assert fake.called == list(ROWS)


def test_with_nothing_to_resume_a_run_begins_anew(fake, tmp_path):
    result = cli("--tiny", "--out", tmp_path, "--resume")
    assert result.exit_code == 0
    assert f"nothing to resume: there is no {tmp_path / PARTIAL}" in result.output
    assert fake.called == list(ROWS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header: header.update(schema=0), "schema: 0 then, "),
        (lambda header: header["device"].update(cpu="Z80"), "cpu: Z80 then, "),
        (lambda header: header["device"]["versions"].update(jax="0.1"), "versions: "),
        (lambda header: header["device"].update(environment={"OMP_NUM_THREADS": "1"}), "environment: "),
        (lambda header: header["device"].update(commit="abc"), "commit: abc then, "),
        (lambda header: header["settings"].update(batch=3), "batch: 3 then, None now"),
        (lambda header: header["settings"].update(seed=3), "seed: 3 then, 0 now"),
        (lambda header: header.update(code="abc"), "the code has changed"),
    ],
)
@pytest.mark.slow
def test_another_runs_rows_are_refused_with_the_reason(change, reason, stopped, fake, tmp_path):
    path = tmp_path / PARTIAL
    first, *rest = path.read_text().splitlines()
    header = json.loads(first)
    change(header)
    path.write_text("\n".join([json.dumps(header), *rest]) + "\n")
    text = path.read_text()
    result = cli("--tiny", "--out", tmp_path, "--resume")
    assert result.exit_code == 2
    assert f"error: {path}: cannot be resumed, " in result.output and reason in result.output
    assert fake.called == []
    assert path.read_text() == text


def test_rows_that_were_not_asked_for_are_not_thrown_away(stopped, fake, tmp_path):
    result = cli("--tiny", "--out", tmp_path, "--resume", "--filter", "two|three")
    assert result.exit_code == 2
    assert "holds 1 rows that were not asked for now (fake/one); give the same --only and --filter" in result.output
    assert fake.called == []


@pytest.mark.parametrize("text", ["", "text\n", "{}\n", '{"schema": 1}\n[1]\n'])
def test_a_partial_file_that_is_none_is_refused(text, fake, tmp_path):
    (tmp_path / PARTIAL).write_text(text)
    result = cli("--tiny", "--out", tmp_path, "--resume")
    assert result.exit_code == 2
    assert "not the partial file of a benchmark run; delete it" in result.output
    assert (tmp_path / PARTIAL).read_text() == text
