"""The errors of files that are damaged, hostile or of no format known here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Whatever a parser meets in a file that is cut off or was never of that format is one `ValueError`, by its path.

    A parser of bytes walks on what the file claims, so any of these may come of a lie in it.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} cannot be read as {what}: {error}") from error
    except (
        OSError, EOFError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError,
        MemoryError, StructError, BadZipFile, ZlibError, NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        raise ValueError(f"{path} is cut off, damaged or not {what}: {type(error).__name__}: {error}") from error


def refuse(path: Path, reason: str) -> Any:
    """Raise the error of a file that must not be used."""
    raise ValueError(f"{path}: {reason}")
