"""One self-contained page: text, tables and plots, with nothing fetched from anywhere."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from benchmarks import _ceilings, _device
from benchmarks._results import Report, write_atomically
from benchmarks._suites import SUITES

CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem }
h2 { margin-top: 3rem; border-bottom: 1px solid #ddd }
h3 { margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap }
th { border-bottom: 2px solid #888 }
th:first-child, td:first-child { text-align: left }
tbody tr:nth-child(even) { background: #f5f7f9 }
img { max-width: 100%; height: auto; margin: 1rem 0; display: block }
.scroll { overflow-x: auto }
.caption, .meta { color: #555; font-size: .85rem }
.notes { color: #8a4b00 }
code { background: #f2f2f2; padding: 0 .2rem }
"""

GLOSSARY = """
<h2 id=reading>How to read this</h2>
<p><b>MAC</b>: one multiply-accumulate, <code>a += b * c</code>; two floating-point operations (FLOP). MACs are counted
from the shapes, taps that fall on padding included, as papers do.</p>
<p><b>Standard and separable.</b> A standard k&times;k convolution from M to N channels takes k&sup2;&middot;M&middot;N
MACs per output pixel. The separable form filters each channel alone (depthwise, k&sup2;&middot;M) and then mixes
channels with a 1&times;1 convolution (pointwise, M&middot;N). The ratio of the two is
(k&sup2;&middot;M + M&middot;N) / (k&sup2;&middot;M&middot;N) = <b>1/N + 1/k&sup2;</b>: about one ninth for a 3&times;3
kernel and many channels (MobileNets, arXiv:1704.04861).</p>
<p><b>Share of the MAC saving that became time.</b> If the separable form does 8 times fewer MACs and runs 4 times
faster, half of the saving became time: share = speed-up / saving. It is rarely all of it. A depthwise convolution
performs few operations per byte it must move (low <b>arithmetic intensity</b>: FLOP per byte of input, weights and
output, each moved once), so memory, not arithmetic, sets its speed. A speed-up below 1x means that the separable form
is slower in spite of its fewer operations; a share above 100 % that the standard form makes poorer use of the machine
than the separable one, which happens where it is slow for other reasons (few pixels and many channels).</p>
<p><b>Times</b> are medians over rounds in which all candidates of a row take turns, in one process; compilation and
warm-up are apart. Speed-ups are medians of the ratios within a round, so slow drifts of the machine cancel.
<b>stock</b> and <b>xla</b> are what plain JAX (and Flax) does; <b>default</b> is what jaxml picks on this device. The
JSON file holds quartiles, minima and every sample.</p>
<p><b>Why is it not faster?</b> Before the suites, a probe measures the device's <b>ceilings</b>: the FLOP/s of a
large matrix product, and the bytes per second that can be read and written, inside the caches and outside. They give
each job a <b>floor</b>, the time that its operations or its bytes take at least, whichever is longer: it is then
bound by compute or by memory. <b>Share of the roof</b> is floor / time. A speed-up therefore has three factors, and
the tables of that name show them for every row: the saving in MACs; what the <b>roof allows</b> of it, which is the
ratio of the two floors (less than the saving when the separable form is bound by memory: no program can gain that
back); and how near each form comes to its own floor, which is the program's merit or fault.</p>
"""


def write(report: Report, images: Mapping[str, Sequence[Path]], path: Path) -> None:
    """Write the page; `images` are the PNG files of each suite."""
    text = page(report, images)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def page(report: Report, images: Mapping[str, Sequence[Path]]) -> str:
    settings, device = report.settings, report.device
    sections, headlines = [], []
    for result in report.suites:
        suite = SUITES[result.name]
        headlines += suite.summary(result)
        tables = "\n".join(table.html() for table in suite.tables(result))
        plots = "\n".join(_image(image) for image in images.get(result.name, ()))
        notes = [f"{row.name}: {note}" for row in result.rows for note in row.notes]
        listed = f"<ul class=notes>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""
        sections.append(f"<h2 id={result.name}>{escape(suite.title)}</h2>\n{plots}\n{tables}\n{listed}")
    versions = ", ".join(f"{name} {version}" for name, version in device["versions"].items())
    meta = (
        f"{_device.line(device)}. Devices: {', '.join(device['devices'])}. Python {device['python']}, {versions}. "
        f"Commit {device['commit']}. {settings['dtype']}, {settings['size']} run, "
        f"seed {settings['seed']}. {report.created}"
    )
    if report.ceilings is not None:
        meta += f". Ceilings: {_ceilings.line(report.ceilings)}"
    items = "".join(f"<li>{escape(line)}</li>" for line in headlines)
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>jaxml benchmarks</title><style>{CSS}</style>\n<h1>Fewer operations, less time?</h1>\n"
        f"<p class=meta>{escape(meta)}</p>\n<ul>{items}</ul>\n{GLOSSARY}\n" + "\n".join(sections) + "</html>\n"
    )


def _image(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"<img alt='{escape(path.stem)}' src='data:image/png;base64,{data}'>"
