"""Every case and its gradient can be lowered for platforms that are not here, cuda, rocm and tpu, and for any batch."""

import itertools

import jax
import jax.export
import jax.numpy as jnp
import pytest
from _case import compiled, cotangents
from cases import ALL

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
# Whose first axis may be no symbol, and why.
FIXED = {
    "distance/pdist": "n (n - 1) / 2 pairs have no list for a symbol n",
    "mixup": "jax.random.permutation wants a number",
    "cutmix": "jax.random.permutation wants a number",
    "activation/glu_axis": "half of a symbol",
    "activation/swiglu": "half of a symbol",
    "activation/maxout_axis": "a part of a symbol",
    **dict.fromkeys(
        [
            "logmeanexp/where", "attention/where_bias_causal", "multi_head_attention", "additive_attention",
            "luong_attention/general", "linear_ce/chunks", "lstm/lengths", "lstm/reference_projection_peephole",
            "gru/lengths_reverse", "layer_norm_lstm",
        ],
        "the case binds a mask, labels or lengths for its own batch",
    ),
}  # fmt: skip


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


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("case", [case for case in ALL if case.name not in FIXED], ids=str)
def test_for_any_batch(case, rng):
    """With a symbol for the first axis of the first array, and of those others that have to be as long."""
    args = case.make_args(rng, "float32")

    def step(*args):
        def total(*chosen):
            own = list(args)
            for p, value in zip(case.differentiable_args, chosen, strict=True):
                own[p] = value
            outputs = [y for y in jax.tree.leaves(case.fn(*own)) if jnp.issubdtype(y.dtype, jnp.floating)]
            return sum(y.astype(jnp.float32).sum() for y in outputs)

        places = tuple(range(len(case.differentiable_args)))
        return jax.grad(total, places)(*(args[p] for p in case.differentiable_args)) if places else case.fn(*args)

    exported = jax.export.export(jax.jit(step))(*with_symbol(case, args))
    assert any("b" in str(a.shape) for a in exported.in_avals)


def with_symbol(case, args):
    """The shapes of `args` with the symbol in as few places as the function allows."""
    flat, tree = jax.tree.flatten(args)
    first = next(i for i, a in enumerate(flat) if a.ndim)
    alike = [i for i, a in enumerate(flat) if i > first and a.ndim and a.shape[0] == flat[first].shape[0]]
    (b,) = jax.export.symbolic_shape("b")
    for number in range(len(alike) + 1):
        for others in itertools.combinations(alike, number):
            shapes = [(b, *a.shape[1:]) if i in (first, *others) else a.shape for i, a in enumerate(flat)]
            specs = tree.unflatten(jax.ShapeDtypeStruct(s, a.dtype) for s, a in zip(shapes, flat, strict=True))
            try:
                jax.eval_shape(case.fn, *specs)
            except ValueError as error:  # a shape that does not fit
                assert "must" in str(error)
            else:
                return specs
    raise AssertionError(f"{case}: no place for a symbol")
