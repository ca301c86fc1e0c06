"""Objects named on the command line as `pkg.module:function`."""

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class LoadError(ValueError):
    """The text does not name an object; the message says which part of it could not be found."""


def load_object(spec: str) -> Any:
    """What `pkg.module:name` (or `pkg.module:Class.method`) names; the working directory is searched too.

    Errors: `LoadError` names the part that is malformed or could not be found. What the module raises while it is
    imported passes through.
    """
    module_name, colon, path = spec.partition(":")
    if not colon or not module_name or not path:
        raise LoadError(f"{spec!r} must have the form pkg.module:function")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    found = _module(spec, module_name)
    so_far = module_name
    for name in path.split("."):
        if not hasattr(found, name):
            near = get_close_matches(name, dir(found), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise LoadError(f"{spec!r}: {so_far} has no {name!r}{hint}")
        found, so_far = getattr(found, name), f"{so_far}{':' if so_far == module_name else '.'}{name}"
    return found


def _module(spec: str, name: str) -> Any:
    """Import `name` part by part, so that the first one missing is the one named."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise LoadError(f"{spec!r}: {name!r} is not the name of a module")
    module = None
    for n in range(1, len(parts) + 1):
        part = ".".join(parts[:n])
        if module is not None and not hasattr(module, "__path__"):
            raise LoadError(f"{spec!r}: there is no module {part}: {module.__name__} is not a package")
        if part not in sys.modules and importlib.util.find_spec(part) is None:
            where = f"in the package {module.__name__}" if module is not None else "on the path or in this directory"
            raise LoadError(f"{spec!r}: there is no module {parts[n - 1]!r} {where}")
        module = importlib.import_module(part)
    return module
