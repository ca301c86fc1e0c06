"""What to say for a process that is ended from outside of Python, where it cannot say it itself."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# JAX's service ends a process with abort(), in a thread of its own: no Python code runs after that. So a small child
# waits at a pipe. The pipe closes with the process, whatever ended it; a byte in it says that all is well.
CHILD = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
if not sys.stdin.read():
    steps = [int(name) for name in os.listdir(sys.argv[2]) if name.isdigit()] if sys.argv[2] else []
    sys.stderr.write(sys.argv[1] + (sys.argv[3] % max(steps) if steps else sys.argv[4] if sys.argv[2] else "") + "\\n")
"""


def newest(folder: Path | None) -> str:
    """Which checkpoint a run can go on from."""
    if folder is None:
        return ""
    steps = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    found, none = _words(folder)
    return found % max(steps) if steps else none


@contextmanager
def last_words(text: str, folder: Path | None = None) -> Iterator[None]:
    """`text`, and the newest checkpoint in `folder`, on standard error if the process does not come out of the block:
    killed, or ended by JAX because another one was lost."""
    command = [sys.executable, "-I", "-S", "-c", CHILD, text, str(folder or ""), *_words(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        try:
            yield
        finally:
            assert child.stdin is not None
            child.stdin.write(b"-")
            child.stdin.close()


def _words(folder: Path | None) -> tuple[str, str]:
    where = str(folder).replace("%", "%%")
    return (
        f"; the newest checkpoint is step %d in {where}, and the same call with resume=True goes on from there, "
        f"with any number of processes",
        f"; there is no checkpoint in {folder} yet",
    )
