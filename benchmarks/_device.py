"""On what a run was measured."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "LIBTPU_INIT_ARGS",
    "MALLOC_ARENA_MAX",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OPENBLAS_NUM_THREADS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def cores() -> int:
    """CPU cores this process may use (a container often has fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(*, peers: bool = False) -> dict[str, Any]:
    """The devices JAX sees, the one that is timed, the CPU, the versions and the commit."""
    devices = jax.devices()
    packages = ["jax", "jaxlib", "flax", "optax", "numpy"] + (["torch", "keras"] if peers else [])
    return {
        "platform": devices[0].platform,
        "timed_on": devices[0].device_kind,
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in devices],
        "cpu": _cpu_model(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "environment": _environment(),
        "memory_bytes": _total_memory(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,  # over 1, 5 and 15 minutes
        "commit": _commit(),
    }


def line(device: dict[str, Any]) -> str:
    """One line a reader needs before any number: where it ran and with which JAX."""
    where = f"{device['cpu']}, {device['cores']} cores"
    if device["platform"] != "cpu":
        accelerators = f"{len(device['devices'])} x {device['timed_on']} ({device['platform']}; the first is timed)"
        where = f"{accelerators}, host {where}"
    return f"{where}, jax {device['versions']['jax']}"


def _environment() -> dict[str, str]:
    """The variables set that decide how fast JAX, XLA and the libraries of threads below them are."""
    named = {
        name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_")) or name in VARIABLES
    }
    return dict(sorted(named.items()))


def _total_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on every system
        return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    """The marketing name; `platform.processor()` is empty or just the architecture on Linux."""
    try:
        for entry in Path("/proc/cpuinfo").read_text().splitlines():
            if entry.startswith("model name"):
                return entry.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown CPU"


def _commit() -> str:
    """The commit measured, `+changes` when the tree differs from it, `unknown` outside a git checkout."""

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        head = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "jaxml", "benchmarks/*.py")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+changes" if changed else "")
