"""The arrows of the design: who may import whom, read from the source without importing anything."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Which other parts of jaxml a part may import (itself always). `jaxml/__init__.py` imports none of them: otherwise
# `import jaxml.functional` would drag in Flax.
PARTS: dict[str, set[str]] = {
    "__init__": set(),
    "functional": set(),
    "gradcheck": set(),
    "flops": {"timing"},
    "timing": set(),
    "optim": set(),
    "nn": {"functional", "flops"},
    "models": {"functional", "nn"},
    "data": {"functional"},
    "train": {"functional", "nn", "models", "optim", "data", "timing"},
    "custom_gradients": {"functional", "gradcheck", "descent"},
    "diagnostics": {"functional", "nn", "data", "train"},
    "rl": {"functional", "nn", "models", "optim"},
    "descent": {"functional", "gradcheck"},
    "estimators": {"functional", "optim", "train"},
    "tuning": {"functional", "data", "train"},
    "cli": {"custom_gradients", "functional", "gradcheck", "flops", "timing", "optim", "nn", "models", "data", "train"},
}
# Which packages a part may import besides the standard library.
BASE = {"jax", "numpy", "jaxtyping"}
PACKAGES: dict[str, set[str]] = {
    "__init__": set(),
    "functional": BASE,
    "gradcheck": BASE | {"rich"},  # inside `__rich__` only
    "flops": BASE | {"matplotlib"},  # inside `plot_roofline` only
    "timing": BASE,
    "optim": BASE | {"optax"},
    "nn": BASE | {"flax"},
    "models": BASE | {"flax", "PIL"},
    "data": BASE | {"PIL"},
    "train": BASE | {"flax", "optax", "orbax", "rich", "grain", "tensorboard"},
    "descent": BASE | {"optax", "matplotlib"},  # the latter inside the plots only
    "estimators": BASE | {"optax", "sklearn"},
    "custom_gradients": BASE,
    "diagnostics": BASE | {"flax", "matplotlib", "sklearn"},  # the latter two inside of functions only
    "rl": BASE | {"flax", "optax"},
    "tuning": BASE | {"optax", "matplotlib"},  # the latter inside the plots only
    "cli": BASE | {"flax", "optax", "typer", "rich", "optuna", "sqlalchemy", "matplotlib"},  # the last: `jaxml tune`
}
# The names of `flax.nnx` the library uses. The bridge alone takes a model apart.
NNX_ANYWHERE = {"Module", "Param", "BatchStat", "Variable", "Rngs", "List", "data", "as_pure", "update"}
NNX_BRIDGE = {"split", "merge", "view", "State"}
BRIDGE = "jaxml/nn/_bridge.py"
TIMES_NNX_ITSELF = {"benchmarks/_dispatch_calls.py"}  # beside ours, which is what it is there for
MAX_LINES = 400


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST, file: str) -> Iterator[str]:
    """The dotted names a file imports, at any depth of it; `from a import b` gives `a.b`."""
    package = Path(file).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def nnx_names(tree: ast.AST, file: str) -> Iterator[str]:
    """The names of `flax.nnx` a file uses: `from flax.nnx import x`, `nnx.x`, `flax.nnx.x`."""
    for name in imported(tree, file):
        if name.startswith("flax.nnx."):
            yield name.removeprefix("flax.nnx.").split(".")[0]
    aliases = {"flax.nnx"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "flax":
            aliases |= {alias.asname or alias.name for alias in node.names if alias.name == "nnx"}
        elif isinstance(node, ast.Import):
            aliases |= {alias.asname for alias in node.names if alias.name == "flax.nnx" and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases:
            yield node.attr


def faults(source: str, file: str) -> list[str]:
    """What is wrong with a file of `jaxml/`, as sentences."""
    tree = ast.parse(source, file)
    part = Path(file).parts[1].removesuffix(".py")
    found = []
    for name in imported(tree, file):
        package, _, rest = name.partition(".")
        if package == "jaxml":
            other = rest.split(".")[0]
            if other in PARTS and other != part and other not in PARTS[part]:
                found.append(f"{file}: jaxml.{part} must not import jaxml.{other}")
        elif package not in sys.stdlib_module_names and package not in PACKAGES[part]:
            found.append(f"{file}: jaxml.{part} must not import {package}")
        if name == "__future__.annotations":
            found.append(f"{file}: `from __future__ import annotations` hides the types from jaxtyping")
    allowed = NNX_ANYWHERE | (NNX_BRIDGE if file == BRIDGE else set())
    found += [f"{file}: nnx.{name} is not for this file" for name in nnx_names(tree, file) if name not in allowed]
    return found


@pytest.mark.parametrize("path", sources("jaxml"), ids=name_of)
def test_library_file(path):
    assert faults(path.read_text(), name_of(path)) == []


def test_every_part_has_its_rule():
    found = {path.relative_to(ROOT / "jaxml").parts[0].removesuffix(".py") for path in sources("jaxml")}
    assert (
        {"functional", "gradcheck", "nn", "models", "optim", "data", "train", "flops", "timing"} <= found <= set(PARTS)
    )
    assert set(PARTS) == set(PACKAGES)


@pytest.mark.parametrize("path", [p for p in sources("benchmarks") if name_of(p) not in TIMES_NNX_ITSELF], ids=name_of)
def test_suites_use_plain_jax_transformations(path):
    """The suites measure what users are told to write, so NNX's own transformations stay out of them too."""
    used = set(nnx_names(ast.parse(path.read_text()), name_of(path)))
    assert used & {"jit", "grad", "value_and_grad", "scan", "vmap", "Optimizer", "split", "merge", "view"} == set()


