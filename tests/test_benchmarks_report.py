"""What becomes of a benchmark's results: files, tables, plots and the README's block."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import _device, _families, _models, _readme, _results, _separable_conv, _suites
from benchmarks.__main__ import app
from benchmarks._depthwise import label
from benchmarks._directions import TITLES
from benchmarks._results import Measured, Report, Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._shape import Shape
from benchmarks._tables import Table, count, geometric_mean, milliseconds, times


def measured(median=0.01234):
    spread = [median * 0.8, median * 0.9, median, median * 1.1, median * 1.3]
    return Measured(
        median, median * 0.9, median * 1.1, median * 0.8, 5, 1.5, 123_456_789,
        raw=spread, floor=median * 0.1234, bound="compute",
    )  # fmt: skip


def test_a_report_survives_its_file(tmp_path):
    row = Row("a", {"x": 1}, {"forward.xla": measured()}, {"forward.default/xla": (2.0, 1.9, 2.1)}, ["note"])
    suites = [SuiteResult("depthwise", 1.0, [row])]
    report = Report("2026-11-01", {"cpu": "x"}, {"dtype": "float32"}, suites, ceilings={"device": "x"})
    _results.save(report, tmp_path / "r.json")
    assert _results.load(tmp_path / "r.json") == report


def test_the_samples_of_one_time_are_one_line_of_the_file(tmp_path):
    row = Row("a", times={"forward.xla": measured()}, notes=['a note with "raw": [1,\n2]'])
    _results.save(Report("", {}, {}, [SuiteResult("depthwise", 1.0, [row])]), tmp_path / "r.json")
    lines = [line for line in (tmp_path / "r.json").read_text().splitlines() if line.strip().startswith('"raw"')]
    assert [line.count(",") for line in lines] == [5]  # four between five samples, one behind them
    assert _results.load(tmp_path / "r.json").suites[0].rows == [row]


def test_a_file_from_before_samples_were_kept_is_read(tmp_path):
    raw = {"schema": 1, "created": "", "device": {}, "settings": {}, "suites": []}
    time = {"median": 1.0, "q25": 1.0, "q75": 1.0, "minimum": 1.0, "samples": 3}
    row = {"name": "r", "facts": {}, "times": {"k": time}, "speedups": {}, "notes": []}
    raw["suites"] = [{"name": "s", "seconds": 1.0, "rows": [row]}]
    (tmp_path / "r.json").write_text(json.dumps(raw))
    report = _results.load(tmp_path / "r.json")
    assert (report.schema, report.ceilings) == (1, None)
    assert report.suites[0].rows[0].times["k"] == Measured(1.0, 1.0, 1.0, 1.0, 3)


def test_a_report_of_another_schema_is_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"schema": 99}')
    with pytest.raises(ValueError, match=f"expected a benchmark report of schema {_results.SCHEMA}, found 99"):
        _results.load(tmp_path / "r.json")


def test_what_is_no_report_is_refused_by_name(tmp_path):
    (tmp_path / "r.json").write_text("# text")
    with pytest.raises(ValueError, match=r"r\.json: expected a benchmark report in JSON: Expecting value"):
        _results.load(tmp_path / "r.json")


def test_nan_never_reaches_the_file(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        _results.save(Report("", {}, {"x": float("nan")}, []), tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


ALL = ("standard", "separable", "stock", "torch-standard", "torch-separable", "keras-separable")
PAIRS = {
    f"{fast}/{slow}": (123.4, 1.0, 200.0)
    for fast, slow in [*_models.SPEEDUPS, ("default", "xla"), ("default", "torch")]
}


def wide_report():
    """Every suite with the widest figures a table has to hold, the peers' columns included."""
    suites = {
        "separable_conv": wide_layers(),
        "depthwise": wide_depthwise(),
        "digits": wide_digits(),
        "models": wide_models(),
    }
    ceilings = {"device": "x", "flops": {"float32": 2e11}, "bandwidth": {"1000000": 9e10, "100000000": 2e10}}
    settings = {"dtype": "float32", "size": "full", "seed": 0}
    found = [SuiteResult(name, 1.0, rows) for name, rows in suites.items()]
    return Report("2026-11-01T00:00:00+00:00", _device.describe(), settings, found, ceilings=ceilings)


def timed(who, whats):
    times_ = {f"{what}.{name}": measured(1.234) for what in whats for name in who}
    pairs = {pair: value for pair, value in PAIRS.items() if set(pair.split("/")) <= set(who)}
    return times_, {f"{what}.{pair}": value for what in whats for pair, value in pairs.items()}


