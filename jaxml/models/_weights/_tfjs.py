"""TensorFlow.js's layers format: `model.json` and the shards it lists, whole or quantised."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.models._weights._faults import refuse

_DTYPES = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "uint8": np.dtype("u1"), "uint16": np.dtype("<u2")}


def read(path: Path) -> dict[str, np.ndarray]:
    """The weights of a folder, or of its model.json, as `layer/variable`."""
    file = path / "model.json" if path.is_dir() else path
    if not file.is_file():
        refuse(path, "a folder without model.json is not of TensorFlow.js")
    model = json.loads(file.read_text())
    if "weightsManifest" not in model:
        refuse(file, "has no weightsManifest, so it is not TensorFlow.js's layers format")
    found: dict[str, np.ndarray] = {}
    for group in model["weightsManifest"]:
        raw = b"".join(_shard(file, name) for name in group["paths"])
        at = 0
        for entry in group["weights"]:
            array, at = _array(file, entry, raw, at)
            if entry["name"] in found:
                refuse(file, f"lists {entry['name']} twice")
            found[entry["name"]] = array
        if at != len(raw):
            refuse(file, f"its shards hold {len(raw)} bytes, the weights it lists {at}")
    return found


def _shard(file: Path, name: str) -> bytes:
    shard = file.parent / name
    if not shard.resolve().is_relative_to(file.parent.resolve()):
        refuse(file, f"refers to {name}, outside its own folder")
    if not shard.is_file():
        refuse(file, f"lists the shard {name}, which is not there")
    return shard.read_bytes()


def _array(file: Path, entry: dict[str, Any], raw: bytes, at: int) -> tuple[np.ndarray, int]:
    quantization = entry.get("quantization") or {}
    stored = quantization.get("dtype", entry["dtype"])
    if entry["dtype"] not in ("float32", "float16") or stored not in _DTYPES:
        refuse(file, f"{entry['name']} is {stored} for {entry['dtype']}; {', '.join(_DTYPES)} are read")
    shape = tuple(int(size) for size in entry["shape"])
    dtype = _DTYPES[stored]
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize if shape else dtype.itemsize
    if size < 0 or at + size > len(raw):
        refuse(file, f"is cut off: {entry['name']} of shape {shape} needs {size} bytes, {len(raw) - at} are left")
    numbers = np.frombuffer(raw, dtype, size // dtype.itemsize, at).reshape(shape)
    if "scale" in quantization:
        numbers = (numbers * float(quantization["scale"]) + float(quantization["min"])).astype(np.float32)
    return numbers.astype(np.float32), at + size
