"""`load_weights`: the arrays of a file into a model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml.models._fold import is_folded
from jaxml.models._preprocessing import Preprocessing
from jaxml.models._weights._layers import Entry, entries
from jaxml.models._weights._layouts import FROM
from jaxml.models._weights._naming import Naming, mismatched, namings, option, recognised, sized
from jaxml.models._weights._read import read, read_metadata
from jaxml.models._weights._report import WeightsReport
from jaxml.models._weights._save import arithmetic, saved_arithmetic

# Counters and the like, which no model of ours has and none misses.
_BOOKKEEPING = ("*.num_batches_tracked", "*/ExponentialMovingAverage", "global_step", "top_level_model_weights/*")


def load_weights(
    model: nnx.Module, path: str | Path, *, strict: bool = True, ignore: str | Sequence[str] = ()
) -> WeightsReport:
    """Set the parameters and running statistics of `model` from a file; nothing in the file is ever run.

    Formats, told by content: PyTorch's `.pth` (zip or older; a pickle that names anything but tensors is refused),
    `.safetensors`, Keras's `.h5`, `.weights.h5` and `.keras`, a folder of TensorFlow.js, a frozen GraphDef `.pb`,
    `.npz`, a pickled dictionary of NumPy arrays. Names: torchvision's, Keras's, TF-slim's, told by the file, or the
    model's own (`stem.conv.w`). Layouts are turned, a background class of 1001 is dropped, numbers are cast to what
    the model keeps.

    strict: every array must be used, none missing, every shape right; otherwise the error lists them and the model is
        as it was. With `strict=False` what fits is loaded; read the report.
    ignore: patterns (`"head.*"`) for names in the file or paths in the model that need not fit.

    Errors: ValueError as said; for a file that is damaged, hostile, of another architecture, or whose weights were
    trained with another `variant`, which is named; for a model whose batch norms are folded. FileNotFoundError.
    ImportError without the package that a format needs (`pip install 'jaxml-nn[weights]'`).
    """
    path = Path(path)
    return assign(model, read(path), read_metadata(path), source=str(path), strict=strict, ignore=ignore)


def assign(
    model: Any,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    *,
    source: str,
    strict: bool = True,
    ignore: str | Sequence[str] = (),
) -> WeightsReport:
    """`load_weights` of arrays that are read already; `source` is what errors call them."""
    patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    ours = entries(model)
    if not ours:
        raise ValueError(f"load_weights: {type(model).__name__} has no parameters")
    if is_folded(model):
        name = type(model).__name__
        raise ValueError(f"load_weights: the batch norms of this {name} are folded; load the weights before folding")
    arrays = without_prefix(model, ours, arrays)
    naming = recognised(model, ours, arrays)
    if naming is None:
        raise ValueError(_unknown(model, ours, arrays, source))
    _check_variant(model, naming, metadata, source)
    report, values = _fitted(ours, arrays, naming, patterns)
    if strict and not report.ok:
        raise ValueError(f"load_weights: {source} does not fit {type(model).__name__}; nothing was changed.\n{report}")
    preprocessing = _preprocessing(model, naming, metadata, source, whole=strict and not patterns)
    for entry, value in values:
        entry.variable[...] = jnp.asarray(value, entry.variable[...].dtype)
    if preprocessing is not None:
        model.preprocessing = preprocessing  # type: ignore[attr-defined]
    return report


def _preprocessing(
    model: Any, naming: Naming, metadata: Mapping[str, str], source: str, *, whole: bool
) -> Preprocessing | None:
    """What the weights expect of an image. Labels that are not one a class stay behind with a head that was left out;
    of weights that are used as a `whole` they are an error."""
    if "jaxml.preprocessing" not in metadata:
        return None if naming.preprocessing is None else sized(naming.preprocessing, model)
    try:
        found = Preprocessing.from_json(metadata["jaxml.preprocessing"])
    except ValueError as error:
        raise ValueError(f"load_weights: {source}: {error}") from error
    classes = getattr(getattr(model, "config", None), "num_classes", None)
    if found.labels is None or classes in (None, len(found.labels)):
        return found
    if whole:
        raise ValueError(f"load_weights: {source} has {len(found.labels)} labels for {classes} classes")
    return replace(found, labels=None)


def _fitted(
    ours: list[Entry], arrays: Mapping[str, np.ndarray], naming: Naming, patterns: tuple[str, ...]
) -> tuple[WeightsReport, list[tuple[Entry, np.ndarray]]]:
    """What goes where; nothing is set yet."""
    values, missing, misfits, ignored, used = [], [], [], [], set()
    for entry in ours:
        name = naming.within(entry, arrays)
        if matches(entry.path, patterns) or (name is not None and matches(name, patterns)):
            ignored.append(entry.path)
        elif name is None or name not in arrays:
            missing.append(entry.path if name in (None, entry.path) else f"{entry.path} ({name})")
        else:
            value = FROM[naming.layout](arrays[name], entry.kind)
            if fault := _fault(value, entry):
                misfits.append(f"{name} {fault}")
            else:
                values.append((entry, value))
        used.add(name)
    rest = [name for name in arrays if name not in used]
    unused = [name for name in rest if not matches(name, (*patterns, *_BOOKKEEPING))]
    ignored += [name for name in rest if matches(name, patterns)]
    loaded = tuple(entry.path for entry, _ in values)
    report = WeightsReport(naming.layout, loaded, tuple(unused), tuple(missing), tuple(misfits), tuple(ignored))
    return report, values


def _fault(value: np.ndarray, entry: Entry) -> str | None:
    wanted = entry.variable[...].shape
    if value.shape != wanted:
        return f"is {value.shape} in our layout, {entry.path} is {wanted}"
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return f"is {value.dtype}, not floating point"
    if not np.isfinite(value.astype(np.float32, copy=False)).all():
        return "has entries that are not finite"
    return None


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether any of the patterns is of this name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def without_prefix(model: nnx.Module, ours: list[Entry], arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """`arrays` without the word that a wrapper has put before every name, as PyTorch's DataParallel does."""
    first = {name.partition(".")[0] for name in arrays}
    if len(first) != 1 or recognised(model, ours, arrays) is not None:
        return arrays
    return {name.partition(".")[2]: array for name, array in arrays.items()}


def _check_variant(model: Any, naming: Naming, metadata: Mapping[str, str], source: str) -> None:
    """The weights compute something else under other paddings, epsilons or activations, without any shape telling."""
    config = getattr(model, "config", None)
    saved = saved_arithmetic(metadata, source)
    if saved is not None:
        ours = arithmetic(config)
        wrong = {name: value for name, value in saved.items() if ours.get(name, value) != value}
        whose = "was saved from a model"
    else:
        wrong = mismatched(model, naming)
        whose = f"has {naming.layout} names, and such weights are for a model"
    if wrong:
        made = ", ".join(f"{name}={value!r}" for name, value in wrong.items())
        has = ", ".join(f"{name}={option(config, name)!r}" for name in wrong)
        raise ValueError(f"load_weights: {source} {whose} made with {made}; this one has {has}")


def _unknown(model: Any, ours: list[Entry], arrays: Mapping[str, np.ndarray], source: str) -> str:
    first = ", ".join(list(arrays)[:4])
    known = "; ".join(f"{n.layout}: {n.name(ours[0])}" for n in namings(model) if n.name(ours[0]))
    return (
        f"load_weights: {source} is of another architecture than {type(model).__name__}: of its {len(arrays)} names "
        f"({first}, ...) none is known. Names begin so: {known}"
    )
