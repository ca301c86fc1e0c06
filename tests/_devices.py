"""Programs that need several devices: a process of its own, whose host is split into that many."""

import os
import subprocess
import sys
import textwrap


def run_on_devices(code: str, count: int = 2) -> str:
    """What `code` prints when it runs on `count` host devices; it must not fail."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    program = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()
