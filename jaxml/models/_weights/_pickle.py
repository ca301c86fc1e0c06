"""A pickle of tensors or NumPy arrays, read by a machine of its own that can build those and nothing else.

Python's `pickle` calls whatever a file names. Here a name is looked up in the short table of what PyTorch writes for a
`state_dict` and NumPy for an array; any other is an error that says it. No name of the file is ever imported, and
nothing of it is called.
"""

import pickletools
import warnings
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxml.models._weights import _pickle_arrays as arrays

STORAGES: dict[str, Any] = {
    "FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16, "LongStorage": np.int64, "IntStorage": np.int32,
    "ShortStorage": np.int16, "CharStorage": np.int8, "ByteStorage": np.uint8, "BoolStorage": np.bool_,
}  # fmt: skip
# What torch.save writes around the tensors of a state_dict.
_TENSORS = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"}
_HARMLESS = {("torch._utils", name) for name in _TENSORS} | {
    ("collections", "OrderedDict"), ("torch", "Size"), ("torch", "device"),
}  # fmt: skip


class Name(NamedTuple):
    """A global of the pickle, as its two words."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Storage(NamedTuple):
    """A storage that the pickle refers to: the bytes are elsewhere in the file."""

    key: str
    dtype: Any
    count: int


class Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """The pickle machine's mark on its stack."""


def load(file: BufferedIOBase) -> Any:
    """The value that the pickle at `file` describes, of dicts, lists, tuples, numbers, texts, `Tensor`s and
    `Array`s.

    `file` is left just behind the pickle. Raises ValueError for a pickle that names or does anything else.
    """
    machine = _Machine()
    for opcode, argument in _opcodes(file):
        if opcode.name == "STOP":
            return machine.stack.pop()
        action = _ACTIONS.get(opcode.name)
        if action is None:
            raise ValueError(f"the pickle uses {opcode.name}, which no file of weights needs; it is not unpickled")
        action(machine, argument)
    raise ValueError("the pickle has no end")


def _opcodes(file: BufferedIOBase) -> Iterator[tuple[Any, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on escapes in the texts of a damaged file
        for opcode, argument, _ in pickletools.genops(file):  # type: ignore[arg-type]
            yield opcode, argument


class _Machine:
    def __init__(self):
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def to_mark(self) -> list[Any]:
        at = max(i for i, value in enumerate(self.stack) if value is _Mark)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def push(self, value: Any) -> None:
        self.stack.append(value)


def _set_items(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict):
        raise ValueError(f"the pickle sets an item of a {type(target).__name__}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int):  # nested tuples could be made that take forever to hash
            raise ValueError(f"the pickle has a key that is a {type(key).__name__}")
        target[key] = value


def _append(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise ValueError(f"the pickle appends to a {type(target).__name__}")
    target.extend(items)


def _global(machine: _Machine, words: str) -> None:
    module, _, name = words.partition(" ")
    machine.push(_known(Name(module, name)))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.push(_known(Name(str(module), str(name))))


def _known(name: Name) -> Name:
    storage = name.module in ("torch", "torch.storage", "torch.cuda") and (
        name.name in STORAGES or name.name == "UntypedStorage"
    )
    if storage or tuple(name) in _HARMLESS or tuple(name) in arrays.NAMES:
        return name
    raise ValueError(
        f"the pickle names {name}, and unpickling it would run that; only tensors and NumPy arrays are "
        f"read here. Save the state_dict alone (torch.save(model.state_dict(), path)), or as .safetensors"
    )


def _persistent(machine: _Machine, _: Any) -> None:
    kind, storage, key, _, count, *_ = machine.stack.pop()
    if kind != "storage" or not isinstance(storage, Name) or storage.name not in STORAGES:
        raise ValueError(f"the pickle refers to {kind!r} of {storage}, not to a storage of numbers")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(f"the pickle has a storage of {count!r} elements")
    machine.push(Storage(str(key), STORAGES[storage.name], count))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise ValueError(f"the pickle calls a {type(function).__name__}, which is no name")
    machine.push(_called(function, arguments))


def _called(function: Name, arguments: tuple[Any, ...]) -> Any:
    if tuple(function) in arrays.NAMES:
        return arrays.called(function.name, arguments)
    if function.name == "OrderedDict":
        made: dict[Any, Any] = {}
        for key, value in arguments[0] if arguments else ():
            made[str(key)] = value
        return made
    if function.name in ("Size", "device"):
        return arguments[0] if arguments else ()
    if function.name == "_rebuild_parameter":
        return arguments[0]
    if function.name in _TENSORS:
        storage, offset, shape, strides = arguments[:4]
        if not isinstance(storage, Storage):
            raise ValueError("the pickle makes a tensor of something that is no storage")
        return Tensor(storage, _whole(offset), tuple(map(_whole, shape)), tuple(map(_whole, strides)))
    raise ValueError(f"the pickle calls {function}")


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"the pickle has a tensor whose shape, stride or offset is {value!r}")
    return value


def _build(machine: _Machine, _: Any) -> None:
    """Attributes of an object: torch keeps a state_dict's versions there, which are of no use here."""
    state = machine.stack.pop()
    if isinstance(machine.stack[-1], arrays.Array | arrays.Dtype):
        machine.stack[-1].build(state)
    elif not isinstance(machine.stack[-1], dict):
        raise ValueError(f"the pickle sets the state of a {type(machine.stack[-1]).__name__}")


def _take(count: int) -> Callable[[_Machine, Any], None]:
    def action(machine: _Machine, _: Any) -> None:
        items = machine.stack[-count:]
        del machine.stack[-count:]
        machine.push(tuple(items))

    return action


def _remember(machine: _Machine, index: int | None) -> None:
    machine.memo[len(machine.memo) if index is None else index] = machine.stack[-1]


def _pop(machine: _Machine) -> list[Any]:
    last = [machine.stack.pop(), machine.stack.pop()]
    return last[::-1]


def _constant(value: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value())


_PUSH = lambda machine, argument: machine.push(argument)  # noqa: E731
_GET = lambda machine, index: machine.push(machine.memo[int(index)])  # noqa: E731
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(
        (
            "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "UNICODE",
            "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING",
            "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
        ),
        _PUSH,
    ),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_LIST": _constant(list),
    "EMPTY_TUPLE": _constant(tuple),
    "MARK": _constant(lambda: _Mark),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.to_mark())),
    "TUPLE1": _take(1),
    "TUPLE2": _take(2),
    "TUPLE3": _take(3),
    "LIST": lambda machine, _: machine.push(machine.to_mark()),
    "APPEND": lambda machine, _: _append(machine, [machine.stack.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.to_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, _pop(machine)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.to_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _GET),
    "POP": lambda machine, _: machine.stack.pop() and None,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "BINPERSID": _persistent,
    "REDUCE": _reduce,
    "BUILD": _build,
}  # fmt: skip
