"""What `jaxml predict` does: images gathered, read ahead while the network runs, classified."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import models, nn
from jaxml.data._image_folder import ENDINGS
from jaxml.models._fold import has_foldable
from jaxml.models._registry import create_loaded
from jaxml.models._weights._layers import entries

# A path, with its pixels or the error of reading it.
Read = tuple[Path, np.ndarray | str]


class Classifier:
    """A network with weights, its batch norms folded, as a compiled function of batches of one size."""

    def __init__(self, name: str, weights: str, *, ignore: Sequence[str], **options: Any):
        model, report = create_loaded(name, weights, rngs=nnx.Rngs(0), ignore=ignore, **options)
        if random := [entry.path for entry in entries(model) if entry.path not in report.loaded]:
            raise ValueError(
                f"predict: --ignore leaves {', '.join(random[:4])}{', ...' * (len(random) > 4)} of {name} without "
                f"weights, and nothing is predicted with random ones"
            )
        preprocessing = getattr(model, "preprocessing", None)
        if preprocessing is None:
            raise ValueError(
                f"predict: {weights} do not say how an image is prepared for {name}; set model.preprocessing and save "
                f"them with models.save_weights"
            )
        takes = getattr(model.config, "in_channels", preprocessing.depth)  # type: ignore[attr-defined]
        if preprocessing.depth != takes:
            raise ValueError(
                f"predict: {weights} prepare images of {preprocessing.depth} channels ({preprocessing.channels}), "
                f"{name} takes {takes}"
            )
        self.preprocessing: models.Preprocessing = preprocessing
        self.num_classes: int = model.config.num_classes  # type: ignore[attr-defined]
        self.labels = preprocessing.labels
        folded = models.fold_batch_norm(model) if has_foldable(model) else model
        apply, self._params, self._state = nn.functionalize(folded)
        self._probabilities = jax.jit(lambda params, state, x: jax.nn.softmax(apply(params, state, x)[0]))

    def read(self, path: Path) -> Read:
        """The image as the network takes it, or what is wrong with it."""
        if not path.exists():
            return path, f"{path} is not there"
        try:
            return path, self.preprocessing(path)[0]
        except ValueError as error:
            return path, str(error)

    def classify(
        self, chunk: Sequence[Read], size: int, top: int, labels: Sequence[str] | None
    ) -> list[dict[str, Any]]:
        """The `top` likeliest classes of each image, or its error; the batch is filled up to `size`."""
        images = [pixels for _, pixels in chunk if isinstance(pixels, np.ndarray)]
        rows: Iterator[np.ndarray] = iter(())
        if images:
            filled = np.stack(images + [images[-1]] * (size - len(images)))
            rows = iter(np.asarray(self._probabilities(self._params, self._state, jnp.asarray(filled))))
        found = []
        for path, pixels in chunk:
            if isinstance(pixels, str):
                found.append({"image": str(path), "error": pixels})
                continue
            row = next(rows)
            best = np.argsort(-row, kind="stable")[:top]
            predictions = [
                {"class": int(k), "label": "" if labels is None else labels[k], "probability": float(row[k])}
                for k in best
            ]
            found.append({"image": str(path), "predictions": predictions})
        return found


def gather(images: Sequence[Path]) -> list[Path]:
    """The files: those named, and of a folder all below it that end as images do, sorted.

    A file that is named and not there is kept, to be reported with those that cannot be read.
    """
    found: list[Path] = []
    for path in images:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
            if not inside:
                raise ValueError(f"predict: {path} holds no image ({', '.join(sorted(ENDINGS))})")
            found += inside
        else:
            found.append(path)
    return found


def chunks(paths: Sequence[Path], size: int, read: Callable[[Path], Read]) -> Iterator[list[Read]]:
    """The images in batches; the next one is read by threads while the one at hand is used."""
    starts = range(0, len(paths), size)
    with ThreadPoolExecutor(4) as pool:
        ahead = [pool.submit(read, path) for path in paths[:size]]
        for start in starts:
            ready = ahead
            ahead = [pool.submit(read, path) for path in paths[start + size : start + 2 * size]]
            yield [future.result() for future in ready]


def read_labels(path: Path, num_classes: int) -> tuple[str, ...]:
    """The names of the classes: a line each, or JSON: a list, or an object by number, as Keras's class index."""
    try:
        names = _json_names(json.loads(path.read_text())) if path.suffix == ".json" else _lines(path.read_text())
    except ValueError as error:  # of JSON, of text
        raise ValueError(f"predict: {path} cannot be read as names of classes: {error}") from error
    if len(names) != num_classes:
        raise ValueError(f"predict: {path} must have a name for each of the {num_classes} classes, it has {len(names)}")
    return tuple(names)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _json_names(found: Any) -> list[str]:
    """Of a list, or of an object by number; the last of each entry that is a list itself, as Keras's are."""
    if isinstance(found, dict):
        if sorted(found) != sorted(map(str, range(len(found)))):
            raise ValueError(f"its keys must be 0, 1, 2, ..., they are {', '.join(list(found)[:4])}, ...")
        found = [found[str(k)] for k in range(len(found))]
    if not isinstance(found, list):
        raise ValueError(f"it must be a list or an object, it is {found!r:.40}")
    return [str(v[-1]) if isinstance(v, list) and v else str(v) for v in found]
