"""`explain` on assorted programs: it does not crash, and has a reason for each gap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxml import flops


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def conv(x, w, groups=1):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout, feature_group_count=groups)


M, Q, X, W = S(32, 32), S(2, 10, 8, 16), S(2, 8, 8, 8), S(3, 3, 8, 16)
CX, CW = (S(*array.shape, dtype=jnp.complex64) for array in (X, W))


def pooled(a):
    return lax.reduce_window(a, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID").sum()


def repeated(w, x):
    return lax.scan(lambda c, _: (c + conv(x, w).sum(), None), 0.0, length=5)[0]


EXPLAINED = {
    "softmax": (jax.nn.softmax, (M,), {}),
    "attention": (jax.nn.dot_product_attention, (Q, Q, Q), {}),
    "complex product": (lambda a: a @ a, (S(32, 32, dtype=jnp.complex64),), {"implementation"}),
    "complex convolution": (conv, (CX, CW), {"padding", "implementation"}),
    "sort": (jnp.sort, (M,), {"implementation"}),
    "cumsum": (lambda a: lax.cumsum(a, 0), (M,), {"implementation"}),
    "fft": (jnp.fft.fft, (S(32, 32, dtype=jnp.complex64),), {"implementation"}),
    "ragged_dot": (lax.ragged_dot, (S(6, 3), S(4, 3, 5), S(4, dtype=jnp.int32)), {"implementation"}),
    "gradient of max pooling": (jax.grad(pooled), (M,), {"expansion"}),
    "linear system": (jnp.linalg.solve, (M, M), {"library"}),
    "only a library": (lambda a: jax.scipy.linalg.solve_triangular(a, a), (M,), {"library", "no figure"}),
    "loop of convolutions": (repeated, (W, X), {"loop", "padding"}),
    "nothing": (lambda a: None, (M,), {}),
    "empty": (lambda a: a * 2, (S(0, 3),), {}),
    "callback": (lambda a: jax.pure_callback(np.sin, a, a) @ a, (M,), {}),
    "jitted, static": (jax.jit(lambda a, n: a @ a, static_argnums=1), (M, 3), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINED)
def test_explanations(name):
    """All the reasons, and hardly anything that is left without one before XLA optimises."""
    f, args, reasons = EXPLAINED[name]
    found = flops.explain(f, *args)
    assert {gap.reason for gap in found.gaps} - {"expansion"} == set(reasons) - {"expansion"}
    rest = found.unexplained("lowered")
    assert rest is None or abs(rest) <= 0.02 * found.cost.flops + 5
    if "expansion" in reasons and (found.compiled or 0) > 1.1 * (found.lowered or 0):
        assert "expansion" in {gap.reason for gap in found.gaps}


def test_an_equation_that_cannot_stand_alone_is_left_out():
    """A sum over devices has no meaning outside its map."""
    mesh = jax.make_mesh((1,), ("i",))
    spec = jax.sharding.PartitionSpec()
    f = jax.jit(jax.shard_map(lambda a: lax.psum(lax.cumsum(a, 0), "i"), mesh=mesh, in_specs=spec, out_specs=spec))
    found = flops.explain(f, M)
    assert "psum" not in str(found) and found.lowered is not None