def wide_layers():
    """With the names that the rows of a full run have."""
    rows = []
    who = ("standard", "standard-nhwc", "standard-nchw", "separable", "stock-nhwc", "stock-nchw")
    for name, _ in _separable_conv.tasks(Settings("full")):
        facts = {f"{what}_{form}": 1.234e9 for what in ("params", "macs", "bytes") for form in ALL[:2]}
        facts |= {"intensity_standard": 1234.5, "intensity_separable": 123.4, "ratio": 0.1111, "theory": 0.1111}
        facts |= {"batch": 128, "saving": 8.765, "axis": "channels", "in_channels": len(rows)}
        facts |= {f"{what}_share": 1.234 for what in TITLES}
        layer = name.startswith(("layer", "sweep"))
        rows.append(Row(name, facts, *(timed(ALL[:5], TITLES) if layer else timed(who, ["forward"]))))
    return rows


def wide_depthwise():
    who = ("xla", "shift", "scan", "default", "torch")
    facts = {"batch": 8} | {f"default_{what}": None for what in TITLES}  # the default as one more column
    shapes = (Shape(112, 512, 1024), Shape(14, 512, 1024, stride=2, kernel=11))
    return [Row(label(shape), facts, *timed(who, TITLES)) for shape in shapes]


def wide_models():
    rows = []
    for name, family in _families.FAMILIES.items():
        for mode in _families.MODES:
            facts = {f"{what}_{who}": 1.234e9 for what in ("params", "macs", "activations") for who in family.networks}
            facts |= {"family": name, "mode": mode, "batch": 128, "shape": [224, 224, 3]}
            paired = len(family.networks) > 1
            facts |= {"saving": 8.56, "network_share": 1.234} if paired else {}
            rows.append(Row(f"{name} {mode}", facts, *timed(ALL if paired else ("jaxml", "stock"), ["network"])))
    return rows


def wide_digits():
    facts = {"train": 1348, "test": 449, "epochs": 30, "batch": 64}
    facts |= {f"accuracy_{who}": 0.98765 for who in ALL[:2]}
    trained = Row("seed 0", {**facts, "curves": {"standard": [0.5, 0.9], "separable": [0.4, 0.8]}})
    facts = {f"{what}_{who}": 1.23e6 for what in ("params", "macs") for who in ALL[:2]}
    return [trained, Row("training step", {**facts, "saving": 8.765, "batch": 64}, *timed(ALL[:3], ["step"]))]


def test_every_table_fits_in_80_columns():
    for result in wide_report().suites:
        for table in _suites.SUITES[result.name].tables(result):
            stream = io.StringIO()
            Console(file=stream, width=80).print(table.rich())
            lines = stream.getvalue().splitlines()
            assert max(map(len, lines)) <= 80
            body = "\n".join(lines)
            for cell in (cell for row in table.rows for cell in row):
                assert cell in body, f"{table.title}: {cell!r} was broken or cut"
            for word in " ".join(table.columns).split():
                assert word in body, f"{table.title}: the heading {word!r} was broken or cut"


def test_every_plot_of_a_full_report_is_drawn(tmp_path):
    from benchmarks import _plots

    drawn = _plots.write_all(wide_report(), tmp_path)
    there = {result.name for result in wide_report().suites}  # `test_benchmark_suites` draws the others
    assert {name: len(paths) for name, paths in drawn.items()} == {name: len(_plots.PLOTS[name]) for name in there}


def test_figures_are_short():
    seconds = (None, 1.2345, 0.012345, 0.00012345, 0.0000012)
    assert [milliseconds(s) for s in seconds] == ["-", "1234", "12.3", "0.12", "0.001"]
    assert [times(f) for f in (None, 0.123, 12.34, 123.4)] == ["-", "0.12x", "12.3x", "123x"]
    assert [count(n) for n in (None, 864, 36_896, 999_600, 1_849_688_064)] == ["-", "864", "36.9k", "1M", "1.85G"]
    assert geometric_mean([2.0, None, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([None]) is None


def test_html_escapes_what_it_is_given():
    assert "<td>&lt;b&gt;</td>" in Table("t", ("a",), [["<b>"]]).html()


# ---------------------------------------------------------------------------------------------- the README


def test_the_readme_block_stands_between_the_markers():
    text = _readme.block(wide_report(), "benchmarks/results/x.json")
    readme = f"before\n{_readme.BEGIN}\nold\n{_readme.END}\nafter\n"
    new = _readme.replaced(readme, text)
    assert new.startswith("before\n") and new.endswith("\nafter\n") and "old" not in new
    assert _readme.current(new) == text
    assert _readme.replaced(new, text) == new
    assert _readme.SOURCE.search(text).group(1) == "benchmarks/results/x.json"


def test_a_readme_without_markers_is_an_error():
    with pytest.raises(ValueError, match=r"README\.md needs <!-- benchmarks:begin -->"):
        _readme.replaced("no markers", "text")


def test_the_readme_cites_committed_files_only(tmp_path):
    result = CliRunner().invoke(app, ["readme", "--results", str(tmp_path / "r.json")])
    assert result.exit_code == 2
    assert "under benchmarks/results/" in result.output


def test_the_readmes_table_is_its_result_files():
    text = _readme.current((_device.ROOT / "README.md").read_text(encoding="utf-8"))
    source = _readme.SOURCE.search(text).group(1)
    assert text == _readme.block(_results.load(_device.ROOT / source), source)
