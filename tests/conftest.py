"""What holds for every test: types checked at run time, JAX in its strict modes, seeded draws, compiled code kept."""

import gc
import mmap
import os
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jaxlib
import jaxtyping
import numpy as np
import pytest
import type_checks
from jax.interpreters.mlir import ModuleContext


def known_to_jaxlib(flag: str) -> bool:
    """Whether one of jaxlib's libraries has the flag's name in it."""
    for library in Path(jaxlib.__file__).parent.glob("*.so"):
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if text.find(flag.encode()) >= 0:
                return True
    return False


# LLVM's optimizer was half of the tests' time; of what was left, compiling fused loops by way of MLIR and each program
# in several pieces was two thirds. JAXML_TEST_OPTIMIZED=1 tests what users run: CI's comparisons with PyTorch do, which
# call every function. The flags are also inherited by the processes that tests start. XLA ends a process over a flag
# it does not know, and these are no promises of its: each is given to a jaxlib that holds its name.
FAST = {
    "xla_backend_optimization_level": "0",
    "xla_cpu_use_fusion_emitters": "false",
    "xla_cpu_parallel_codegen_split_count": "1",
}
OPTIMIZED = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
if not os.environ.get("JAXML_TEST_OPTIMIZED"):
    flags = os.environ.get("XLA_FLAGS", "").split()
    flags += [f"--{name}={value}" for name, value in FAST.items() if known_to_jaxlib(name)]
    os.environ["XLA_FLAGS"] = " ".join(dict.fromkeys(flags))

# The tests rewritten for pytest and jaxml with its type checks are compiled once, not anew in every process.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

CACHE = Path(__file__).parents[1] / ".cache" / "jax"
MAPS, MOST_MAPS, COUNT = Path("/proc/self/maps"), 20_000, pytest.StashKey[int]()
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
# The processes that tests start as well: they train the same few models, one after another.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHE)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"

# From here on every test is a test of the shapes in its signatures too.
type_checks.install()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "loose_promotion: calls a library that relies on JAX's implicit promotion")
    share_contexts()
    shorten_messages()


def pytest_collection_finish() -> None:
    """JAX traces make many short-lived objects; looking through all modules and tests at each turn took a quarter."""
    settle()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No silent widening of dtypes or ranks in the library; optax's Adam, say, widens and needs the marker."""
    if item.get_closest_marker("loose_promotion"):
        return (yield)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[object]:
    """Compiled programs are let go in time: each has memory maps of its own, some 30 for one test of a gradient, and
    Linux gives a process 65,530 of them; LLVM ends the process that asks for one more.
    """
    result = yield
    item.config.stash[COUNT] = item.config.stash.get(COUNT, 0) + 1
    if item.config.stash[COUNT] % 25 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.unfreeze()
        settle()
    return result


def settle() -> None:
    """What lives now is not looked through again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def settled() -> None:
    """For tests whose every call collects garbage: a third of a second, were it to look through earlier tests' too."""
    settle()


def share_contexts() -> None:
    """Loading the dialects of MLIR anew for each program was half of a small one's lowering; here a hundred share them.

    An inner function of JAX: where it goes by another name, all is as without.
    """
    mlir = sys.modules[ModuleContext.__module__]
    make, kept = getattr(mlir, "make_ir_context", None), threading.local()
    if make is None:
        return

    def shared() -> Any:
        kept.uses = getattr(kept, "uses", -1) + 1
        if kept.uses % 100 == 0:
            kept.context = make()
        return kept.context

    mlir.make_ir_context = shared


def shorten_messages() -> None:
    """nnx asks whether the count of a stream of keys has a sharding, and JAX tells of a tracer at length why it has
    none, which nobody reads: a fifth of the time that a model takes to be built abstractly.
    """

    def sharding(self: jax.core.Tracer) -> Any:
        raise AttributeError(f"a {type(self).__name__} has no sharding")

    jax.core.Tracer.sharding = property(sharding)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Fresh draws for every test, the same in every run; JAXML_TEST_SEED=n gives others. A failure prints the seed."""
    seed = [zlib.crc32(request.node.nodeid.encode()), int(os.environ.get("JAXML_TEST_SEED", "0"))]
    print(f"rng: numpy.random.default_rng({seed})")
    return np.random.default_rng(seed)


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Without the run-time type checks, as users run it: the library's own errors are to be seen, not beartype's."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def optimized(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fit` with its step compiled as users have it, for tests that compute for longer than they compile."""
    from jaxml.train._flat_step import FlatStep

    prepare = FlatStep.__init__

    def prepared(self: FlatStep, *args: Any, **options: Any) -> None:
        prepare(self, *args, **options)
        self.run = jax.jit(self.run, donate_argnums=0, compiler_options=OPTIMIZED)

    monkeypatch.setattr(FlatStep, "__init__", prepared)
