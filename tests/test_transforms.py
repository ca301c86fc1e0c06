"""`jit`, `vmap` and `lax.scan` do not change what a function computes."""

import jax
import jax.numpy as jnp
import pytest
from _case import TOLERANCE, assert_close, doubles
from cases import ALL

EXAMPLES = 3
# The same operations in float32, fused or batched otherwise.
ROUNDING = 2e-6


def stacked(case, rng):
    """Arguments for `EXAMPLES` calls, stacked along a new first axis, and what the calls return one by one."""
    calls = [case.make_args(rng, "float32") for _ in range(EXAMPLES)]
    compiled = jax.jit(case.fn)
    return jax.tree.map(lambda *a: jnp.stack(a), *calls), [compiled(*args) for args in calls]


@pytest.mark.parametrize("case", ALL, ids=str)
@pytest.mark.slow
def test_jit(case, rng):
    args = case.make_args(rng, "float32")
    eager = case.fn(*map(jnp.asarray, args))
    assert_close(jax.jit(case.fn)(*args), eager, ROUNDING)
    if case.reference:
        assert_close(eager, case.reference(*doubles(args)), case.tolerance.get("float32", TOLERANCE["float32"]))


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in ALL if case.batched], ids=str)
def test_vmap(case, rng):
    args, one_by_one = stacked(case, rng)
    want = jax.tree.map(lambda *y: jnp.stack(y), *one_by_one)
    assert_close(jax.jit(jax.vmap(case.fn))(*args), want, ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=str)
def test_scan(case, rng):
    args, one_by_one = stacked(case, rng)
    count, got = jax.jit(lambda args: jax.lax.scan(lambda n, a: (n + 1, case.fn(*a)), 0, args))(args)
    assert count == EXAMPLES
    assert_close(got, jax.tree.map(lambda *y: jnp.stack(y), *one_by_one), ROUNDING)
