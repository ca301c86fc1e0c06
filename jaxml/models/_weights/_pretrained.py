"""Models made for a file of weights."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax import nnx

from jaxml import nn
from jaxml.models._weights._hub import find
from jaxml.models._weights._layers import entries
from jaxml.models._weights._load import assign, without_prefix
from jaxml.models._weights._naming import recognised
from jaxml.models._weights._read import read, read_metadata


class Source(NamedTuple):
    """A file of weights that has been read."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, str]


def opened(weights: str | Path) -> Source:
    """The file that `weights` names, fetched if it is on a hub, and read."""
    path = find(weights)
    return Source(path, read(path), read_metadata(path))


def options_for(source: Source, build: Callable[[], nnx.Module]) -> dict[str, Any]:
    """The options with which `build`'s model must be made for these weights; nothing is allocated."""
    if "jaxml.config" in source.metadata:
        saved = json.loads(source.metadata["jaxml.config"])
        return {name: tuple(v) if isinstance(v, list) else v for name, v in saved.items()}
    made: list[nnx.Module] = []

    def keep() -> nnx.Module:
        made.append(build())
        return made[0]

    nn.abstract(keep)
    ours = entries(made[0])  # of which the names alone are used
    naming = recognised(made[0], ours, without_prefix(made[0], ours, source.arrays))
    return {} if naming is None else dict(naming.needs)


def load(model: nnx.Module, source: Source, ignore: str | Sequence[str]) -> None:
    """`load_weights` of what is read already."""
    assign(model, source.arrays, source.metadata, source=str(source.path), ignore=ignore)
