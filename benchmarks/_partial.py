"""The rows of a run that is not finished, kept beside its result file so that an interruption costs one row."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import _results
from benchmarks._device import ROOT
from benchmarks._results import Row, differences, write_atomically

# On what times depend; a load average, say, differs with every run.
DEVICE = ("platform", "timed_on", "devices", "cpu", "cores", "python", "versions", "environment", "commit")
SETTINGS = ("size", "dtype", "batch", "peers", "seed")


def beside(target: Path) -> Path:
    """Where the rows of a run are kept until `target` is written."""
    return target.with_name(f"{target.stem}.partial.jsonl")


def code() -> str:
    """A digest of the sources: a commit says little where the tree has changes."""
    digest = hashlib.sha256()
    for folder in ("jaxml", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass
class Partial:
    """The file: a line of JSON that says whose rows these are, then a line for every row."""

    path: Path
    header: dict[str, Any]
    rows: dict[tuple[str, str], tuple[float, Row]] = field(default_factory=dict)  # (suite, row): seconds, figures

    def start(self) -> None:
        """Write the file as it is in memory, in place of any other."""
        lines = [json.dumps(self.header), *(_line(*key, *found) for key, found in self.rows.items())]
        text = "".join(f"{line}\n" for line in lines)
        write_atomically(self.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def add(self, suite: str, name: str, seconds: float, row: Row) -> None:
        """Append one row; a line torn by a crash is dropped by `read`."""
        line = _line(suite, name, seconds, row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        self._take(json.loads(line))  # as it is read back, so that resuming changes nothing

    def _take(self, line: dict[str, Any]) -> None:
        self.rows[line["suite"], line["name"]] = (line["seconds"], _results.row(line["row"]))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def header(created: str, device: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Whose rows they are; `ceilings` are added once they are measured."""
    return {
        "schema": _results.SCHEMA,
        "created": created,
        "device": device,
        "settings": settings,
        "code": code(),
        "ceilings": None,
    }


def open_for(
    target: Path, now: dict[str, Any], planned: Iterable[tuple[str, str]], *, resume: bool
) -> tuple[Partial, str]:
    """The partial file of a run that is to write `target`, and a line about an earlier one; nothing is written yet."""
    path = beside(target)
    fresh = Partial(path, now)
    if resume and not path.exists():
        return fresh, f"nothing to resume: there is no {path}"
    if resume:
        found = read(path)
        require_same(found, now, set(planned))
        return found, f"resuming: {len(found.rows)} rows are there already"
    if path.exists():
        return fresh, f"replacing {path}, which --resume would have continued"
    return fresh, ""


def read(path: Path) -> Partial:
    """The partial file of an interrupted run; one that cannot be understood is an error."""
    lines = path.read_bytes().split(b"\n")[:-1]  # behind the last newline stands nothing, or a torn line
    try:
        found, *rows = [json.loads(line) for line in lines]
        partial = Partial(path, {key: found[key] for key in header("", {}, {})})
        for raw in rows:
            partial._take(raw)
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{path}: not the partial file of a benchmark run; delete it") from None
    return partial


def require_same(partial: Partial, now: dict[str, Any], planned: set[tuple[str, str]]) -> None:
    """An error with the reason when `partial`'s rows do not belong to the run that `now`, its header, describes."""
    then = partial.header
    reasons = [
        *differences(then, now, ["schema"]),
        *differences(then["device"], now["device"], DEVICE),
        *differences(then["settings"], now["settings"], SETTINGS),
        *([] if then["code"] == now["code"] else ["the code has changed"]),
    ]
    if reasons:
        raise ValueError(f"{partial.path}: cannot be resumed, {'; '.join(reasons)}")
    if left_out := set(partial.rows) - planned:
        suite, row = min(left_out)
        raise ValueError(
            f"{partial.path}: holds {len(left_out)} rows that were not asked for now ({suite}/{row}); "
            "give the same --only and --filter"
        )


def _line(suite: str, name: str, seconds: float, row: Row) -> str:
    line = {"suite": suite, "name": name, "seconds": seconds, "row": asdict(row)}
    return json.dumps(line, allow_nan=False)
