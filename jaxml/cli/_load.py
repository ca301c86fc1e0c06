"""Objects named on the command line as `pkg.module:function`."""

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from difflib import get_close_matches
from pathlib import Path
from typing import Any

# Where code that is not the user's lies; the loader's own frames have names in angle brackets.
FOREIGN = ("<", *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))


class LoadError(ValueError):
    """The text does not name an object; the message says which part of it could not be found, or not be imported."""


def load_object(spec: str) -> Any:
    """The function that `pkg.module:name` (or `pkg.module:Class.method`) names; the working directory is searched too.

    Errors: `LoadError` names the part that is malformed or could not be found, and of a module that fails while it is
    imported the error and the line of it.
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
    if not callable(found):
        raise LoadError(f"{spec!r} must be a function, got {type(found).__name__}")
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
        module = _imported(spec, part)
    return module


def _imported(spec: str, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a script without a guard may also leave
        said = traceback.format_exception_only(error)[-1].strip()
        raise LoadError(f"{spec!r}: importing {name} fails: {said} ({_line_of(error)})") from error


def _line_of(error: BaseException) -> str:
    """Where it came from: the last line that ran in code of the user's own, or in any."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(FOREIGN)]
    # The first frames are these of this file.
    own = [frame for frame in own if frame.filename != __file__] or frames
    return f"{own[-1].filename}, line {own[-1].lineno}: {own[-1].line}"
