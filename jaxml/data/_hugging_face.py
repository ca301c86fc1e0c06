"""A data set of Hugging Face's `datasets` as ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxml.data._dataset import Dataset
from jaxml.data._extras import require
from jaxml.data._numbers import host_float, is_text

F = "from_hugging_face"


def from_hugging_face(dataset: Any, *, x: str | Sequence[str], y: str | None = None, split: str = "train") -> Dataset:
    """Columns of a `datasets.Dataset`: one `x` as an array (N, ...), several as a dictionary of columns.

    dataset: one that is loaded already, or the name of one on the hub, of which `split` is loaded.
    x, y: names of columns. Images become `(N, H, W, C)` from 0 to 1 and must share one size. A `y` of class labels
        or text is int32 with `class_names`; one of floats is a regression.

    Errors: ValueError for a column that is not there, a `DatasetDict` (take one of its splits), images of several
    sizes, or a missing label; ImportError for a name where `datasets` is not installed.
    """
    if isinstance(dataset, str):
        dataset = require(F, "datasets", "datasets", extra=None).load_dataset(dataset, split=split)
    names = getattr(dataset, "column_names", None)
    if isinstance(names, dict):
        raise ValueError(f"{F}: dataset must be one split, got {', '.join(names)}; take dataset[{next(iter(names))!r}]")
    if not isinstance(names, list):
        raise TypeError(f"{F}: dataset must be a datasets.Dataset or the name of one, got {type(dataset).__name__}")
    features = (x,) if isinstance(x, str) else tuple(x)
    for name in (*features, *([y] if y is not None else [])):
        if name not in names:
            raise ValueError(f"{F}: dataset has no column {name!r}; there are {', '.join(names)}")
    columns = {name: _column(dataset, name) for name in features}
    inputs = columns[x] if isinstance(x, str) else columns
    if y is None:
        return Dataset(inputs, feature_names=features)
    labels = dataset[y][:]
    if any(v is None for v in labels):
        raise ValueError(f"{F}: {y!r} must not be missing, example {list(labels).index(None)} is; filter it out before")
    classes = getattr(dataset.features[y], "names", None)
    targets = np.asarray(labels)
    if classes is None and targets.dtype.kind in "US":
        found, targets = np.unique(targets, return_inverse=True)
        classes = [str(v) for v in found]
    if classes is None and targets.dtype.kind == "f":
        return Dataset(inputs, host_float(targets), feature_names=features, task="regression")
    if classes is None:
        classes = [str(v) for v in range(int(targets.max(initial=-1)) + 1)]
    return Dataset(
        inputs, targets.astype(np.int32), feature_names=features, class_names=tuple(classes), task="classification"
    )


def _column(dataset: Any, name: str) -> np.ndarray:
    values = list(dataset[name][:])
    if values and hasattr(values[0], "convert"):  # pillow's images
        pixels = [np.asarray(v) for v in values]
        if len(sizes := {p.shape for p in pixels}) > 1:
            listed = ", ".join(map(str, sorted(sizes)[:3]))
            raise ValueError(
                f"{F}: images of {name!r} must share one size and mode, got {listed}; map them to one before"
            )
        images = host_float(np.stack(pixels)) / host_float(255)
        return images if images.ndim == 4 else images[..., None]
    if is_text(np.array([*values, None], object)):
        return np.array([*values, None], object)[:-1]
    return host_float([np.nan if v is None else v for v in values])
