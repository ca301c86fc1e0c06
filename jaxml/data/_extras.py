"""Packages that not every user needs, imported when they are."""

import importlib
from typing import Any


def require(function: str, module: str, package: str, extra: str | None = "train") -> Any:
    """The imported `module`; where it is not installed, an ImportError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = f"jaxml-nn[{extra}]" if extra else package
        raise ImportError(f"{function}: needs {package}; install it with pip install '{wanted}'") from error
