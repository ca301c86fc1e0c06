"""Files that may be compressed."""

import gzip
import zlib
from pathlib import Path


def read_bytes(function: str, path: str | Path) -> bytes:
    """All of a file, unpacked if it is gzip, whatever it is called."""
    raw = Path(path).read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{function}: {path} is cut off or damaged, it cannot be unpacked: {error}") from None
