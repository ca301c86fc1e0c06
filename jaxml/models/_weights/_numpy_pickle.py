"""A pickle of NumPy arrays by name."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from jaxml.models._weights._faults import refuse
from jaxml.models._weights._pickle import load
from jaxml.models._weights._pickle_arrays import Array


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a dictionary of them, with none of it unpickled."""
    found = load(BytesIO(path.read_bytes()))
    if not isinstance(found, Mapping):
        refuse(path, f"a pickle of a {type(found).__name__}, and of neither torch.save nor NumPy arrays by name")
    arrays: dict[str, np.ndarray] = {}
    for name, entry in found.items():
        numbers = entry.numbers if isinstance(entry, Array) else None
        if numbers is None:
            numbers = refuse(path, f"a pickle in which {name!r} is no NumPy array; only those, by name, are read")
        arrays[str(name)] = numbers
    return arrays
