"""`.safetensors`: tensors by name and a table of texts."""

from pathlib import Path

import numpy as np

from jaxml.models._extras import require


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors by name."""
    numpy = require("load_weights", "safetensors.numpy", "safetensors")
    try:
        return dict(numpy.load(path.read_bytes()))
    except require("load_weights", "safetensors", "safetensors").SafetensorError as error:
        raise ValueError(str(error)) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The table of texts."""
    safetensors = require("load_weights", "safetensors", "safetensors")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """A new file, which takes the place of an old one only when it is whole."""
    numpy = require("save_weights", "safetensors.numpy", "safetensors")
    part = path.with_name(path.name + ".part")
    numpy.save_file({name: np.ascontiguousarray(a) for name, a in tensors.items()}, part, metadata)
    part.replace(path)
