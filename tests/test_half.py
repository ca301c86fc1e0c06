"""bfloat16 and float16: value and gradient are those of float64 on the same numbers, to a few last places."""

import jax
import numpy as np
import pytest
from _case import TOLERANCE, assert_close, compiled, cotangents, doubles
from cases import ALL


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=str)
def test_half(case, dtype, rng):
    args = case.make_args(rng, dtype)
    tolerance = case.tolerance.get(dtype, TOLERANCE[dtype])
    weights = cotangents(case, args, rng)
    got, slopes = jax.device_get(compiled(case)(weights, *args))
    assert {y.dtype.name for y in jax.tree.leaves((got, slopes))} == {dtype}
    if case.reference is None:
        assert all(np.isfinite(y.astype(np.float64)).all() for y in jax.tree.leaves((got, slopes)))
        return
    assert_close(got, case.reference(*doubles(args)), tolerance)
    with jax.enable_x64(True):
        # The gradients sum more rounded terms than the values.
        assert_close(slopes, compiled(case)(weights, *doubles(args))[1], 2 * tolerance)
