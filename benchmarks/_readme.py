"""The README's table, generated from a committed result file so that it cannot drift from it."""

import re
from pathlib import Path

from benchmarks import _depthwise, _device, _models_report
from benchmarks._results import Report, load, write_atomically

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
NETWORK = "mobilenet_v1"  # whose rows the README shows
SOURCE = re.compile(r"`(benchmarks/results/[^`]+\.json)`")


def block(report: Report, source: str) -> str:
    """What stands between the markers: where it was measured, whole networks, depthwise layers."""
    parts = [
        f"Measured on {_device.line(report.device)}, {report.settings['dtype']}, {report.created[:10]}; "
        f"every figure is in `{source}`."
    ]
    networks, depthwise = report.suite("models"), report.suite("depthwise")
    rows = [] if networks is None else _models_report.of_family(networks.rows, NETWORK)
    if not rows or depthwise is None:
        raise ValueError(f"{source}: the README's table needs the suites models and depthwise")
    for table in (_models_report.time_table(rows, NETWORK), _depthwise.means_table(depthwise.rows)):
        parts.append(f"**{table.title}**\n\n{table.markdown()}")
    parts += [f"* {_models_report.sentence(row)}" for row in rows]
    return "\n\n".join(parts)


def replaced(readme: str, text: str) -> str:
    """`readme` with `text` between the markers; missing markers are an error, not a silent no-op."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise ValueError(f"README.md needs {BEGIN} and then {END}, once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def current(readme: str) -> str:
    """The text that stands between the markers now."""
    return readme.split(BEGIN)[1].split(END)[0].strip()


def update(results: Path, root: Path) -> None:
    """Rewrite README.md's table from `results`, a file under `benchmarks/results/`."""
    try:
        source = results.resolve().relative_to(root).as_posix()
    except ValueError:
        source = ""
    if not source.startswith("benchmarks/results/"):
        raise ValueError(f"{results}: the README cites committed files, under benchmarks/results/")
    path = root / "README.md"
    text = replaced(path.read_text(encoding="utf-8"), block(load(results), source))
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
