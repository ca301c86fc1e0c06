"""The README and the manual say what is so: their code runs, their lines are CI's, their figures are measured."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks import _readme, _results
from jaxml import models

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.loose_promotion  # a reader runs JAX as it comes
@pytest.mark.parametrize("page", [p for p in PAGES if fences(p.read_text(), "python")], ids=page_id)
def test_code_runs(page, tmp_path, monkeypatch, capsys):
    """The Python of one page, top to bottom as one program; what a line prints is checked where `# ` says it."""
    monkeypatch.chdir(tmp_path)
    variables = {"__name__": "page"}
    for block in fences(page.read_text(), "python"):
        exec(compile(block, page_id(page), "exec"), variables)
        wanted = re.findall(r"^\s*print\(.*\)  # (.*)$", block, re.M)
        printed = capsys.readouterr().out.splitlines()
        assert [line for line in wanted if line not in printed] == [], printed


def test_readme_has_an_example():
    blocks = fences(README, "python")
    assert blocks and "jaxml.functional as F" in blocks[0]
    assert len(blocks[0].splitlines()) <= 30


def test_setup_lines():
    """From a bare clone: one line for the main job, one for the tests, and CI runs the latter as it stands."""
    lines = [line for line in "\n".join(fences(README, "bash")).splitlines() if "-m venv" in line]
    job, test = lines
    assert job.endswith("-m benchmarks") and ".[bench]" in job
    assert " -m pytest" in test and ".[test]" in test
    said = subprocess.run(["bash", ".ci/run", "line"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert said.stdout == test + "\n"


def test_ci_wants_exactly_one_test_line(tmp_path):
    """The tester, tested: a README with no such line, or with two, stops the run."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text())
    line = "python3 -m venv .venv && .venv/bin/python -m pytest\n"
    for text, code, said in [("nothing\n", 1, "no test line"), (line, 0, line), (line * 2, 1, "more than one")]:
        (tmp_path / "README.md").write_text(text)
        done = subprocess.run(
            ["bash", ".ci/run", "line"], cwd=tmp_path, capture_output=True, text=True, timeout=20, env={**os.environ}
        )
        assert done.returncode == code
        assert said in done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_table_of_models():
    """The parameter counts in the manual are those of the models, all of them."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", (ROOT / "docs" / "models.md").read_text(), re.M)
    assert {name: int(count.replace(",", "")) for name, count in rows} == {
        name: models.info(name).params for name in models.names()
    }


def test_table_of_models_is_the_measured_one():
    """What stands between the markers is what `python -m tests.models_table` found."""
    from tests import models_table

    page = models_table.PAGE.read_text(encoding="utf-8")
    rows = json.loads(models_table.FOUND.read_text(encoding="utf-8"))
    assert models_table.replaced(page, models_table.block(rows)) == page
    assert models_table.wrong(rows) == []


def test_results_are_the_measured_ones():
    """What stands between the markers is what `python -m benchmarks readme` writes from the file it cites."""
    shown = _readme.current(README)
    if not RESULTS:
        assert shown == ""
        return
    source = _readme.SOURCE.search(shown)
    assert source, "results are committed, and the README shows none of them"
    assert shown == _readme.block(_results.load(ROOT / source[1]), source[1])
    assert _readme.replaced(README, shown) == README


def test_changed_figure_is_found():
    """The tester, tested: the text between the markers is read back as it was written, and no markers are an error."""
    readme = f"before\n{_readme.BEGIN}\nold\n{_readme.END}\nafter\n"
    assert _readme.current(_readme.replaced(readme, "1.00 ms")) == "1.00 ms"
    with pytest.raises(ValueError, match="once each"):
        _readme.replaced("no markers", "1.00 ms")
