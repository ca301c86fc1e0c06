"""A run's history on disk: CSV and JSON lines always, TensorBoard where it is installed."""

import csv
import importlib.util
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from jaxml.train._callbacks import History
from jaxml.train._checkpoint import check_writable


class Writers:
    """`metrics.csv` and `metrics.jsonl`, a row for each epoch, written anew each time: a resumed run's rows are those
    of the history it resumed, none twice. TensorBoard's event file gets the new epochs alone."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder).absolute()
        check_writable("log_dir", self.folder)
        self.tensorboard: Any = None
        if importlib.util.find_spec("tensorboard"):
            from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore[reportMissingImports]

            self.tensorboard = EventFileWriter(str(self.folder))

    def write(self, history: History, new: bool = True) -> None:
        """All rows; `new` says that the last of them has not been written before. Errors: `OSError`."""
        try:
            self._write(history, new)
        except OSError as error:
            raise OSError(f"fit: the history could not be written to {self.folder}: {error}") from error

    def _write(self, history: History, new: bool) -> None:
        names = ["epoch", *history]
        rows = [dict(zip(names, row, strict=True)) for row in zip(_epochs(history), *history.values(), strict=True)]
        with _replacing(self.folder / "metrics.csv") as file:
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(rows)
        with _replacing(self.folder / "metrics.jsonl") as file:
            file.writelines(json.dumps({k: _number(v) for k, v in row.items()}) + "\n" for row in rows)
        if self.tensorboard is not None and rows and new:
            self.tensorboard.add_event(_event(**rows[-1]))
            self.tensorboard.flush()

    def close(self) -> None:
        if self.tensorboard is not None:
            self.tensorboard.close()


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None


def _epochs(history: History) -> range:
    return range(1, 1 + len(next(iter(history.values()), ())))


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the old one's place when it is complete."""
    new = path.with_suffix(path.suffix + ".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        yield file
    new.replace(path)


def _event(*, epoch: int, **values: float) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportMissingImports]
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]

    summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
    return Event(step=epoch, summary=summary, wall_time=time.time())
