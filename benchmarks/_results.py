"""Result rows, and the JSON file they are kept in."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 2
READABLE = (1, 2)  # 1 has no samples and no ceilings: it can be drawn, not compared


@dataclass(frozen=True)
class Measured:
    """One timed candidate: seconds per call, and what was seen while compiling it (JAX only).

    `floor` is what its work takes at the device's ceilings, in seconds, and `bound` what sets it: compute or memory.
    """

    median: float
    q25: float
    q75: float
    minimum: float
    samples: int
    compile_seconds: float | None = None
    temp_bytes: int | None = None
    difference: float | None = None  # of its result from the reference's, relative to the largest entry
    raw: list[float] = field(default_factory=list)  # every sample, in the order taken
    floor: float | None = None
    bound: str | None = None


@dataclass
class Row:
    """One line of a suite: static facts, times by `"what.who"`, and paired speed-ups by `"what.fast/slow"`.

    `notes` says what went wrong; a row without times and with a note was skipped.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    times: dict[str, Measured] = field(default_factory=dict)
    speedups: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # median, q25, q75 over the rounds
    notes: list[str] = field(default_factory=list)

    def median(self, key: str) -> float | None:
        return self.times[key].median if key in self.times else None

    def share(self, key: str) -> float | None:
        """Of the roof: the floor over the median, 1 where nothing is left to gain."""
        found = self.times.get(key)
        return None if found is None or found.floor is None else found.floor / found.median

    def speedup(self, what: str, fast: str, slow: str) -> float | None:
        found = self.speedups.get(f"{what}.{fast}/{slow}")
        return None if found is None else found[0]


@dataclass
class SuiteResult:
    name: str
    seconds: float
    rows: list[Row]


@dataclass
class Report:
    """Everything one run found out; what the tables, plots and pages are drawn from."""

    created: str
    device: dict[str, Any]
    settings: dict[str, Any]
    suites: list[SuiteResult]
    schema: int = SCHEMA
    ceilings: dict[str, Any] | None = None  # `flops.Ceilings.as_dict()`

    def suite(self, name: str) -> SuiteResult | None:
        return next((s for s in self.suites if s.name == name), None)


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: `path` is whole or untouched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        write(Path(name))
        os.chmod(name, 0o644)  # mkstemp's 0600 would hide a report on a shared machine
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def save(report: Report, path: Path) -> None:
    """Write `report` as JSON. NaN and infinity are refused: no other reader of JSON takes them."""
    text = json.dumps(asdict(report), indent=1, allow_nan=False) + "\n"
    text = re.sub(r'"raw": \[[^]]*\]', lambda raw: " ".join(raw[0].split()), text)  # one line for all samples
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def load(path: Path) -> Report:
    """Read a report back; a file of another schema, or of something else, is an error that says so."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON or of UTF-8
        raise ValueError(f"{path}: expected a benchmark report in JSON: {error}") from None
    found = raw.get("schema") if isinstance(raw, dict) else None
    if found not in READABLE:
        raise ValueError(f"{path}: expected a benchmark report of schema {SCHEMA}, found {found}")
    suites = [SuiteResult(s["name"], s["seconds"], [row(r) for r in s["rows"]]) for s in raw["suites"]]
    return Report(raw["created"], raw["device"], raw["settings"], suites, found, raw.get("ceilings"))


def differences(then: dict[str, Any], now: dict[str, Any], keys: Iterable[str]) -> list[str]:
    """Where two descriptions differ, as `what: this then, that now`."""
    return [f"{key}: {then.get(key)} then, {now.get(key)} now" for key in keys if then.get(key) != now.get(key)]


def row(raw: dict[str, Any]) -> Row:
    """A row from what `asdict` and JSON made of it."""
    times = {key: Measured(**m) for key, m in raw["times"].items()}
    return Row(raw["name"], raw["facts"], times, {k: tuple(v) for k, v in raw["speedups"].items()}, raw["notes"])
