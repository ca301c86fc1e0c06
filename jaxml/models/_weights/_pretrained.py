"""Models made for a file of weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax import nnx

from jaxml import nn
from jaxml.models._weights._hub import find
from jaxml.models._weights._layers import Entry, entries
from jaxml.models._weights._load import assign, matches, without_prefix
from jaxml.models._weights._naming import Naming, recognised
from jaxml.models._weights._read import read, read_metadata
from jaxml.models._weights._report import WeightsReport
from jaxml.models._weights._save import saved_arithmetic
from jaxml.nn._bridge import partly


class Source(NamedTuple):
    """A file of weights that has been read."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, str]


def opened(weights: str | Path) -> Source:
    """The file that `weights` names, fetched if it is on a hub, and read."""
    path = find(weights)
    return Source(path, read(path), read_metadata(path))


def options_for(source: Source, build: Callable[[nnx.Rngs], nnx.Module]) -> dict[str, Any]:
    """The options with which `build`'s model must be made for these weights; nothing is allocated."""
    saved = saved_arithmetic(source.metadata, str(source.path))
    if saved is not None:
        return {name: tuple(v) if isinstance(v, list) else v for name, v in saved.items()}
    naming = _recognised(source, build)[0]
    return {} if naming is None else dict(naming.needs)


def loaded(
    source: Source, build: Callable[[nnx.Rngs], nnx.Module], rngs: nnx.Rngs, ignore: Any
) -> tuple[nnx.Module, WeightsReport]:
    """`build(rngs)` with these weights, and what of them was used; what they hold is not drawn before."""
    naming, ours, arrays = _recognised(source, build)
    patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    there = set() if naming is None else {e.path for e in ours if naming.within(e, arrays) in arrays}
    skip = {path for path in there if not matches(path, patterns)}
    keys = {"params": rngs.params(), "dropout": rngs.dropout()}
    model = partly(lambda keys: build(nnx.Rngs(keys["params"], dropout=keys["dropout"])), keys, skip=skip)
    report = assign(model, source.arrays, source.metadata, source=str(source.path), ignore=ignore)
    return model, report


def _recognised(
    source: Source, build: Callable[[nnx.Rngs], nnx.Module]
) -> tuple[Naming | None, list[Entry], Mapping[str, np.ndarray]]:
    """Whose names the file has, the model's entries (of which the names alone are known) and the file's arrays."""
    made: list[nnx.Module] = []

    def keep() -> nnx.Module:
        made.append(build(nnx.Rngs(0)))
        return made[0]

    nn.abstract(keep)
    ours = entries(made[0])
    arrays = without_prefix(made[0], ours, source.arrays)
    return recognised(made[0], ours, arrays), ours, arrays
