"""What the counter must know of where an equation stands: a gradient, a branch, a loop, some of the devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _devices import run_on_devices
from jax import lax

from jaxml.flops import count
from jaxml.flops._count import traced
from jaxml.flops._walk import Walker


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


A = S(8, 8)
P = 8**3


# Outputs times taps with padding, and those that read the input: of 16 numbers with 5.
CONVOLVED = {"full": (20 * 5, 16 * 5), "same": (16 * 5, 16 * 5 - 2 * (2 + 1)), "valid": (12 * 5, 12 * 5)}


@pytest.mark.parametrize("mode", CONVOLVED)
def test_a_kernel_flipped_by_hand_is_no_gradient(mode):
    """`jnp.convolve` flips it, as the gradient of a convolution does: only in a gradient is that a mark."""
    f = functools.partial(jnp.convolve, mode=mode)

    def loss(a, b):
        return (f(a, b) ** 2).sum()

    for padding, once in zip(("include", "exclude"), CONVOLVED[mode], strict=True):
        macs = [
            count(g, S(16), S(5), padding=padding).macs
            for g in (f, jax.jit(f), jax.value_and_grad(loss, (0, 1)), jax.jit(jax.value_and_grad(loss, (0, 1))))
        ]
        assert macs == [once, once, 3 * once, 3 * once]


def test_a_layout_with_the_batch_last_is_no_gradient():
    x, w = S(6, 6, 4, 2), S(3, 3, 4, 5)
    f = functools.partial(lax.conv_general_dilated, window_strides=(1, 1), dimension_numbers=("HWCN", "HWIO", "HWCN"))
    assert count(functools.partial(f, padding="VALID"), x, w).macs == 16 * 9 * 4 * 5 * 2
    between = functools.partial(f, padding=[(1, 1), (1, 1)], lhs_dilation=(2, 2))
    assert count(between, x, w).macs == 36 * 9 * 4 * 5 * 2  # each input meets each tap


def test_the_bound_of_an_inner_loop_from_outside():
    def f(n, x):
        return lax.fori_loop(0, 3, lambda i, c: lax.fori_loop(0, n - 1, lambda j, c: c @ c, c), x)

    cost = count(lambda x: jax.jit(f)(5, x), A)
    assert (cost.macs, cost.uncounted) == (3 * 4 * P, {})


def test_a_branch_that_cannot_be_counted_is_named():
    """Another may only look costlier."""

    def f(p, a):
        return lax.cond(p, lambda a: jax.pure_callback(np.sin, a, a), lambda a: a @ a, a)

    p = S(dtype=jnp.bool_)
    assert (count(f, p, A).macs, list(count(f, p, A).uncounted)) == (P, ["pure_callback"])
    assert count(f, p, A, branch=0).uncounted == {}  # that of False


def test_an_observer_is_shown_one_branch():
    """`explain` examines the equations that are counted, and no others."""
    seen = []
    f = traced(lambda p, a: lax.cond(p, lambda a: a @ a, lambda a: (a @ a) @ a, a), S(dtype=jnp.bool_), A)
    for branch, products in ((0, 2), (1, 1), ("max", 2), ("min", 1)):
        seen.clear()
        Walker(branch=branch, on_equation=lambda eqn, cost: seen.append(cost.macs)).walk(f, ())
        assert sum(seen) == products * P


def test_an_exported_program_is_named():
    def my_model(a):
        return a @ a

    exported = jax.export.export(jax.jit(my_model))(A)
    assert list(count(lambda a: exported.call(a), A).uncounted) == ["call_exported:my_model"]


def test_devices_along_the_manual_axes_alone():
    """The shapes in the body of a map over some axes of a mesh are whole along the others."""
    code = """
    import jax, jax.numpy as jnp
    from jax.sharding import AxisType, PartitionSpec as P
    from jaxml.flops import count

    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    a, w = jax.ShapeDtypeStruct((8, 8), "float32"), jnp.ones((8, 8))
    inner = jax.shard_map(lambda a: a @ w, in_specs=P("y"), out_specs=P("y"), axis_names={"y"})
    for f in (lambda a: a @ w, inner):
        f = jax.shard_map(f, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"})
        print(count(jax.jit(f), a).macs // 8**3, end=" ")
    """
    assert run_on_devices(code, 8) == "1 1"
