"""Transposed convolution, the gradients of a convolution as functions, patches: what ties them to `conv2d`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _devices import run_on_devices

import jaxml.functional as F
from jaxml import flops

OPTIONS = [
    {"stride": 2, "padding": "SAME"},
    {"stride": 3, "padding": "SAME"},  # the kernel is no larger than the stride
    {"stride": 2, "padding": "VALID", "dilation": 2},
    {"stride": (2, 1), "padding": ((2, 0), (1, 3))},
]


def normal(rng, *shapes):
    return [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_transposed_convolution_is_the_gradient_of_convolution(options, rng):
    y, w = normal(rng, (2, 3, 4, 5), (3, 3, 5, 2))
    x = F.conv_transpose2d(y, w, **options)
    swapped = w.swapaxes(-1, -2)
    assert F.conv2d(x, swapped, **options).shape == y.shape
    _, pull = jax.vjp(lambda x: F.conv2d(x, swapped, **options), x)
    np.testing.assert_allclose(x, pull(y)[0], rtol=1e-5, atol=1e-5)


def test_output_padding_beyond_the_stride_of_a_depthwise_one(rng):
    """Where the dilation allows more of it than the stride: rows that no tap reaches."""
    y, w = normal(rng, (1, 3, 3, 2), (2, 2, 1, 2))
    options = {"padding": 0, "dilation": 3, "groups": 2}
    x = F.conv_transpose2d(y, w, output_padding=2, **options)
    np.testing.assert_allclose(x[:, :6, :6], F.conv_transpose2d(y, w, **options), rtol=1e-5, atol=1e-5)
    assert x.shape == (1, 8, 8, 2)
    assert not x[:, 6:].any()


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolution_costs_the_convolution(stride, groups):
    """Forward, and each of its two gradients; 4 groups are a depthwise one, which runs otherwise."""
    x, w = jax.ShapeDtypeStruct((2, 5, 6, 4), jnp.float32), jax.ShapeDtypeStruct((3, 3, 4 // groups, 4), jnp.float32)
    f = partial(F.conv_transpose2d, stride=stride, padding=1, output_padding=stride - 1, groups=groups)
    macs = 2 * 5 * 6 * 9 * (4 // groups) * 4
    assert flops.count(f, x, w).macs == macs
    y = jax.eval_shape(f, x, w)
    both = flops.count(lambda x, w, dy: jax.vjp(f, x, w)[1](dy), x, w, y)
    assert both.macs == 2 * macs  # neither gradient needs the result
    assert both.uncounted == {}


@pytest.mark.parametrize("stride", [1, 2])
def test_gradient_functions_are_those_of_autodiff_and_cost_as_much(stride, rng):
    x, w = normal(rng, (2, 6, 5, 4), (3, 3, 2, 6))
    options = {"stride": stride, "groups": 2}
    y, pull = jax.vjp(partial(F.conv2d, **options), x, w)
    dx, dw = pull(y)
    np.testing.assert_array_equal(F.conv2d_input_grad(y, w, input_size=(6, 5), **options), dx)
    np.testing.assert_array_equal(F.conv2d_weight_grad(x, y, window=3, **options), dw)
    macs = flops.count(partial(F.conv2d, **options), x, w).macs
    assert flops.count(partial(F.conv2d_input_grad, input_size=(6, 5), **options), y, w).macs == macs
    assert flops.count(partial(F.conv2d_weight_grad, window=3, **options), x, y).macs == macs


def test_unfold_and_a_product_are_a_convolution(rng):
    x, w = normal(rng, (2, 5, 4, 3), (3, 2, 3, 7))
    rows = F.unfold(x, window=(3, 2), padding="SAME", stride=2)
    np.testing.assert_allclose(rows @ w.reshape(-1, 7), F.conv2d(x, w, stride=2), rtol=1e-5, atol=1e-5)


def test_fold_after_unfold_counts_the_windows():
    x = jnp.arange(1.0, 6.0).reshape(1, 5, 1)
    folded = F.fold(F.unfold(x, window=3, padding=1), output_size=5, window=3, padding=1)
    np.testing.assert_array_equal(folded, x * jnp.asarray([2.0, 3, 3, 3, 2]).reshape(1, 5, 1))


def test_unfold_takes_integers():
    x = jnp.arange(6, dtype=jnp.uint8).reshape(1, 6, 1)
    assert F.unfold(x, window=2, stride=2).dtype == jnp.uint8


def test_fold_sums_half_precision_in_float32():
    """In bfloat16 256 + 1 is 256; here in each order, one a channel."""
    orders = jnp.asarray([[256, 1, 1], [1, 256, 1], [1, 1, 256]], jnp.bfloat16)
    rows = jnp.zeros((1, 3, 3, 3), jnp.bfloat16).at[0, jnp.arange(3), 2 - jnp.arange(3)].set(orders.T)
    np.testing.assert_array_equal(F.fold(rows.reshape(1, 3, 9), output_size=5, window=3)[0, 2], 258)


def test_causal_convolution(rng):
    """The recipe of `pad`: nothing depends on what comes later."""
    x, w = normal(rng, (1, 8, 2), (3, 2, 4))
    causal = partial(F.conv1d, w=w, dilation=2, padding=((4, 0),))
    assert causal(x).shape == (1, 8, 4)
    slopes = jax.jacrev(lambda x: causal(x)[0].sum(-1))(x)[:, 0].sum(-1)  # (outputs, inputs)
    reads = np.asarray(slopes) != 0
    assert not np.triu(reads, 1).any()
    assert reads.diagonal().all()


def test_circular_convolution(rng):
    """The recipe of `pad`: it commutes with turning the image round."""
    x, w = normal(rng, (1, 5, 6, 2), (3, 3, 2, 4))
    circular = lambda x: F.conv2d(F.pad(x, padding=1, mode="circular"), w, padding="VALID")  # noqa: E731
    turned = circular(jnp.roll(x, (2, 1), (1, 2)))
    np.testing.assert_allclose(turned, jnp.roll(circular(x), (2, 1), (1, 2)), rtol=1e-5, atol=1e-5)


def test_mapped_over_devices():
    """In `shard_map`, where what a gradient is taken of must vary as its cotangent does."""
    code = """
    import jax, jax.numpy as jnp, numpy as np
    import jaxml.functional as F
    from jax.sharding import AxisType, PartitionSpec as P
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    w, wd = jnp.ones((3, 3, 4, 4)), jnp.ones((3, 3, 1, 4))
    functions = (
        lambda x: F.conv_transpose2d(x, wd, stride=2, groups=4),
        lambda x: F.conv2d_input_grad(x, w, input_size=(6, 5)),
        lambda x: F.fold(x, output_size=(7, 6), window=2),
        lambda x: F.interpolate(x, output_size=(9, 3), mode="bilinear"),
    )
    x = jax.random.normal(jax.random.key(0), (2, 6, 5, 4))
    for f in functions:
        slope = jax.grad(lambda x: (f(x) ** 2).sum())
        mapped = jax.shard_map(slope, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
        np.testing.assert_allclose(jax.jit(mapped)(x), slope(x), rtol=1e-5, atol=1e-5)
    print("equal on", jax.device_count())
    """
    assert run_on_devices(code) == "equal on 2"
