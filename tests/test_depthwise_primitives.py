"""What the depthwise convolution owes to being made of primitives: any derivative, any batching, any sharding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _devices import run_on_devices
from cases_conv import plain

import jaxml.functional as F

OPTIONS = {"stride": (2, 1), "dilation": (1, 2), "padding": ((1, 2), (2, 1))}
IMPLEMENTATIONS = F.depthwise_implementations()


@pytest.fixture(params=IMPLEMENTATIONS)
def pair(request):
    """The function, and the same by XLA's convolution, whose derivatives are JAX's own."""
    fast = partial(F.depthwise_conv2d, implementation=request.param, **OPTIONS)
    return fast, lambda x, w: plain(x, w, groups=x.shape[-1], **OPTIONS)


@pytest.fixture
def arrays(rng):
    with jax.enable_x64(True):
        yield jnp.asarray(rng.standard_normal((2, 5, 6, 2))), jnp.asarray(rng.standard_normal((3, 2, 1, 4)))


def close(got, want):
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-10)


def cubed(f):
    """A scalar whose second and third derivatives do not vanish: the convolution alone is bilinear."""
    return lambda x, w: jnp.sum(f(x, w) ** 3)


def test_forward_mode(pair, arrays, rng):
    tangents = tuple(jnp.asarray(rng.standard_normal(a.shape)) for a in arrays)
    close(*(jax.jvp(f, arrays, tangents) for f in pair))


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_hessian(pair, arrays, mode):
    """Both ways round: forward over reverse, reverse over reverse; mixed blocks too."""
    close(*(jax.jit(mode(jax.grad(cubed(f), (0, 1)), (0, 1)))(*arrays) for f in pair))


def test_third_derivative(pair, arrays, rng):
    x, w = arrays
    v = jnp.asarray(rng.standard_normal(w.shape))

    def along(f):
        return lambda t: jax.grad(cubed(f))(x, w + t * v)

    close(*(jax.jacfwd(jax.jacfwd(along(f)))(0.0) for f in pair))


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (3, 3), (1, 2)])
def test_vmap_of_gradients(pair, arrays, rng, axes):
    """One of the two mapped or both, along any axis: also what `vmap(grad)` meets."""
    mapped = [
        a if axis is None else jnp.stack([a, jnp.asarray(rng.standard_normal(a.shape)), -a], axis)
        for a, axis in zip(arrays, axes, strict=True)
    ]
    close(*(jax.vmap(jax.grad(cubed(f), (0, 1)), axes)(*mapped) for f in pair))


def test_vmap_of_vmap(pair, arrays):
    x, w = arrays
    grid = [jax.vmap(jax.vmap(f, (None, 0)), (0, None))(jnp.stack([x, 2 * x]), jnp.stack([w, -w, 3 * w])) for f in pair]
    close(*grid)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_an_empty_batch_is_legal(name):
    x, w = jnp.ones((0, 5, 6, 2)), jnp.ones((3, 3, 1, 4))
    f = partial(F.depthwise_conv2d, implementation=name)
    assert f(x, w).shape == (0, 5, 6, 4)
    dx, dw = jax.grad(cubed(f), (0, 1))(x, w)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, np.zeros(w.shape, np.float32))


def test_one_program_for_every_platform():
    """An exported function takes on each platform what was measured there, XLA's convolution where nobody did."""
    specs = [jax.ShapeDtypeStruct(s, np.float32) for s in ((1, 8, 8, 4), (3, 3, 1, 4))]
    on = {
        p: jax.export.export(jax.jit(F.depthwise_conv2d), platforms=[p])(*specs).mlir_module() for p in ("cpu", "cuda")
    }
    assert "stablehlo.convolution" not in on["cpu"]
    assert "stablehlo.convolution" in on["cuda"]


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_sharded_over_devices(name):
    """Gradients over two host devices equal one device's: automatic axes, explicit ones, and `shard_map`."""
    code = f"""
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import NamedSharding, PartitionSpec as P
        import jaxml.functional as F
        mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        x, w = jax.random.normal(jax.random.key(0), (4, 5, 6, 2)), jax.random.normal(jax.random.key(1), (3, 3, 1, 2))
        loss = lambda x, w: jnp.sum(F.depthwise_conv2d(x, w, stride=2, implementation={name!r}) ** 2)
        want = jax.grad(loss, (0, 1))(x, w)
        spread = jax.device_put(x, NamedSharding(mesh, P("data")))
        got = jax.jit(jax.grad(loss, (0, 1)))(spread, w)
        def local(x, w):  # w is the same on all devices, so its derivative is summed over them
            return jax.grad(loss, (0, 1))(x, w)
        specs = {{"in_specs": (P("data"), P()), "out_specs": (P("data"), P())}}
        mapped = jax.jit(jax.shard_map(local, mesh=mesh, **specs))(spread, w)
        with jax.set_mesh(jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))):
            explicit = jax.jit(jax.grad(loss, (0, 1)))(jax.device_put(x, P("data")), jax.device_put(w, P()))
        for found in (got, mapped, explicit):
            for g, v in zip(found, want):
                np.testing.assert_allclose(g, v, rtol=1e-4, atol=1e-4)
        print("equal on", len(jax.devices()))
    """
    assert run_on_devices(code) == "equal on 2"
