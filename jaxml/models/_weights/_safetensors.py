"""`.safetensors`: tensors by name and a table of texts."""

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxml.models._extras import require

# The library's own way to NumPy knows no bfloat16, in which many files are.
_DTYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16, "I64": np.int64, "I32": np.int32,
    "I16": np.int16, "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
    "BOOL": np.bool_,
}  # fmt: skip


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors by name."""
    safetensors = require("load_weights", "safetensors", "safetensors")
    try:
        found = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    return {name: _array(name, entry) for name, entry in found}


def _array(name: str, entry: dict[str, Any]) -> np.ndarray:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"{name} is {entry['dtype']}; {', '.join(_DTYPES)} are read")
    return np.frombuffer(entry["data"], np.dtype(_DTYPES[entry["dtype"]])).reshape(entry["shape"])


def read_metadata(path: Path) -> dict[str, str]:
    """The table of texts."""
    safetensors = require("load_weights", "safetensors", "safetensors")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """A new file, which takes the place of an old one only when it is whole.

    The length of a header (8 bytes), the header as JSON, padded with spaces to a multiple of 8, then the numbers, the
    widest first so that each lies on its own alignment. (The library's own writers change from version to version.)
    """
    names = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": metadata}
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    at = 0
    for name, array in ordered:
        offsets = [at, at + array.nbytes]
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array).tobytes())
    part.replace(path)
