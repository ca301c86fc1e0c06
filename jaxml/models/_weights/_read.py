"""Any file of weights, as a table of arrays: the format is told by what is in it."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxml.models._weights import _graphdef, _keras, _npz, _numpy_pickle, _safetensors, _tfjs, _torch
from jaxml.models._weights._faults import reading, refuse

READERS: dict[str, tuple[str, Callable[[Path], dict[str, np.ndarray]]]] = {
    "torch": ("a file of torch.save", _torch.read),
    "safetensors": ("safetensors", _safetensors.read),
    "keras": ("weights of Keras", _keras.read),
    "tfjs": ("TensorFlow.js's layers format", _tfjs.read),
    "graphdef": ("a frozen GraphDef of TensorFlow", _graphdef.read),
    "npz": ("a .npz file of NumPy", _npz.read),
    "pickle": ("a pickle of NumPy arrays", _numpy_pickle.read),
}


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by the names it has for them; nothing in it is ever run.

    Errors: FileNotFoundError; ValueError for a file that is cut off, damaged, hostile, empty or of an unknown format.
    """
    if not path.exists():
        raise FileNotFoundError(f"load_weights: {path} is not there")
    what, reader = READERS[format_of(path)]
    with reading(path, what):
        found = reader(path)
    if not found:
        refuse(path, f"holds no weight, though it is {what}")
    return found


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a file carries beside its arrays; of safetensors alone."""
    if format_of(path) != "safetensors":
        return {}
    with reading(path, "safetensors"):
        return _safetensors.read_metadata(path)


def format_of(path: Path) -> str:
    """The format of a file, by its content first and its ending where that does not tell."""
    if path.is_dir() or path.suffix == ".json":
        return "tfjs"
    with open(path, "rb") as file:
        head = file.read(32)
    if not head:
        refuse(path, "is empty")
    if head.startswith(b"version https://git"):
        refuse(path, "is a pointer of Git LFS, not the file itself: fetch it with git lfs pull")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras"
    if head.startswith(b"PK"):
        return _zip_format(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    if head[:1] == b"\x80" and _torch.MAGIC not in head:
        return "pickle"
    if head[:1] == b"\x80" or path.suffix in (".pth", ".pt", ".bin", ".ckpt", ".pkl"):
        return "torch"
    by_ending = {".pb": "graphdef", ".safetensors": "safetensors", ".h5": "keras", ".keras": "keras", ".npz": "npz"}
    if path.suffix not in by_ending:
        refuse(path, f"is of no format known here, which are {', '.join(what for what, _ in READERS.values())}")
    return by_ending[path.suffix]


def _zip_format(path: Path) -> str:
    with reading(path, "a zip file"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch"
    if "model.weights.h5" in names:
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return refuse(path, f"is a zip file, but not of torch.save, Keras or NumPy: it holds {', '.join(names[:5])}")
