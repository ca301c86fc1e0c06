"""What Winograd's form of a dense convolution owes to being made of primitives: derivatives, batching, sharding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _devices import run_on_devices
from cases_conv import plain

import jaxml.functional as F
from jaxml.functional._conv_primitives import choice
from jaxml.functional._window import Window

# The first axis has an odd number of outputs at stride 2, of which the last reads no real input.
OPTIONS = [{"padding": ((1, 3), (0, 1))}, {"padding": ((2, 3), (0, 1)), "stride": (2, 1)}]


@pytest.fixture(params=OPTIONS, ids=str)
def pair(request):
    """The function, and the same by XLA's convolution, whose derivatives are JAX's own."""
    return partial(F.conv2d, implementation="winograd", **request.param), partial(plain, **request.param)


@pytest.fixture
def arrays(rng):
    with jax.enable_x64(True):
        yield jnp.asarray(rng.standard_normal((2, 4, 5, 2))), jnp.asarray(rng.standard_normal((3, 3, 2, 3)))


def close(pair, f, *args):
    got, want = (jax.tree.leaves(f(one)(*args)) for one in pair)
    for g, v in zip(got, want, strict=True):
        np.testing.assert_allclose(g, v, rtol=1e-10, atol=1e-10)


def cubed(f):
    """A scalar whose second and third derivatives do not vanish: the convolution alone is bilinear."""
    return lambda x, w: jnp.sum(f(x, w) ** 3)


def test_forward_mode(pair, arrays, rng):
    tangents = tuple(jnp.asarray(rng.standard_normal(a.shape)) for a in arrays)
    close(pair, lambda f: partial(jax.jvp, f), arrays, tangents)


def test_hessian(pair, arrays):
    close(pair, lambda f: jax.jit(jax.jacfwd(jax.grad(cubed(f), (0, 1)), (0, 1))), *arrays)


def test_third_derivative(pair, arrays, rng):
    x, w = arrays
    v = jnp.asarray(rng.standard_normal(w.shape))
    close(pair, lambda f: jax.jit(jax.jacfwd(jax.jacfwd(lambda t: jax.grad(cubed(f))(x, w + t * v)))), 0.0)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (3, 3), (1, 2)])
def test_vmap_of_gradients(pair, arrays, axes):
    """One of the two mapped or both, along any axis: also what `vmap(grad)` meets."""
    mapped = [a if axis is None else jnp.stack([a, 2 - a, -a], axis) for a, axis in zip(arrays, axes, strict=True)]
    close(pair, lambda f: jax.jit(jax.vmap(jax.grad(cubed(f), (0, 1)), axes)), *mapped)


def test_an_empty_batch_is_legal():
    x, w = jnp.ones((0, 5, 6, 2)), jnp.ones((3, 3, 2, 4))
    fast = partial(F.conv2d, stride=2, implementation="winograd")
    assert fast(x, w).shape == (0, 3, 3, 4)
    dx, dw = jax.grad(cubed(fast), (0, 1))(x, w)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, np.zeros(w.shape, np.float32))


@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (3, 1), (1, 2), (((0, 4), (3, 1)), 2)])
def test_no_less_precise_than_the_direct_sum(rng, padding, stride):
    """Against float64: the error of many channels stays below the direct form's bound, 1e-6 of the result's size."""
    x, w = rng.standard_normal((1, 9, 8, 64)), rng.standard_normal((3, 3, 64, 8))
    with jax.enable_x64(True):
        want = plain(jnp.asarray(x), jnp.asarray(w), padding=padding, stride=stride)
    got = F.conv2d(jnp.float32(x), jnp.float32(w), padding=padding, stride=stride, implementation="winograd")
    assert np.abs(np.asarray(got) - np.asarray(want)).max() < 1e-6 * np.abs(want).max()


def test_one_program_for_every_platform():
    """Large layers take Winograd's form on a CPU, small ones and those elsewhere XLA's convolution."""

    def program(platform, channels, dtype=np.float32):
        specs = [jax.ShapeDtypeStruct(s, dtype) for s in ((1, 8, 8, channels), (3, 3, channels, channels))]
        return jax.export.export(jax.jit(F.conv2d), platforms=[platform])(*specs).mlir_module()

    assert "stablehlo.convolution" not in program("cpu", 64)
    for other in (program("cuda", 64), program("cpu", 8), program("cpu", 64, jnp.bfloat16)):
        assert "stablehlo.convolution" in other


@pytest.mark.parametrize(
    ("direction", "n", "size", "channels", "stride", "want"),
    [
        ("forward", 8, 56, (64, 64), 1, "winograd"),
        ("weight_grad", 8, 56, (64, 64), 1, "xla"),  # both operands' arrays, 49 MiB
        ("forward", 8, 112, (32, 64), 1, "xla"),  # 98 MiB
        ("forward", 8, 112, (128, 128), 1, "winograd"),  # many channels, whatever the size
        ("forward", 8, 14, (16, 64), 1, "xla"),  # few channels
        ("input_grad", 8, 14, (64, 64), 2, "xla"),  # and more are needed at stride 2, which saves less
        ("input_grad", 8, 14, (64, 128), 2, "winograd"),
    ],
)
def test_each_direction_has_its_own_measure(direction, n, size, channels, stride, want):
    window = Window((size, size), (3, 3), (stride, 1), (1, 1), ((1, 1), (1, 1)))
    assert choice("cpu", direction, n, channels, window, jnp.float32) == want
    for other in (("cuda", direction, n, channels, window, jnp.float32), ("cpu", direction, n, channels, window, "f8")):
        assert choice(*other) == "xla"


def test_sharded_over_devices():
    """Gradients over two host devices equal one device's: automatic axes, explicit ones, and `shard_map`."""
    code = """
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import NamedSharding, PartitionSpec as P
        import jaxml.functional as F
        mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        x, w = jax.random.normal(jax.random.key(0), (4, 5, 6, 2)), jax.random.normal(jax.random.key(1), (3, 3, 2, 2))
        loss = lambda x, w: jnp.sum(F.conv2d(x, w, implementation="winograd") ** 2)
        want = jax.grad(lambda x, w: jnp.sum(F.conv2d(x, w, implementation="xla") ** 2), (0, 1))(x, w)
        spread = jax.device_put(x, NamedSharding(mesh, P("data")))
        got = jax.jit(jax.grad(loss, (0, 1)))(spread, w)
        def local(x, w):  # w is the same on all devices, so its derivative is summed over them
            return jax.grad(loss, (0, 1))(x, w)
        specs = {"in_specs": (P("data"), P()), "out_specs": (P("data"), P())}
        mapped = jax.jit(jax.shard_map(local, mesh=mesh, **specs))(spread, w)
        with jax.set_mesh(jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))):
            explicit = jax.jit(jax.grad(loss, (0, 1)))(jax.device_put(x, P("data")), jax.device_put(w, P()))
        for found in (got, mapped, explicit):
            for g, v in zip(found, want):
                np.testing.assert_allclose(g, v, rtol=1e-4, atol=1e-4)
        print("equal on", len(jax.devices()))
    """
    assert run_on_devices(code) == "equal on 2"
