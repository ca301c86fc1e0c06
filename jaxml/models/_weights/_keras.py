"""Keras: `.weights.h5` and `.keras` of version 3, and the HDF5 files of versions 1 and 2."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.models._extras import require
from jaxml.models._weights._faults import refuse

# What Keras 3 writes as `vars/0`, `vars/1`, ..., by the class of the layer.
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_VARIABLES = {
    "batch_normalization": _NORM,
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "conv2d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
}


def read(path: Path) -> dict[str, np.ndarray]:
    """The weights as `layer/variable`."""
    h5py = require("load_weights", "h5py", "h5py")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            if "model.weights.h5" not in names:
                refuse(path, "a zip file without model.weights.h5 is not of Keras")
            info = archive.getinfo("model.weights.h5")
            if info.file_size > 20 * max(info.compress_size, 1):
                refuse(path, f"would unpack to {info.file_size} bytes from {info.compress_size}")
            source: Any = io.BytesIO(archive.read(info))
    else:
        source = path
    with h5py.File(source, "r") as file:
        _refuse_links(h5py, path, file)
        if "model_weights" in file:
            return _legacy(path, file["model_weights"])
        if "layer_names" in file.attrs:
            return _legacy(path, file)
        if "layers" in file or "_layer_checkpoint_dependencies" in file:
            return _third(h5py, path, file)
        return refuse(path, f"is HDF5, but not of Keras: it holds {', '.join(list(file)[:5]) or 'nothing'}")


def _refuse_links(h5py: Any, path: Path, group: Any) -> None:
    """A link of HDF5 may lead to any other file of the machine."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            refuse(path, f"{group.name}/{name} is a link to another file")
        if isinstance(group.get(name), h5py.Group):
            _refuse_links(h5py, path, group[name])


def _legacy(path: Path, file: Any) -> dict[str, np.ndarray]:
    """Versions 1 and 2: a group for each layer, whose weight_names say the variables (`conv1/kernel:0`)."""
    found: dict[str, np.ndarray] = {}
    for layer in map(_text, file.attrs["layer_names"]):
        for name in map(_text, file[layer].attrs.get("weight_names", ())):
            variable = name.split("/")[-1].split(":")[0]
            key = f"{layer}/{variable}"
            if key in found:
                refuse(path, f"has {key} twice: a model within the model is not read")
            found[key] = _numbers(file[layer][name])
    return found


def _third(h5py: Any, path: Path, file: Any) -> dict[str, np.ndarray]:
    """Version 3: groups by class and count, whose `vars` carry the layer's own name as an attribute."""
    found: dict[str, np.ndarray] = {}

    def visit(where: str, group: Any) -> None:
        if not isinstance(group, h5py.Group) or where.split("/")[-1] != "vars" or not len(group):
            return
        if where.startswith("optimizer"):
            return
        kind = where.split("/")[-2]
        layer = _text(group.attrs.get("name", kind))
        known = _VARIABLES.get(kind.rstrip("0123456789").rstrip("_"), ())
        for index in group:
            place = int(index)
            variable = known[place] if place < len(known) else index
            key = f"{layer}/{variable}"
            if key in found:
                refuse(path, f"has {key} twice: its layers have no names of their own")
            found[key] = _numbers(group[index])

    file.visititems(visit)
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _numbers(dataset: Any) -> np.ndarray:
    if dataset.external:
        raise ValueError(f"{dataset.name} keeps its numbers in another file")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > 100 * max(stored, 1):  # a compressed or never written block of any size
        raise ValueError(f"{dataset.name} claims {dataset.nbytes} bytes, the file holds {stored}")
    return np.asarray(dataset[()])
