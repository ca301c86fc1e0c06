"""NumPy's `.npz`."""

import zipfile
from pathlib import Path

import numpy as np

from jaxml.models._weights._faults import refuse


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name; arrays of objects are pickles, and refused."""
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.file_size > 200 * max(info.compress_size, 1):
                refuse(path, f"{info.filename} would unpack to {info.file_size} bytes from {info.compress_size}")
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            try:
                found[name] = arrays[name]
            except ValueError as error:
                if "pickle" not in str(error).lower():
                    raise
                refuse(path, f"{name} is an array of objects, which is a pickle; only arrays of numbers are read")
    return found
