"""Gradients in float64: against autodiff of a plain form, or central differences; and the gradients of gradients."""

from functools import partial

import jax
import numpy as np
import pytest
from _case import DIRECTIONS, assert_close, compiled, cotangents, moved, value_and_gradient, weighted
from cases import DIFFERENTIABLE


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if c.reference or c.jax_reference], ids=str)
def test_gradient(case, rng):
    args = case.make_args(rng, "float64")
    with jax.enable_x64(True):
        weights = cotangents(case, args, rng)
        _, got = compiled(case)(weights, *args)
        if case.jax_reference:
            _, want = jax.jit(partial(value_and_gradient, case, case.jax_reference))(weights, *args)
            assert_close(got, want, case.tolerance.get("gradient", 1e-10))
            return
    loss, step = weighted(case.reference, weights), 1e-6
    for _ in range(DIRECTIONS):
        direction = [rng.standard_normal(args[p].shape) for p in case.differentiable_args]
        plus = loss(*moved(args, case.differentiable_args, direction, step))
        minus = loss(*moved(args, case.differentiable_args, direction, -step))
        slope = sum(np.vdot(g, d) for g, d in zip(got, direction, strict=True))
        np.testing.assert_allclose(slope, (plus - minus) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_second_order(case, rng):
    """Reverse over reverse: `d/dx <grad f(x), v>` along a direction equals the difference of two gradients."""
    args, places = case.make_args(rng, "float64"), case.differentiable_args
    with jax.enable_x64(True):
        weights = cotangents(case, args, rng)
        v, direction = ([rng.standard_normal(args[p].shape) for p in places] for _ in range(2))

        def along_v(*args):
            return sum((g * d).sum() for g, d in zip(compiled(case)(weights, *args)[1], v, strict=True))

        got = jax.jit(jax.grad(along_v, places))(*args)
        slope = sum(np.vdot(g, d) for g, d in zip(got, direction, strict=True))
        step = 1e-5
        plus = along_v(*moved(args, places, direction, step))
        minus = along_v(*moved(args, places, direction, -step))
        np.testing.assert_allclose(slope, (plus - minus) / (2 * step), rtol=1e-5, atol=1e-6)
