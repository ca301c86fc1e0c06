"""Every case equals its NumPy reference, in every dtype it is given and returns."""

import jax
import jax.numpy as jnp
import pytest
from _case import TOLERANCE, assert_close, compiled, cotangents
from cases import ALL


@pytest.mark.parametrize("case", [case for case in ALL if case.reference], ids=str)
def test_value(case, rng):
    """In float64; `test_jit_vmap_and_scan` compares float32 and `test_half` the half precisions."""
    args = case.make_args(rng, "float64")
    with jax.enable_x64(True):
        got, _ = compiled(case)(cotangents(case, args, rng), *args)
    assert_close(got, case.reference(*args), case.tolerance.get("float64", TOLERANCE["float64"]))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_dtype(case, rng):
    """What goes in comes out, with float64 enabled too, where a constant of the wrong width would widen the result."""
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        with jax.enable_x64(True):
            outputs = jax.tree.leaves(jax.eval_shape(case.fn, *case.make_args(rng, dtype)))
        assert {y.dtype.name for y in outputs if jnp.issubdtype(y.dtype, jnp.floating)} == {dtype}
