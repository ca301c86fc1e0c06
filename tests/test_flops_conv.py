"""Convolutions counted against loops over every output, tap and channel; gradients against the forward pass."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxml import flops

# Spatial size, kernel, stride, padding, zeros between inputs, between taps; for one axis.
AXES = {
    "same": (7, 3, 1, (1, 1), 1, 1),
    "valid": (7, 3, 1, (0, 0), 1, 1),
    "stride": (7, 3, 2, (1, 1), 1, 1),
    "stride 3, input left over": (9, 2, 3, (0, 0), 1, 1),
    "uneven": (6, 4, 2, (0, 3), 1, 1),
    "more padding than kernel": (3, 2, 1, (4, 5), 1, 1),
    "negative": (9, 3, 1, (-1, -2), 1, 1),
    "negative and positive": (8, 3, 2, (-2, 3), 1, 1),
    "dilated": (9, 3, 1, (2, 2), 1, 2),
    "dilated, strided": (10, 3, 2, (1, 3), 1, 2),
    "transposed": (4, 3, 1, (1, 1), 2, 1),
    "transposed, even": (4, 4, 1, (2, 2), 3, 1),
    "transposed, negative": (5, 2, 1, (-1, -1), 2, 1),
    "transposed, dilated": (4, 3, 1, (2, 1), 2, 3),
    "transposed and strided": (5, 3, 2, (2, 2), 3, 1),
    "one pixel": (1, 3, 1, (1, 1), 1, 1),
}


def geometry(n, k, s, pads, l, r):  # noqa: E741
    return 0 if n == 0 else (max(0, (n - 1) * l + 1 + sum(pads)) - ((k - 1) * r + 1)) // s + 1


def taps(axis, padding):
    """By hand: pairs of an output and a tap, one after the other."""
    n, k, s, pads, l, r = axis  # noqa: E741
    total = 0
    for o, i in itertools.product(range(geometry(*axis)), range(k)):
        position = o * s + i * r - pads[0]
        on_input = position % l == 0 and 0 <= position // l < n
        total += on_input or (padding == "include" and position % l == 0)
    return total


def conv(x, w, axes, groups=1, batch_groups=1):
    return lax.conv_general_dilated(
        x,
        w,
        window_strides=[a[2] for a in axes],
        padding=[a[3] for a in axes],
        lhs_dilation=[a[4] for a in axes],
        rhs_dilation=[a[5] for a in axes],
        dimension_numbers=("NHWC", "HWIO", "NHWC")[: len(axes) + 1] if len(axes) == 2 else ("NWC", "WIO", "NWC"),
        feature_group_count=groups,
        batch_group_count=batch_groups,
    )


def arrays(axes, batch=2, channels=4, out=6, groups=1, batch_groups=1):
    x = jax.ShapeDtypeStruct((batch, *(a[0] for a in axes), channels), jnp.float32)
    w = jax.ShapeDtypeStruct((*(a[1] for a in axes), channels // groups, out), jnp.float32)
    return x, w


def macs_read(x, w, axes, groups=1, batch_groups=1):
    """The number of products of two entries that meet, found by convolving ones: no product with a zero counts."""
    with jax.enable_x64(True):
        y = conv(jnp.ones(x.shape, "float64"), jnp.ones(w.shape, "float64"), axes, groups, batch_groups)
    return round(float(np.asarray(y).sum()))


GROUPS = [(1, 1), (2, 1), (4, 1), (1, 2)]


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize(("groups", "batch_groups"), GROUPS)
def test_products_that_meet(name, groups, batch_groups):
    """`exclude` is the sum of a convolution of ones with ones: every product of an input and a weight counts as 1."""
    axes = [AXES[name]]
    out = 4 if groups == 4 else 6
    x, w = arrays(axes, out=out, groups=groups)
    f = functools.partial(conv, axes=axes, groups=groups, batch_groups=batch_groups)
    cost = flops.count(f, x, w, padding="exclude")
    assert cost.macs == macs_read(x, w, axes, groups, batch_groups)
    assert cost.macs == 2 // batch_groups * out * (4 // groups) * taps(axes[0], "exclude")
    assert (cost.flops, cost.uncounted) == (2 * cost.macs, {})


@pytest.mark.parametrize("name", [n for n, a in AXES.items() if a[4] == 1])
@pytest.mark.parametrize(("groups", "batch_groups"), GROUPS)
def test_every_tap_of_every_output(name, groups, batch_groups):
    """`include` is outputs times taps."""
    axes = [AXES[name], AXES["same"]]
    out = 4 if groups == 4 else 6
    x, w = arrays(axes, out=out, groups=groups)
    f = functools.partial(conv, axes=axes, groups=groups, batch_groups=batch_groups)
    cost = flops.count(f, x, w)
    outputs = math.prod(map(lambda a: geometry(*a), axes))
    assert cost.macs == 2 // batch_groups * outputs * out * w.shape[0] * w.shape[1] * (4 // groups)
    assert cost.activations == 2 // batch_groups * outputs * out
    assert cost.bytes == 4 * (math.prod(x.shape) + math.prod(w.shape) + cost.activations)


@pytest.mark.parametrize("padding", ["include", "exclude"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("name", AXES)
def test_gradients_cost_what_the_forward_pass_costs(name, groups, padding):
    """d/dx and d/dw each, their own gradients, and under vmap with weights shared or not."""
    axes = [AXES[name], AXES["stride"] if AXES[name][2] > 1 else AXES["valid"]]
    if AXES[name][4] > 1:
        axes[1] = AXES["transposed"] if AXES[name][2] == 1 else AXES[name]
    x, w = arrays(axes, out=8, groups=groups)
    f = functools.partial(conv, axes=axes, groups=groups)
    g = jax.eval_shape(f, x, w)
    once = flops.count(f, x, w, padding=padding).macs

    def dx(x, w, g):
        return jax.vjp(lambda x: f(x, w), x)[1](g)[0]

    def dw(x, w, g):
        return jax.vjp(lambda w: f(x, w), w)[1](g)[0]

    def macs(h, *args):
        return flops.count(h, *args, padding=padding).macs

    assert macs(dx, x, w, g) == once
    assert macs(dw, x, w, g) == once
    assert macs(jax.jit(dx), x, w, g) == once
    # Each is bilinear: its derivatives by its two operands cost as much again.
    assert macs(lambda x, w, g: jax.vjp(lambda w, g: dx(x, w, g), w, g)[1](x), x, w, g) == 2 * once
    assert macs(lambda x, w, g: jax.vjp(lambda x, g: dw(x, w, g), x, g)[1](w), x, w, g) == 2 * once
    many = jax.ShapeDtypeStruct((3, *x.shape), x.dtype), jax.ShapeDtypeStruct((3, *w.shape), w.dtype)
    gs = jax.ShapeDtypeStruct((3, *g.shape), g.dtype)
    for h in (dx, dw):
        assert macs(jax.vmap(h), *many, gs) == 3 * once
        assert macs(jax.vmap(h, (0, None, 0)), many[0], w, gs) == 3 * once


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("flip", [False, True])
def test_transposed_convolution_costs_its_forward_pass(padding, flip):
    """2x2 zeros between 5x5 inputs never count: each input meets each tap once."""
    x, w = jax.ShapeDtypeStruct((1, 5, 5, 3), jnp.float32), jax.ShapeDtypeStruct((3, 3, 3, 7), jnp.float32)
    f = functools.partial(lax.conv_transpose, strides=(2, 2), padding=padding)
    assert flops.count(f, x, w).macs == 5 * 5 * 3 * 3 * 3 * 7
    if flip:
        w = jax.ShapeDtypeStruct((3, 3, 7, 3), jnp.float32)
        assert flops.count(functools.partial(f, transpose_kernel=True), x, w).macs == 5 * 5 * 3 * 3 * 3 * 7


def test_complex_convolution_makes_four():
    x, w = jax.ShapeDtypeStruct((1, 5, 2), jnp.complex64), jax.ShapeDtypeStruct((3, 2, 2), jnp.complex64)
    f = functools.partial(lax.conv_general_dilated, window_strides=(1,), padding="VALID")
    f = functools.partial(f, dimension_numbers=("NWC", "WIO", "NWC"))
    assert flops.count(f, x, w).macs == 4 * 3 * 3 * 2 * 2


@pytest.mark.parametrize("size", [1, 2, 5])
def test_resnet_stem_sizes(size):
    """A large image takes no longer: the taps are counted axis by axis."""
    x = jax.ShapeDtypeStruct((size, 4096, 4096, 3), jnp.float32)
    w = jax.ShapeDtypeStruct((7, 7, 3, 64), jnp.float32)
    cost = flops.count(lambda x, w: conv(x, w, [(0, 0, 2, (3, 3), 1, 1)] * 2), x, w)
    assert cost.macs == size * 2048**2 * 49 * 3 * 64
