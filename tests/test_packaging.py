"""What a person gets who installs jaxml, and what the repository must not hold."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"bench", "train", "test", "peers", "docs", "dev", "all"}
# Put together here, so that this file is not a finding of its own.
HOSTS = ["pypi" + ".org", "python" + "hosted", "npm" + "js", "deb." + "debian", "/opt/" + "pypi", "/opt/" + "wheels"]


def tracked() -> list[Path]:
    """What is or would be committed: tracked files and untracked ones that are not ignored."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: no list of committed files")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_names_and_version():
    assert (PROJECT["name"], PROJECT["version"]) == ("jaxml-nn", jaxml.__version__)
    assert PROJECT["requires-python"] == ">=3.11"


def test_installed_version():
    """The environment holds this very version (the README's lines install it with `-e`)."""
    try:
        installed = importlib.metadata.version("jaxml-nn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("jaxml-nn is not installed here, only on the path")
    assert installed == jaxml.__version__


def test_script_exists():
    module, _, function = PROJECT["scripts"]["jaxml"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_script_answers():
    done = subprocess.run(
        [sys.executable, "-m", "jaxml.cli", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "jaxml" in done.stdout


def test_types_are_shipped():
    assert (ROOT / "jaxml" / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_licence():
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text


def test_extras():
    extras = PROJECT["optional-dependencies"]
    assert set(extras) >= EXTRAS
    named = re.search(r"\[(.*)\]", extras["all"][0]).group(1).split(",")
    # `peers` brings PyTorch, which nobody should get by asking for "all" of jaxml.
    assert set(named) == set(extras) - {"all", "peers"}


def test_torch_is_pinned():
    """Any other specifier resolves to a build with gigabytes of CUDA."""
    assert PROJECT["optional-dependencies"]["peers"] == ["torch==2.13.0", "keras>=3.15"]


def test_every_import_is_declared():
    """What `jaxml` imports at run time is among its dependencies (an extra's imports are lazy, and optional)."""
    declared = {re.split(r"[\[<>=~!]", d)[0] for d in PROJECT["dependencies"]}
    assert declared == {"jax", "flax", "optax", "jaxtyping", "numpy", "typer", "rich"}
    code = (
        "import importlib.metadata as m, sys; before = set(sys.modules); import jaxml.cli, jaxml.train, jaxml.models;"
        "print(*{n.split('.')[0] for n in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    loaded = set(done.stdout.split())
    assert "jaxml" in loaded
    assert loaded & {"torch", "matplotlib", "sklearn", "pytest", "hypothesis", "beartype", "benchmarks"} == set()


def test_no_registry_host_is_named():
    """Where packages come from is the machine's own setting, so no file names a registry."""
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in HOSTS if host in text]
    assert found == []


def test_ci_stages():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
    for part in ('bash -euo pipefail -c "$line"', "ruff", "pyright", ".[peers]", "-m peers", "build --strict"):
        assert part in script
