"""A run's history on disk: CSV and JSON lines always, TensorBoard where it is installed."""

import csv
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from jaxml.train._callbacks import History


class Writers:
    """`metrics.csv` and `metrics.jsonl`, a row for each epoch, written anew each time: a resumed run's rows are those
    of the history it resumed, none twice. TensorBoard's event file gets the new epochs alone."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tensorboard = _tensorboard(self.folder) if importlib.util.find_spec("tensorboard") else None

    def write(self, history: History) -> None:
        names = ["epoch", *history]
        rows = [dict(zip(names, row, strict=True)) for row in zip(_epochs(history), *history.values(), strict=True)]
        with _replacing(self.folder / "metrics.csv") as file:
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(rows)
        with _replacing(self.folder / "metrics.jsonl") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        if self.tensorboard is not None and rows:
            epoch = rows[-1].pop("epoch")
            self.tensorboard(epoch, rows[-1])


def _epochs(history: History) -> range:
    return range(1, 1 + len(next(iter(history.values()), ())))


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the old one's place when it is complete."""
    new = path.with_suffix(path.suffix + ".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        yield file
    new.replace(path)


def _tensorboard(folder: Path) -> Callable[[int, dict[str, float]], None]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))

    def write(epoch: int, values: dict[str, float]) -> None:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        writer.add_event(Event(step=epoch, summary=summary))
        writer.flush()

    return write
