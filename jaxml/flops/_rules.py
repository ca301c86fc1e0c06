"""The table of rules: what one call of a primitive costs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxml.flops._cost import Cost

Rule = Callable[["Call"], Cost]


@dataclass(frozen=True)
class Call:
    """One call of a primitive, as a rule sees it.

    name, params: of the primitive, as `jax.make_jaxpr` prints them.
    inputs, outputs: abstract values with `shape` and `dtype`.
    padding: "include" or "exclude": whether taps on padding count.
    reversed: for each input, whether an odd number of `lax.rev` of a transposition made it: the mark of a convolution's
        d/dx.
    reversed_later: the same for what becomes of the first output.
    transposed: how many transpositions it comes from: 0 in the program as it was written, 1 in its gradient.
    moved: bytes of all the inputs and outputs, each variable once and constants not at all.
    """

    name: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    params: Mapping[str, Any]
    padding: str = "include"
    reversed: tuple[bool, ...] = ()
    reversed_later: bool = False
    transposed: int = 0
    moved: int = 0

    @property
    def size(self) -> int:
        """Elements of the first output."""
        return size(self.outputs[0]) if self.outputs else 0


@dataclass(frozen=True)
class Entry:
    """A rule, and the bytes where they are not simply those of the inputs and outputs."""

    cost: Rule
    bytes: Callable[[Call], int]


RULES: dict[str, Entry] = {}


def rule(*names: str, bytes: Callable[[Call], int] | None = None) -> Callable[[Rule], Rule]:
    """Decorator: count calls of the primitives `names` by the function below, from a `Call` to a `Cost`.

    It replaces a rule that is there. `"ffi_call:TARGET"` and `"pallas_call:NAME"` name one foreign function or kernel.
    The function gives `macs`, `other` and `transcendentals`; `bytes=` is a second function, from the call to the bytes
    it moves, where those are not its inputs and outputs. Activations follow: the outputs, if there are MACs.

    >>> @rule("ffi_call:my_library_dot")
    ... def my_dot(call):
    ...     return Cost(macs=call.inputs[0].shape[-1] * call.size)
    """

    def register(f: Rule) -> Rule:
        for name in names:
            RULES[name] = Entry(f, bytes or _moved)
        return f

    return register


def _moved(call: Call) -> int:
    return call.moved


def size(aval: Any) -> int:
    """Elements of an abstract value; a reference has those of what it refers to, a token none."""
    return math.prod(int(n) for n in getattr(aval, "shape", (0,)))


def nbytes(aval: Any) -> int:
    """Bytes of an abstract value; a random key has those of its words."""
    dtype = getattr(aval, "dtype", None)
    return size(aval) * int(getattr(dtype, "itemsize", 0))


def is_complex(aval: Any) -> bool:
    return np.issubdtype(getattr(aval, "dtype", None), np.complexfloating)
