"""Seconds until a module is imported, each time in a fresh process."""

import subprocess
import sys
from functools import partial

from benchmarks._device import ROOT
from benchmarks._results import Measured, Row
from benchmarks._settings import Settings
from benchmarks._types import Task
from jaxml import timing

PART = "imports"
BASE = "jax"
MODULES = (BASE, "jaxml", "jaxml.functional", "jaxml.nn", "flax.nnx")
EMPTY = "python"  # a process that imports nothing


def tasks(settings: Settings) -> list[Task]:
    return [("imports", _row)]


def _row(settings: Settings) -> Row:
    """All of them once a round, in a new order each round."""
    modules = settings.pick(tiny=(BASE, "jaxml.functional"), quick=MODULES, full=MODULES)
    calls = {EMPTY: partial(run, "pass")} | {name: partial(run, f"import {name}") for name in modules}
    found = timing.compare(calls, warmup=0, repeats=settings.pick(tiny=1, quick=3, full=5), inner=1)
    row = Row("imports", {"part": PART})
    for name, t in found.items():
        row.times[f"import.{name}"] = Measured(t.median, t.q25, t.q75, t.minimum, len(t.samples), raw=list(t.samples))
    return row


def run(code: str) -> None:
    """`code` in a fresh interpreter that finds what this one finds. `RuntimeError` with its last line if it fails."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(f"python -c {code!r} failed: {lines[-1]}")
