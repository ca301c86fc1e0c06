"""Packages that only files of weights need, imported when they are."""

import importlib
from typing import Any


def require(function: str, module: str, package: str, *, extra: str = "weights") -> Any:
    """The imported `module`; where it is not installed, an ImportError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{function}: needs {package}; install it with pip install 'jaxml-nn[{extra}]'") from error
