"""Fitted transforms as text that can be read, and back, bit for bit."""

import json
import zlib
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import jax
import numpy as np

from jaxml.data._categories import OneHot, Ordinal
from jaxml.data._chain import Chain
from jaxml.data._columns import Columns
from jaxml.data._elementwise import Clip, Identity, Log
from jaxml.data._impute import Impute
from jaxml.data._scale import MinMax, Robust, Standardize

FORMAT, VERSION = "jaxml.data", 1
TYPES: dict[str, Any] = {
    t.__name__: t for t in (Chain, Clip, Columns, Identity, Impute, Log, MinMax, OneHot, Ordinal, Robust, Standardize)
}


def to_json(transform: Any) -> str:
    """A transform, fitted or not, as JSON text: to be kept beside the model that was trained with it.

    Numbers are written so that they come back bit for bit, with a checksum. Nothing in it is ever executed.

    Errors: TypeError for what is no transform of this library.

    >>> s = from_json(to_json(Standardize().fit([[1.0], [3.0]])))
    >>> s.mean.tolist(), s.scale.tolist()
    ([2.0], [1.0])
    """
    if type(transform) not in TYPES.values():
        listed = ", ".join(TYPES)
        raise TypeError(f"to_json: a transform must be one of {listed}, got {type(transform).__name__}")
    body = _encode(transform)
    return json.dumps({"format": FORMAT, "version": VERSION, "crc32": _checksum(body), "transform": body}, indent=1)


def from_json(text: str) -> Any:
    """The transform that `to_json` wrote.

    Errors: ValueError for text that is damaged, was written by a newer version, or is something else.

    >>> from_json(to_json(Log(0.5)))
    Log(shift=0.5)
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"from_json: the text is cut off or damaged, it is not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f'from_json: the text must be what to_json wrote, with "format": "{FORMAT}"')
    if found.get("version") != VERSION:
        wanted = f"version {VERSION}, got {found.get('version')}"
        raise ValueError(f"from_json: the text must be of {wanted}; a newer jaxml may have written it")
    body = found.get("transform")
    if not isinstance(body, dict) or found.get("crc32") != _checksum(body):
        raise ValueError("from_json: the text is damaged or was changed: its checksum is another")
    try:
        return _decode(body)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"from_json: the text holds a transform that cannot be made: {error}") from error


def _checksum(body: Any) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_encode(v) for v in value]
    if isinstance(value, np.ndarray | jax.Array):
        a = np.asarray(value)
        # Python's floats hold those of 16, 32 and 64 bits, and print all the digits that tell them apart.
        return {"dtype": a.dtype.name, "shape": list(a.shape), "values": a.ravel().tolist()}
    if TYPES.get(type(value).__name__) is not type(value):
        listed = ", ".join(TYPES)
        raise TypeError(f"to_json: a transform must be one of {listed}, got {type(value).__name__}")
    names = list(vars(value)) if isinstance(value, Chain | Columns) else [f.name for f in fields(value)]
    return {"type": type(value).__name__, "fields": {name: _encode(getattr(value, name)) for name in names}}


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v) for v in value)
    if not isinstance(value, dict):
        return value
    if "dtype" in value:
        return np.array(value["values"], np.dtype(value["dtype"])).reshape(value["shape"])
    name = value["type"]
    if name not in TYPES:
        near = get_close_matches(str(name), TYPES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"from_json: there is no transform {name!r}; a newer jaxml may have written it{hint}")
    cls: Any = TYPES[name]
    found = {k: _decode(v) for k, v in value["fields"].items()}
    if cls not in (Chain, Columns):
        return cls(**found)
    made = object.__new__(cls)
    wanted = set(cls.__annotations__)
    if set(found) != wanted:
        raise ValueError(f"from_json: {name} must have {', '.join(sorted(wanted))}, got {', '.join(sorted(found))}")
    vars(made).update(found)
    return made
