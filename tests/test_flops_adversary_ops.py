"""The counter on operations other than products against loops and closed forms, and on convolutions of any geometry."""

import functools
import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxml.flops import count


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


A, C = S(8, 8), S(8, 8, dtype=jnp.complex64)
KEY = jax.random.key(0)


def pool(x, padding, **options):
    return lax.reduce_window(x, 0.0, lax.add, (2,), (1,), padding, **options)


OTHER = {
    "complex sum": (jnp.sum, (C,), 63 * 2),
    "complex product": (jnp.prod, (C,), 63 * 6),
    "complex cumsum": (lambda a: lax.cumsum(a, 0), (C,), 56 * 2),
    "complex cumprod": (lambda a: lax.cumprod(a, 0), (C,), 56 * 6),
    "complex windows": (lambda a: lax.reduce_window(a, 0j, lax.add, (2, 2), (2, 2), "VALID"), (C,), 48 * 2),
    "complex 1 / x": (lambda a: lax.integer_pow(a, -1), (C,), 64 * 11),
    "base dilation": (lambda a: pool(a, ((1, 1),), base_dilation=(3,)), (S(4),), 0),
    "Q of 8 by 4": (jnp.linalg.qr, (S(8, 4),), round(2 * (2 * 8 * 16 - 2 * 64 / 3))),
    "all of Q": (functools.partial(jnp.linalg.qr, mode="complete"), (S(8, 4),), round(
        2 * 8 * 16 - 2 * 64 / 3 + 4 * (8 * 8 * 4 - 8 * 16 + 64 / 3))),
    "max pooling, backwards": (
        jax.grad(lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID").sum()), (A,), 16 * 3 + 16),
    "nothing to sort": (jnp.sort, (S(0),), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_other_operations(name):
    f, args, other = OTHER[name]
    cost = count(f, *args)
    assert (cost.flops, cost.uncounted) == (other, {})


def test_scatter_apply_counts_its_function():
    rows = jnp.array([0, 1])
    cost = count(lambda a: a.at[rows].apply(lambda x: jnp.sin(x) * x + 1.0), A).by_primitive["scatter"]
    assert (cost.other, cost.transcendentals) == (2 * 16, 16)


@pytest.mark.parametrize("padding", ["include", "exclude"])
def test_windows_beside_the_array_against_a_loop(padding):
    """Windows that lie on padding alone add nothing up: they must not be taken off the others."""
    windows = [[o + k - 3 for k in range(2)] for o in range(9)]
    taps = [[i for i in window if padding == "include" or 0 <= i < 4] for window in windows]
    cost = count(lambda x: pool(x, ((3, 3),)), S(4), padding=padding)
    assert cost.other == sum(len(window) - 1 for window in taps if window)


def threefry(k0, k1, x0, x1):
    """Of Salmon et al. (2011), as JAX has it."""
    keys, u = [k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)], np.uint32
    x0, x1 = x0 + k0, x1 + k1
    for group in range(5):
        for turn in ([13, 15, 26, 6], [17, 29, 16, 24])[group % 2]:
            x0 = x0 + x1
            x1 = lax.shift_left(x1, u(turn)) | lax.shift_right_logical(x1, u(32 - turn))
            x1 = x0 ^ x1
        x0, x1 = x0 + keys[(group + 1) % 3], x1 + (keys[(group + 2) % 3] + u(group + 1))
    return x0, x1


def test_random_bits_are_the_generator_written_out():
    """A number of 32 bits takes a block of two words, and an xor: it hashes its position."""
    word = S(dtype=jnp.uint32)
    block = count(threefry, word, word, word, word).flops
    assert count(lambda k: jax.random.bits(k, (5,)), KEY).by_primitive["random_bits"].flops == 5 * (block + 1)
    assert count(lambda k: jax.random.key_data(jax.random.split(k, 3)), KEY).flops == 3 * block
    with jax.threefry_partitionable(False):
        assert count(lambda k: jax.random.bits(k, (5,)), KEY).by_primitive["random_bits"].flops == 3 * block


@pytest.mark.parametrize("generator", ["rbg", "unsafe_rbg", "threefry4x32", "philox2x32", "philox4x32"])
def test_every_generator_is_counted(generator):
    if generator not in ("rbg", "unsafe_rbg"):
        pytest.importorskip(f"jax._src.random.{generator}")
    cost = count(
        lambda s: jax.random.bits(jax.random.split(jax.random.key(s, impl=generator), 3)[0], (7,)), S(dtype=jnp.int32)
    )
    assert cost.uncounted == {}
    assert cost.by_primitive["random_bits"].flops > 0 and cost.by_primitive["random_split"].flops > 0


# Convolutions of random geometry
LAYOUTS = [
    None, ("NWC", "WIO", "NWC"), ("NCHW", "HWIO", "NHWC"), ("HWNC", "OHWI", "HWNC"), ("NDHWC", "DHWIO", "NDHWC"),
]  # fmt: skip


def geometry(draw, kind):
    """One axis: size, kernel, stride, padding, zeros between inputs, between taps; at least one output."""
    n, k = draw.randint(2, 8), draw.randint(1, 4)
    stride = 1 if kind == "transposed" else draw.randint(1, 3)
    zeros = draw.randint(2, 3) if kind == "transposed" else 1
    dilation = draw.randint(1, 3) if kind == "dilated" else 1
    pads = draw.randint(-1, 5), draw.randint(-1, 5)
    span = (n - 1) * zeros + 1 + sum(pads) - (k - 1) * dilation - 1
    return (n, k, stride, pads, zeros, dilation, span // stride + 1) if span >= 0 else geometry(draw, kind)


def taps(axis, padding):
    """By hand. In a transposed convolution each input meets each tap; else each output, those on padding as asked."""
    n, k, stride, pads, zeros, dilation, outputs = axis
    if zeros > 1 and padding == "include":
        return n * k
    places = [o * stride + i * dilation - pads[0] for o in range(outputs) for i in range(k)]
    return sum(p % zeros == 0 and (padding == "include" or 0 <= p // zeros < n) for p in places)


@pytest.mark.parametrize("seed", range(12))
def test_convolutions_and_their_gradients(seed):
    draw = random.Random(seed)
    layout, kind = LAYOUTS[1 + seed % 4], ["plain", "dilated", "transposed"][seed % 3]
    axes = [geometry(draw, kind) for _ in layout[0][2:]]
    groups, batches = draw.choice([(1, 1), (2, 1), (4, 1), (1, 2)])
    sizes = {"N": 4, "C": 4, "I": 4 // groups, "O": 8}
    spatial = [c for c in layout[0] if c in "DHW"]
    x = S(*(sizes[c] if c in sizes else axes[spatial.index(c)][0] for c in layout[0]))
    w = S(*(sizes[c] if c in sizes else axes[spatial.index(c)][1] for c in layout[1]))
    _, _, strides, pads, zeros, dilations, _ = zip(*axes, strict=True)
    f = functools.partial(
        lax.conv_general_dilated, window_strides=strides, padding=pads, lhs_dilation=zeros, rhs_dilation=dilations,
        dimension_numbers=layout, feature_group_count=groups, batch_group_count=batches,
    )  # fmt: skip

    def loss(w, x):
        return (f(x, w) ** 2).sum()

    for padding in ("include", "exclude"):
        counted = functools.partial(count, padding=padding)
        once = math.prod(taps(axis, padding) for axis in axes) * (4 // batches) * 8 * (4 // groups)
        assert counted(f, x, w).macs == once
        assert counted(jax.value_and_grad(loss, (0, 1)), w, x).macs == 3 * once
        assert counted(lambda w, x: jax.jvp(jax.grad(lambda w: loss(w, x)), (w,), (w,)), w, x).macs == 4 * once
        each = jax.vmap(jax.grad(loss), (None, 0))
        assert counted(each, w, S(3, *x.shape)).macs == 3 * 2 * once
