"""A frozen TensorFlow GraphDef, `.pb`: its constants by the names of their nodes, without TensorFlow.

The file is a protocol buffer: GraphDef.node = 1; NodeDef.name = 1, op = 2, attr = 5 (a map: key = 1, value = 2);
AttrValue.tensor = 8; TensorProto.dtype = 1, tensor_shape = 2, tensor_content = 4, half_val = 13, float_val = 5,
double_val = 6; TensorShapeProto.dim = 2; Dim.size = 1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxml.models._weights._faults import refuse

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# DataType: the floating ones; whole numbers in a graph are shapes and axes, not weights.
_DTYPES: dict[int, Any] = {1: np.float32, 2: np.float64, 14: jnp.bfloat16, 19: np.float16}
_LISTS = {5: np.dtype("<f4"), 6: np.dtype("<f8")}


def read(path: Path) -> dict[str, np.ndarray]:
    """Every floating constant with an axis, by the name of its node."""
    found: dict[str, np.ndarray] = {}
    nodes = 0
    for number, node in fields(memoryview(path.read_bytes())):
        if number != 1 or isinstance(node, int):
            continue
        nodes += 1
        name, array = _constant(node)
        if array is not None and array.ndim:
            if name in found:
                refuse(path, f"has two nodes called {name}")
            found[name] = array
    if not nodes:
        refuse(path, "has no node, so it is not a GraphDef")
    if not found:
        refuse(path, "holds no constant with weights: freeze the graph first, variables are kept in another file")
    return found


def fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """`(number, value)` of a message: an int of a varint, a view of everything else."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if kind == _BYTES else ({_FIXED64: 8, _FIXED32: 4}.get(kind, -1), at)
            if size < 0:
                raise ValueError(f"wire type {kind} at byte {at}")
            if at + size > end:
                raise ValueError(f"cut off: a field of {size} bytes where {end - at} are left")
            value, at = data[at : at + size], at + size
        yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise ValueError("cut off within a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number of more than ten bytes")


def _constant(node: memoryview) -> tuple[str, np.ndarray | None]:
    name, op, tensor = "", "", None
    for number, value in fields(node):
        if number == 1:
            name = bytes(value).decode()
        elif number == 2:
            op = bytes(value).decode()
        elif number == 5:
            entry = dict(fields(value))
            if bytes(entry.get(1, b"")) == b"value":
                tensor = dict(fields(entry[2])).get(8)
    return name, None if op != "Const" or tensor is None else _array(name, tensor)


def _array(name: str, tensor: memoryview) -> np.ndarray | None:
    dtype, shape, content = 0, (), None
    values: list[np.ndarray] = []
    for number, value in fields(tensor):
        if number == 1:
            dtype = value
        elif number == 2:
            # Negative sizes are two's complement in a varint.
            sizes = [dict(fields(dim)).get(1, 0) for n, dim in fields(value) if n == 2]
            if any(size >= 1 << 62 for size in sizes):
                raise ValueError(f"{name} has a size that is open")
            shape = tuple(sizes)
        elif number == 4:
            content = value
        elif number in _LISTS and not isinstance(value, int):
            values.append(np.frombuffer(value, _LISTS[number]))
    if dtype not in _DTYPES:
        return None
    kind = np.dtype(_DTYPES[dtype])
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if content:
        if len(content) != count * kind.itemsize:
            raise ValueError(f"{name} of shape {shape} has {len(content)} bytes of {count * kind.itemsize}")
        return np.frombuffer(content, kind).reshape(shape)
    numbers = np.concatenate(values) if values else np.zeros(0, kind)
    if len(numbers) == 1 and count > 1:  # one value for all; a claim of any size is not allocated
        return np.broadcast_to(numbers.astype(kind), shape)
    if len(numbers) != count:
        if not shape:
            return None  # a scalar written in one of the lists that no weight uses
        raise ValueError(f"{name} of shape {shape} has {len(numbers)} values of {count}")
    return numbers.astype(kind).reshape(shape)
