"""What becomes of a benchmark's results: files, tables, plots and the README's block."""

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import _device, _networks, _readme, _results, _suites
from benchmarks.__main__ import app
from benchmarks._directions import TITLES
from benchmarks._results import Measured, Report, Row, SuiteResult
from benchmarks._shape import Shape
from benchmarks._tables import Table, count, geometric_mean, milliseconds, times


def measured(median=0.01234):
    return Measured(median, median * 0.9, median * 1.1, median * 0.8, 7, 1.5, 123_456_789)


def test_a_report_survives_its_file(tmp_path):
    row = Row("a", {"x": 1}, {"forward.xla": measured()}, {"forward.default/xla": (2.0, 1.9, 2.1)}, ["note"])
    report = Report("2026-11-01", {"cpu": "x"}, {"dtype": "float32"}, [SuiteResult("layers", 1.0, [row])])
    _results.save(report, tmp_path / "r.json")
    assert _results.load(tmp_path / "r.json") == report


def test_a_report_of_another_schema_is_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"schema": 99}')
    with pytest.raises(ValueError, match="expected a benchmark report of schema 1, found 99"):
        _results.load(tmp_path / "r.json")


def test_what_is_no_report_is_refused_by_name(tmp_path):
    (tmp_path / "r.json").write_text("# text")
    with pytest.raises(ValueError, match=r"r\.json: expected a benchmark report in JSON: Expecting value"):
        _results.load(tmp_path / "r.json")


def test_nan_never_reaches_the_file(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        _results.save(Report("", {}, {"x": float("nan")}, []), tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


def wide_report():
    """Every suite with the widest figures a table has to hold, PyTorch's columns included."""
    from benchmarks._depthwise import label

    rows: dict[str, list[Row]] = {name: [] for name in _suites.SUITES}
    forms = ("standard", "separable", "stock", "torch-standard", "torch-separable")
    pairs = {
        f"{fast}/{slow}": (123.4, 1.0, 200.0)
        for fast, slow in [*_networks.SPEEDUPS, ("default", "xla"), ("default", "torch")]
    }
    for shape in (Shape(112, 512, 1024), Shape(14, 512, 1024, stride=2, kernel=11)):
        both = ("params", "macs", "bytes")
        facts = {f"{what}_{form}": 1.234e9 for what in both for form in ("standard", "separable")}
        facts |= {"intensity_standard": 1234.5, "intensity_separable": 123.4}
        facts |= {
            "batch": 128,
            "ratio": 0.1111,
            "theory": 0.1111,
            "saving": 8.765,
            "axis": "channels",
            "in_channels": shape.in_channels,
        }
        facts |= {f"{what}_share": 1.234 for what in TITLES}
        times_ = {f"{what}.{who}": measured(1.234) for what in TITLES for who in forms}
        speedups = {f"{what}.{pair}": value for what in TITLES for pair, value in pairs.items()}
        rows["layers"].append(Row(str(shape), facts, times_, speedups))
        rows["sweep"].append(Row(str(shape), facts, times_, speedups))
        who = ("xla", "shift", "scan", "default", "torch")
        times_ = {f"{what}.{name}": measured(1.234) for what in TITLES for name in who}
        speedups = {f"{what}.{pair}": value for what in TITLES for pair, value in pairs.items()}
        facts = {"batch": 8} | {f"default_{what}": None for what in TITLES}  # the default as one more column
        rows["depthwise"].append(Row(label(shape), facts, times_, speedups))
    for mode in ("inference, batch 128, 224px", "training step, batch 128, 224px"):
        times_ = {f"network.{form}": measured(1.234) for form in forms}
        facts = {f"{what}_{form}": 1.234e9 for what in both for form in forms[:2]}
        facts |= {"saving": 8.56, "network_share": 1.234}
        rows["mobilenet"].append(Row(mode, facts, times_, {f"network.{p}": v for p, v in pairs.items()}))
    accuracies = {
        "accuracy_standard": 0.98765,
        "accuracy_separable": 0.98765,
        "train": 1348,
        "test": 449,
        "epochs": 30,
        "batch": 64,
    }
    rows["digits"].append(Row("seed 0", {**accuracies, "curves": {"standard": [0.5, 0.9], "separable": [0.4, 0.8]}}))
    facts = {"params_standard": 1.23e6, "params_separable": 1.23e6, "macs_standard": 1.23e6, "macs_separable": 1.23e6}
    times_ = {f"step.{form}": measured(1.234) for form in forms[:3]}
    rows["digits"].append(
        Row(
            "training step", {**facts, "saving": 8.765, "batch": 64}, times_, {f"step.{p}": v for p, v in pairs.items()}
        )
    )
    device = _device.describe()
    settings = {"dtype": "float32", "size": "full", "seed": 0}
    return Report("2026-11-01T00:00:00+00:00", device, settings, [SuiteResult(n, 1.0, r) for n, r in rows.items()])


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
    assert {name: len(paths) for name, paths in drawn.items()} == {name: len(p) for name, p in _plots.PLOTS.items()}
    assert set(drawn) == set(_suites.SUITES)


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
