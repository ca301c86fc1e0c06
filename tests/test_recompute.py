"""`F.batch_norm_conv`: the plain composition in every derivative, with half of the memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _devices import run_on_devices
from flax import nnx

import jaxml.functional as F
from jaxml import nn, timing

CONV = partial(F.depthwise_conv2d, stride=2, padding=1)


def fused(x, scale, bias, w, **options):
    zero, one = jnp.zeros_like(scale), jnp.ones_like(scale)
    options = {"train": True, "activation": F.silu, "conv": CONV, **options}
    return F.batch_norm_conv(x, zero, one, scale, bias, w, **options)[0]


def composed(x, scale, bias, w, *, axis_name=None):
    zero, one = jnp.zeros_like(scale), jnp.ones_like(scale)
    return CONV(F.silu(F.batch_norm(x, zero, one, scale, bias, train=True, axis_name=axis_name)[0]), w)


@pytest.fixture
def arrays(rng):
    shapes = ((2, 5, 6, 3), (3,), (3,), (3, 2, 1, 3))
    with jax.enable_x64(True):
        yield tuple(jnp.asarray(rng.standard_normal(shape)) for shape in shapes)


def cubed(f):
    return lambda *args: jnp.sum(f(*args) ** 3)


def equal(transformed, *args):
    """`transformed(f)(*args)` is one for the fused and the composed form."""
    got, want = (jax.tree.leaves(transformed(f)(*args)) for f in (fused, composed))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("argnums", [(0, 1, 2, 3), 0, 3, (1, 2)], ids=str)
def test_gradient_by_some_of_the_arguments(arrays, argnums):
    equal(lambda f: jax.jit(jax.grad(cubed(f), argnums)), *arrays)


def test_forward_mode(arrays):
    equal(lambda f: lambda *a: jax.jvp(f, a, tuple(reversed([jnp.flip(t) for t in reversed(a)]))), *arrays)


@pytest.mark.slow
@pytest.mark.parametrize("argnums", [0, 3])
def test_second_and_third_order(arrays, argnums):
    along = lambda f: lambda *a: sum(g.sum() for g in jax.tree.leaves(jax.grad(cubed(f), (0, 1, 2, 3))(*a)))  # noqa: E731
    equal(lambda f: jax.grad(along(f), (0, 1, 2, 3)), *arrays)
    equal(lambda f: lambda *a: jax.jvp(jax.grad(along(f), argnums), a, a), *arrays)


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(0, None, None, None), (None, None, None, 0), (0, 0, 0, 0)], ids=str)
def test_vmap_of_gradients(arrays, axes):
    mapped = [a if axis is None else jnp.stack([a, -a, 2 * a]) for a, axis in zip(arrays, axes, strict=True)]
    equal(lambda f: jax.vmap(jax.grad(cubed(f), (0, 1, 2, 3)), axes), *mapped)


@pytest.mark.slow
def test_statistics_over_a_mapped_axis(arrays):
    x, *rest = arrays
    batches = jnp.stack([x, 2 * x + 1])
    axes = (0, None, None, None)
    equal(lambda f: jax.vmap(jax.grad(cubed(partial(f, axis_name="i"))), axes, axis_name="i"), batches, *rest)


def test_an_empty_batch_is_legal_without_training():
    x, c, w = jnp.ones((0, 5, 6, 3)), jnp.ones(3), jnp.ones((3, 3, 1, 3))
    f = partial(fused, train=False)
    assert f(x, c, c, w).shape == (0, 3, 3, 3)
    np.testing.assert_array_equal(jax.grad(cubed(f), 3)(x, c, c, w), jnp.zeros_like(w))


def chain(layer, x, weights):
    for w in weights:
        x = layer(x, w)
    return x.sum()


def test_memory_of_a_chain_is_halved():
    """Twelve layers keep about twelve arrays for the backward pass instead of twice as many."""
    c, x, weights = jnp.ones(16), jnp.ones((4, 16, 16, 16)), [jnp.ones((16, 16))] * 12

    def layer(fused):
        if fused:
            return lambda x, w: F.batch_norm_conv(x, c, c, c, c, w, train=True, conv=F.pointwise_conv2d)[0]
        return lambda x, w: F.pointwise_conv2d(F.relu(F.batch_norm(x, c, c, c, c, train=True)[0]), w)

    used = [
        timing.compile(lambda x, ws, f=f: jax.grad(partial(chain, layer(f)), 1)(x, ws), x, weights).temp_bytes
        for f in (True, False)
    ]
    saved = (used[1] - used[0]) / x.nbytes
    assert 8 <= saved <= 13, f"{saved} arrays of {x.nbytes} bytes, of {used}"


def test_module_equals_its_functions(rng):
    """`norm.then` is the norm, the activation and the convolution, statistics included."""
    conv, norms = nn.Conv(3, 4, 3, use_bias=False, rngs=nnx.Rngs(0)), [nn.BatchNorm(3), nn.BatchNorm(3)]
    x = jnp.asarray(rng.standard_normal((2, 5, 5, 3)), jnp.float32)
    for train in (True, False):
        got = norms[0].then(x, conv.w[...], conv=conv.function(), activation=F.relu6, train=train)
        want = conv(F.relu6(norms[1](x, train=train)))
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(norms[0].mean[...], norms[1].mean[...])
        np.testing.assert_array_equal(norms[0].var[...], norms[1].var[...])


@pytest.mark.slow
def test_sharded_over_devices():
    code = """
        import jax, jax.numpy as jnp, numpy as np
        from functools import partial
        from jax.sharding import NamedSharding, PartitionSpec as P
        import jaxml.functional as F
        mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        x, w = jax.random.normal(jax.random.key(0), (4, 5, 6, 2)), jax.random.normal(jax.random.key(1), (3, 3, 1, 2))
        c = jnp.ones(2)
        conv = partial(F.depthwise_conv2d, stride=2)
        def loss(x, w, axis_name=None):
            return (F.batch_norm_conv(x, c, c, c, c, w, train=True, conv=conv, axis_name=axis_name)[0] ** 2).sum()
        want = jax.grad(loss, (0, 1))(x, w)
        spread = jax.device_put(x, NamedSharding(mesh, P("data")))
        got = jax.jit(jax.grad(loss, (0, 1)))(spread, w)
        local = jax.grad(partial(loss, axis_name="data"), (0, 1))
        specs = {"in_specs": (P("data"), P()), "out_specs": (P("data"), P())}
        mapped = jax.jit(jax.shard_map(local, mesh=mesh, **specs))(spread, w)
        for found in (got, mapped):
            for g, v in zip(found, want):
                np.testing.assert_allclose(g, v, rtol=1e-4, atol=1e-4)
        print("equal on", len(jax.devices()))
    """
    assert run_on_devices(code) == "equal on 2"
