"""The data of `jaxml train`: found by name or path, split, and made into numbers."""

import dataclasses
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxml import data
from jaxml.data._memory import available

PREPROCESSING = "preprocessing.json"


class DataError(ValueError):
    """What was named cannot be trained on."""


@dataclass(frozen=True)
class Prepared:
    """Arrays (or `data.Images` on disk) for training and validation, and what made them. `scale` has the unit of a
    regression's targets."""

    name: str
    train: tuple[Any, np.ndarray]
    validation: tuple[Any, np.ndarray]
    task: str
    outputs: int
    class_names: tuple[str, ...]
    preprocessing: Any
    scale: np.ndarray | None

    @property
    def example(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.train[0].shape[1:]

    @property
    def images(self) -> bool:
        return len(self.example) == 3

    def keep(self, folder: Path) -> None:
        """Write the preprocessing beside the checkpoints."""
        if self.preprocessing is None:
            return
        x, y = self.preprocessing if isinstance(self.preprocessing, tuple) else (self.preprocessing, None)
        text = {"x": data.to_json(x)} | ({} if y is None else {"y": data.to_json(y)})
        (folder / PREPROCESSING).write_text(json.dumps(text))


def prepare(
    source: str,
    *,
    target: str | None = None,
    task: str | None = None,
    drop: tuple[str, ...] = (),
    text: tuple[str, ...] = (),
    drop_missing_target: bool = False,
    size: int = 64,
    validation: float = 0.2,
    seed: int = 0,
) -> Prepared:
    """Load `source`, split off `validation` of it (unless it has its own test examples), and fit the preprocessing on
    the rest: missing cells filled in, numbers standardised, categories one-hot; images are in [0, 1] as they come."""
    reading = {"kinds": dict.fromkeys(text, "text"), "drop_missing_target": drop_missing_target}
    name, training, held_out = _load(source, target, task, size, reading)
    _check_finite(source, training.x, drop)
    if training.y is None:
        raise DataError(f"{source} has no targets: name the column with --target")
    if held_out is None:
        stratify = training.y if training.task == "classification" else None
        training, held_out = data.split(training, fractions=(1 - validation, validation), stratify=stratify, seed=seed)
    fitted = None if np.ndim(training.x) == 4 else _preprocessing(training.x, drop).fit(training.x)
    x, x_held = (part.x if fitted is None else np.asarray(fitted.transform(part.x)) for part in (training, held_out))
    y, y_held, scale = training.y, held_out.y, None
    if training.task == "regression":
        y, y_held = (np.reshape(part, (len(part), -1)) for part in (y, y_held))
        scaler = data.Standardize().fit(y)
        scale = np.ptp(np.asarray(scaler.inverse(np.stack([np.zeros_like(y[0]), np.ones_like(y[0])]))), axis=0)
        y, y_held = (np.asarray(scaler.transform(part)) for part in (y, y_held))
        fitted = (fitted, scaler)
    outputs = y.shape[1] if training.task == "regression" else max(len(training.class_names), int(y.max()) + 1)
    return Prepared(name, (x, y), (x_held, y_held), training.task, outputs, training.class_names, fitted, scale)


def _load(
    source: str, target: str | None, task: str | None, size: int, reading: dict[str, Any]
) -> tuple[str, Any, Any]:
    """The name, the examples, and those for testing where the set has its own."""
    path = Path(source)
    if source in data.names():
        return source, data.load(source), None
    if source == "fashion_mnist":
        return source, *data.fashion_mnist()
    if path.is_dir():
        has_idx = any("ubyte" in entry.name for entry in path.iterdir())
        if has_idx:
            return path.name, *data.mnist_folder(path)
        return path.name, _in_memory(data.image_folder(path, size=size)), None
    if path.is_file():
        if target is None:
            raise DataError(f"{source} is a table: name the column to predict with --target")
        return path.stem, data.read_csv(path, target=target, task=task, **reading), None
    known = ", ".join((*data.names(), "fashion_mnist"))
    raise DataError(f"there is no set, file or folder {source!r}; the sets are {known}")


def _check_finite(source: str, x: Any, drop: tuple[str, ...]) -> None:
    """A table's infinite numbers, before they are split off and would be called by another row's number."""
    if not isinstance(x, dict):
        return
    for name, column in x.items():
        if name in drop or column.dtype == object:
            continue
        bad = np.flatnonzero(np.isinf(column))
        if bad.size:
            raise DataError(
                f"{source}, column {name!r}: {column[bad[0]]} in row {bad[0] + 1} of its data ({bad.size} such); leave "
                f"the cell empty, which is filled in, or leave the column out with --drop {name}"
            )


def _in_memory(images: data.Dataset) -> data.Dataset:
    """Decoded once, where that leaves as much memory again; otherwise read from disk batch by batch."""
    size, free = 4 * math.prod(images.x.shape), available()
    if size <= free / 2:
        return dataclasses.replace(images, x=np.asarray(images.x))
    print(
        f"{len(images)} images of {' x '.join(map(str, images.x.shape[1:]))} take {size / 1e9:.3g} GB, of which "
        f"{free / 1e9:.3g} GB are free: they are read from disk for every batch; a smaller --size fits into memory",
        file=sys.stderr,
    )
    return images


def _preprocessing(x: Any, drop: tuple[str, ...]) -> Any:
    if isinstance(x, dict):
        return data.Columns.auto(x, drop=drop)
    if drop:
        raise DataError("--drop is for the columns of a CSV file")
    return data.Chain(data.Impute(), data.Standardize())
