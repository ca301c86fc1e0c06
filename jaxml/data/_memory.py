"""How much memory the host can still give."""

import math
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # a container sees its own limit here


def available() -> float:
    """Bytes that the host can still give to this process; infinite where it does not say."""
    return min(_machine(), _container())


def _machine() -> float:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return math.inf
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), math.inf)


def _container() -> float:
    try:
        limit, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except OSError:
        return math.inf
    # Cached files are given up when memory is asked for.
    return math.inf if limit == "max" else float(limit) - float(used) + float(stat["inactive_file"])