@pytest.mark.parametrize("path", sources("jaxml", "benchmarks", "tests"), ids=name_of)
def test_file_is_short(path):
    lines = path.read_text().count("\n")
    assert lines <= MAX_LINES, f"{lines} lines; the limit is {MAX_LINES}"


@pytest.mark.parametrize("part", ["functional", "gradcheck", "optim", "data", "timing", "flops"])
def test_flax_is_not_loaded(part):
    """The arrows as they come out when run: importing a pure part loads no Flax, by whatever way."""
    code = f"import sys, jaxml.{part}; print(sorted(m for m in sys.modules if m == 'flax' or m.startswith('jaxml.nn')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize("part", ["diagnostics", "estimators", "descent", "rl"])
def test_training_is_not_loaded(part):
    """By what reads a history, or trains in one of its classes alone, before that is called."""
    code = f"import sys, jaxml.{part}; print([m for m in sys.modules if m.startswith('jaxml.train')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


PLANTED = {
    "functional imports nn": ("jaxml/functional/_x.py", "from jaxml.nn import Linear", "must not import jaxml.nn"),
    "by a relative import": ("jaxml/functional/_x.py", "from .. import models", "must not import jaxml.models"),
    "two dots and a name": ("jaxml/functional/_x.py", "from ..nn._linear import Linear", "must not import jaxml.nn"),
    "inside a function": ("jaxml/nn/_x.py", "def f():\n    import jaxml.models as m", "must not import jaxml.models"),
    "from the root": ("jaxml/optim/_x.py", "from jaxml import functional as F", "must not import jaxml.functional"),
    "flax below nn": ("jaxml/functional/_x.py", "from flax import nnx", "must not import flax"),
    "flax in optim": ("jaxml/optim/_x.py", "import flax.nnx", "must not import flax"),
    "optax in timing": ("jaxml/timing.py", "import optax", "must not import optax"),
    "the root loads a part": ("jaxml/__init__.py", "from . import nn", "must not import jaxml.nn"),
    "the library uses its benchmarks": ("jaxml/train/_x.py", "import benchmarks", "must not import benchmarks"),
    "split outside the bridge": ("jaxml/train/_x.py", "from flax import nnx\nnnx.split(m)", "nnx.split"),
    "under another name": ("jaxml/nn/_x.py", "from flax import nnx as n\nn.merge(g, s)", "nnx.merge"),
    "a name taken out": ("jaxml/models/_x.py", "from flax.nnx import view", "nnx.view"),
    "by the whole path": ("jaxml/models/_x.py", "import flax.nnx\nflax.nnx.jit(f)", "nnx.jit"),
    "nnx.jit in the bridge": (BRIDGE, "from flax import nnx\nnnx.jit(f)", "nnx.jit"),
    "nnx.Optimizer": ("jaxml/train/_x.py", "from flax import nnx\nnnx.Optimizer(m, t)", "nnx.Optimizer"),
    "postponed annotations": ("jaxml/nn/_x.py", "from __future__ import annotations", "hides the types"),
}


@pytest.mark.parametrize("case", PLANTED)
def test_planted_fault_is_found(case):
    file, source, message = PLANTED[case]
    assert [fault for fault in faults(source, file) if message in fault], f"not found in {source!r}"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("jaxml/functional/_x.py", "import jax.numpy as jnp\nfrom jaxml.functional._checks import check_float"),
        ("jaxml/functional/_x.py", "from . import _checks\nfrom ._padding import resolve"),
        ("jaxml/nn/_x.py", "import jaxml.functional as F\nfrom flax import nnx\nnnx.Param(1)"),
        (BRIDGE, "from flax import nnx\nnnx.split(m)\nnnx.merge(g, s)"),
        ("jaxml/cli.py", "import typer\nfrom jaxml import __version__, models, train"),
    ],
)
def test_right_source_passes(file, source):
    assert faults(source, file) == []
