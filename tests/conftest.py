"""What holds for every test: types checked at run time, JAX in its strict modes, seeded draws, compiled code kept."""

import gc
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

# LLVM's optimizer was half of the tests' time. JAXML_TEST_OPTIMIZED=1 tests what users run: CI's comparisons with
# PyTorch do, which call every function. The flag is also inherited by the processes that tests start.
if not os.environ.get("JAXML_TEST_OPTIMIZED"):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()

import jax
import jaxtyping
import numpy as np
import pytest

CACHE = Path(__file__).parents[1] / ".cache" / "jax"
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)

# Before anything imports jaxml: from here on every test is a test of the shapes in its signatures too.
# `float` admits an int there, as PEP 484 has it.
jaxtyping.install_import_hook("jaxml", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "loose_promotion: calls a library that relies on JAX's implicit promotion")


def pytest_collection_finish() -> None:
    """JAX traces make many short-lived objects; looking through all modules and tests at each turn took a quarter."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No silent widening of dtypes or ranks in the library; optax's Adam, say, widens and needs the marker."""
    if item.get_closest_marker("loose_promotion"):
        return (yield)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        return (yield)


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
