"""NumPy's arrays in a pickle: what NumPy writes for one, put together by the pickle machine's rules and not by NumPy's.

An array is `_reconstruct(ndarray, (0,), b"b")` and then a state, `(version, shape, dtype, fortran, bytes)`; protocol 5
writes `_frombuffer(bytes, dtype, shape, order)`; protocols 0 to 2 have the bytes as a text, `_codecs.encode(text,
"latin1")`, and none as `bytes()`.
"""

import math
from typing import Any

import numpy as np

_CODES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
# NumPy 2 moved its insides from `core` to `_core`.
NAMES = {
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("__builtin__", "bytes"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
}  # fmt: skip


class Dtype:
    """A dtype by its code; the byte order comes with its state."""

    def __init__(self, code: Any):
        if code not in _CODES:
            raise ValueError(f"the pickle has an array of dtype {code!r}; {', '.join(_CODES)} are read")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "=", "|"):
            raise ValueError("the pickle has a dtype without a byte order")
        self.dtype = self.dtype.newbyteorder(state[1])


class Array:
    """An array, whose numbers come with its state."""

    def __init__(self) -> None:
        self.numbers: np.ndarray | None = None

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("the pickle has an array without shape, dtype and bytes")
        _, shape, dtype, fortran, raw = state
        self.fill(raw, dtype, shape, "F" if fortran is True else "C")

    def fill(self, raw: Any, dtype: Any, shape: Any, order: Any) -> None:
        if not isinstance(dtype, Dtype) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
            raise ValueError("the pickle has an array of something else than bytes of one dtype")
        if not isinstance(shape, tuple) or any(type(size) is not int or size < 0 for size in shape):
            raise ValueError(f"the pickle has an array of shape {shape!r}")
        if len(raw) != math.prod(shape) * dtype.dtype.itemsize:
            raise ValueError(f"the pickle has an array of {dtype.dtype} {shape} in {len(raw)} bytes")
        numbers = np.frombuffer(raw, dtype.dtype).reshape(shape, order=order)
        self.numbers = numbers.astype(dtype.dtype.newbyteorder("="), copy=False)


def called(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a call of one of NAMES stands for."""
    if name == "dtype":
        return Dtype(arguments[0])
    if name == "_reconstruct":
        return Array()
    if name == "_frombuffer":
        array = Array()
        array.fill(*arguments)
        return array
    if name == "bytes" and not arguments:
        return b""
    if name == "encode" and isinstance(arguments[0], str) and arguments[1] == "latin1":
        return arguments[0].encode("latin1")
    raise ValueError(f"the pickle calls {name}")
