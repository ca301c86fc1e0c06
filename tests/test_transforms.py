"""`jit`, `vmap` and `lax.scan` do not change what a function computes."""

import jax
import jax.numpy as jnp
import pytest
from _case import TOLERANCE, assert_close, doubles
from cases import ALL

EXAMPLES = 3
# The same operations in float32, fused or batched otherwise.
ROUNDING = 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=str)
def test_jit_vmap_and_scan(case, rng):
    calls = [case.make_args(rng, "float32") for _ in range(EXAMPLES)]
    compiled = jax.jit(case.fn)
    one_by_one = [compiled(*args) for args in calls]

    eager = case.fn(*map(jnp.asarray, calls[0]))
    assert_close(one_by_one[0], eager, ROUNDING)
    if case.reference:
        assert_close(eager, case.reference(*doubles(calls[0])), case.tolerance.get("float32", TOLERANCE["float32"]))

    args = jax.tree.map(lambda *a: jnp.stack(a), *calls)
    want = jax.tree.map(lambda *y: jnp.stack(y), *one_by_one)
    if case.batched:
        assert_close(jax.jit(jax.vmap(case.fn))(*args), want, ROUNDING)
    count, got = jax.jit(lambda args: jax.lax.scan(lambda n, a: (n + 1, case.fn(*a)), 0, args))(args)
    assert count == EXAMPLES
    assert_close(got, want, ROUNDING)
