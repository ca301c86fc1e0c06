"""PyTorch's `.pth`, `.pt`, `.bin`: the zip form of torch 1.6 and later, and the older one of pickles in a row."""

import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.models._weights._faults import refuse
from jaxml.models._weights._pickle import Storage, Tensor, load

_MAGIC = 0x1950A86A20F9469CFC6C
MAGIC = _MAGIC.to_bytes(10, "little")  # as the pickle has it that such a file begins with
# Under which a training script keeps the weights beside the optimizer's state.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema", "net", "module")


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state_dict, by name."""
    return _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)


def _read_zip(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if packed := [e.filename for e in archive.infolist() if e.compress_type != zipfile.ZIP_STORED]:
            refuse(path, f"{packed[0]} is compressed, which torch.save does not do; a file may unpack to any size")
        members = {e.filename.partition("/")[2]: e.filename for e in archive.infolist()}
        if "data.pkl" not in members:
            refuse(path, "a zip file without data.pkl is not of torch.save")
        order = archive.read(members["byteorder"]).decode() if "byteorder" in members else "little"
        with archive.open(members["data.pkl"]) as file:
            found = _tensors(path, load(BytesIO(file.read())))
        storages: dict[str, np.ndarray] = {}
        for tensor in found.values():
            storage = tensor.storage
            if storage.key not in storages:
                raw = archive.read(members[f"data/{storage.key}"])
                storages[storage.key] = _numbers(path, storage, raw, order)
    return {name: _view(path, name, tensor, storages) for name, tensor in found.items()}


def _read_legacy(path: Path) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        if load(file) != _MAGIC:
            refuse(path, "a pickle, but not one of torch.save; a pickle of anything else is not read")
        load(file)  # the protocol's version
        order = "little" if load(file).get("little_endian", True) else "big"
        found = _tensors(path, load(file))
        wanted = {tensor.storage.key: tensor.storage for tensor in found.values()}
        storages: dict[str, np.ndarray] = {}
        for key in load(file):
            (count,) = struct.unpack("<q" if order == "little" else ">q", file.read(8))
            if key not in wanted:  # of what is no weight, such as an optimizer's state: its item size is not known here
                refuse(path, f"storage {key} belongs to no tensor of the state_dict; save the state_dict alone")
            storage = wanted[key]
            if count != storage.count:
                refuse(path, f"storage {key} has {count} elements, its tensors say {storage.count}")
            raw = file.read(count * np.dtype(storage.dtype).itemsize)
            storages[key] = _numbers(path, storage, raw, order)
    return {name: _view(path, name, tensor, storages) for name, tensor in found.items()}


def _tensors(path: Path, value: Any) -> dict[str, Tensor]:
    """The state_dict: `value`, or what a training script has put it under."""
    if isinstance(value, Mapping):
        found = {str(name): entry for name, entry in value.items() if isinstance(entry, Tensor)}
        if found:
            return found
        for wrapper in _WRAPPERS:
            if isinstance(value.get(wrapper), Mapping):
                return _tensors(path, value[wrapper])
        refuse(path, f"holds no tensor by name; its entries are {', '.join(map(str, list(value)[:8])) or 'none'}")
    return refuse(path, f"holds a {type(value).__name__}, not a state_dict")


def _numbers(path: Path, storage: Storage, raw: bytes, order: str) -> np.ndarray:
    dtype = np.dtype(storage.dtype)
    if len(raw) != storage.count * dtype.itemsize:
        refuse(path, f"is cut off: storage {storage.key} has {len(raw)} bytes of {storage.count * dtype.itemsize}")
    numbers = np.frombuffer(raw, dtype)
    return numbers if order == "little" else numbers.byteswap()


def _view(path: Path, name: str, tensor: Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    storage = storages[tensor.storage.key]
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides):
        refuse(path, f"{name} has {len(shape)} sizes and {len(strides)} strides")
    count = int(np.prod([int(size) for size in shape], dtype=object)) if shape else 1
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # A broadcast tensor could claim any size, so none may be larger than what the file holds.
    if count and (last >= len(storage) or count > len(storage)):
        refuse(path, f"{name} of shape {shape} reaches beyond its storage of {len(storage)} elements")
    if not count:
        return np.zeros(shape, storage.dtype)
    item = storage.dtype.itemsize
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], shape, [s * item for s in strides], writeable=False
    )
