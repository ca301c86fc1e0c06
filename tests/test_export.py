"""Every case and its gradient can be lowered for the platforms that are not here: cuda, rocm and tpu."""

import jax
import jax.export
import pytest
from _case import compiled, cotangents
from cases import ALL

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=str)
def test_export(case, rng):
    args = case.make_args(rng, "float32")
    weights = cotangents(case, args, rng)
    exported = jax.export.export(compiled(case), platforms=PLATFORMS)(weights, *args)
    assert exported.platforms == PLATFORMS
    outputs = jax.tree.leaves(jax.eval_shape(case.fn, *args))
    assert [a.shape for a in exported.out_avals] == [y.shape for y in outputs] + [
        args[p].shape for p in case.differentiable_args
    ]
