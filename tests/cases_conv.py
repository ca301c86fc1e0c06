"""Cases and float64 NumPy references: convolution in all its forms, batch normalisation."""

import itertools
from functools import partial

import jax
import numpy as np
from _case import Case, normal
from jax import lax

import jaxml.functional as F


def np_pads(padding, spatial, kernel, stride, dilation):
    """The pairs that a padding means, from its definition."""
    if padding == "VALID":
        return [(0, 0)] * len(spatial)
    if padding == "SAME":
        totals = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(spatial, kernel, stride, dilation, strict=True)
        ]
        return [(t // 2, t - t // 2) for t in totals]
    return [
        (p, p) if isinstance(p, int) else p for p in ([padding] * len(spatial) if isinstance(padding, int) else padding)
    ]


def np_conv(x, w, b=None, *, stride=1, padding="SAME", dilation=1, groups=1):
    """The sum of the docstring, output by output."""
    kernel, n = w.shape[:-2], w.ndim - 2
    stride, dilation = ((v,) * n if isinstance(v, int) else v for v in (stride, dilation))
    pads = np_pads(padding, x.shape[1:-1], kernel, stride, dilation)
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    out = [(x.shape[1 + a] - (kernel[a] - 1) * dilation[a] - 1) // stride[a] + 1 for a in range(n)]
    c_in, c_out = w.shape[-2], w.shape[-1] // groups
    y = np.zeros((x.shape[0], *out, w.shape[-1]))
    for place in np.ndindex(*out):
        for tap in np.ndindex(*kernel):
            at = tuple(o * s + t * d for o, s, t, d in zip(place, stride, tap, dilation, strict=True))
            for g in range(groups):
                pixel = x[(slice(None), *at, slice(g * c_in, (g + 1) * c_in))]
                outs = slice(g * c_out, (g + 1) * c_out)
                y[(slice(None), *place, outs)] += pixel @ w[(*tap, slice(None), outs)]
    return y if b is None else y + b


def plain(x, w, b=None, *, stride=1, padding="SAME", dilation=1, groups=1):
    """The same by XLA's convolution, whose derivatives JAX knows."""
    kernel, n = w.shape[:-2], w.ndim - 2
    stride, dilation = ((v,) * n if isinstance(v, int) else v for v in (stride, dilation))
    pads = np_pads(padding, x.shape[1:-1], kernel, stride, dilation)
    dims = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}[n]
    y = lax.conv_general_dilated(
        x, w, stride, pads, rhs_dilation=dilation, dimension_numbers=dims, feature_group_count=groups
    )
    return y if b is None else y + b.reshape((1,) * (n + 1) + b.shape)


def conv_case(name, f, x, w, *, bias=True, implementation=None, **options):
    shapes = (x, w, w[-1:]) if bias else (x, w)
    fn = partial(f, implementation=implementation, **options) if implementation else partial(f, **options)
    if f is F.depthwise_conv2d:
        options["groups"] = x[-1]
    return Case(
        f"{f.__name__}/{name}",
        fn,
        normal(*shapes),
        partial(np_conv, **options),
        partial(plain, **options),
        tuple(range(len(shapes))),
    )


# Windows for depthwise convolution: name, image and channels, kernel, multiplier, options.
DEPTHWISE = [
    ("same", (3, 7, 6, 5), (3, 3), 1, {}),
    ("batch_1", (1, 6, 5, 3), (3, 3), 1, {}),
    ("unrolled_batch", (8, 4, 5, 3), (3, 3), 1, {}),
    ("stride_2", (2, 7, 8, 3), (3, 3), 1, {"stride": 2}),
    ("torch_padding", (2, 6, 6, 3), (3, 3), 1, {"stride": 2, "padding": 1}),
    ("dilation", (2, 9, 8, 2), (3, 3), 1, {"dilation": 2}),
    (
        "stride_and_dilation",
        (2, 11, 9, 2),
        (3, 2),
        2,
        {"stride": (3, 2), "dilation": (2, 3), "padding": ((3, 1), (0, 2))},
    ),
    ("multiplier", (2, 5, 5, 2), (3, 3), 3, {}),
    ("valid_5x4", (2, 7, 6, 2), (5, 4), 1, {"padding": "VALID"}),
    ("taps_outside", (2, 3, 3, 2), (3, 3), 1, {"dilation": 4, "padding": 4}),
    ("wide_padding", (2, 4, 3, 2), (3, 3), 1, {"padding": 3}),
    ("one_tap", (2, 5, 4, 3), (1, 1), 1, {"stride": 2}),
    ("one_channel", (2, 5, 4, 1), (3, 3), 1, {}),
]

CASES = [
    conv_case("plain", F.conv1d, (2, 9, 4), (3, 4, 5)),
    conv_case("groups", F.conv1d, (1, 9, 4), (3, 2, 6), groups=2, stride=2, dilation=2),
    conv_case("plain", F.conv2d, (2, 6, 7, 6), (3, 3, 6, 5)),
    conv_case("valid", F.conv2d, (1, 7, 6, 5), (3, 2, 5, 4), padding="VALID", bias=False),
    conv_case("stride_and_dilation", F.conv2d, (2, 11, 9, 5), (3, 3, 5, 4), stride=(2, 3), dilation=(2, 1)),
    conv_case("torch_padding", F.conv2d, (2, 8, 8, 5), (3, 3, 5, 4), stride=2, padding=1),
    conv_case("groups", F.conv2d, (2, 5, 6, 6), (3, 3, 2, 9), groups=3, padding=((0, 2), (1, 0))),
    conv_case("stem", F.conv2d, (2, 9, 8, 3), (3, 3, 3, 7), stride=2),
    conv_case("im2col", F.conv2d, (2, 9, 8, 5), (3, 2, 5, 7), stride=(1, 2), dilation=2, implementation="im2col"),
    conv_case("winograd", F.conv2d, (2, 6, 5, 4), (3, 3, 4, 3), padding=((1, 2), (0, 3)), implementation="winograd"),
    conv_case("winograd_2", F.conv2d, (1, 7, 8, 3), (3, 3, 3, 2), stride=2, padding=1, implementation="winograd"),
    conv_case("pointwise", F.conv2d, (2, 5, 4, 6), (1, 1, 6, 5)),
    conv_case("pointwise_stride", F.conv2d, (2, 5, 4, 6), (1, 1, 6, 5), stride=(2, 3)),
    conv_case("pointwise_xla", F.conv2d, (2, 5, 4, 6), (1, 1, 6, 5), implementation="xla"),
    conv_case("depthwise", F.conv2d, (2, 5, 6, 4), (3, 3, 1, 8), groups=4, stride=2),
    conv_case("plain", F.conv3d, (2, 4, 5, 3, 2), (2, 3, 3, 2, 4)),
    conv_case("strided", F.conv3d, (1, 5, 5, 4, 2), (3, 3, 2, 2, 4), stride=2, padding=1),
    *(
        conv_case(
            f"{name}/{implementation}", F.depthwise_conv2d, x, (*k, 1, x[-1] * m), implementation=implementation, **o
        )
        for (name, x, k, m, o), implementation in itertools.product(DEPTHWISE, F.depthwise_implementations())
    ),
    conv_case("default", F.depthwise_conv2d, (3, 7, 6, 5), (3, 3, 1, 5)),
    Case(
        "pointwise_conv2d",
        F.pointwise_conv2d,
        normal((2, 3, 4, 5), (5, 6), (6,)),
        lambda x, w, b: x @ w + b,
        lambda x, w, b: jax.numpy.einsum("nhwc,co->nhwo", x, w) + b.reshape(1, 1, 1, -1),
        (0, 1, 2),
    ),
    Case(
        "separable_conv2d",
        partial(F.separable_conv2d, stride=2),
        normal((2, 7, 6, 3), (3, 3, 1, 6), (6, 4), (4,)),
        lambda x, wd, wp, b: np_conv(x, wd, stride=2, groups=3) @ wp + b,
        lambda x, wd, wp, b: plain(plain(x, wd, stride=2, groups=3), wp[None, None], b),
        (0, 1, 2, 3),
        tolerance={"bfloat16": 0.1, "float16": 0.02},  # the depthwise result is rounded between the two
    ),
]


def np_batch_norm(x, mean, var, scale, bias, *, train, momentum=0.9, eps=1e-5):
    mu, v = (x.mean(tuple(range(x.ndim - 1))), x.var(tuple(range(x.ndim - 1)))) if train else (mean, var)
    y = (x - mu) / np.sqrt(v + eps) * scale + bias
    if not train:
        return y, mean, var
    return y, momentum * mean + (1 - momentum) * mu, momentum * var + (1 - momentum) * v


def with_statistics(shape):
    def make(rng, dtype):
        c = shape[-1:]
        x = 2 * rng.standard_normal(shape) + 1
        arrays = (x, rng.standard_normal(c), rng.random(c) + 0.5, rng.standard_normal(c), rng.standard_normal(c))
        return tuple(a.astype(dtype) for a in arrays)

    return make


def batch_norm_case(name, shape, **options):
    return Case(
        f"batch_norm/{name}",
        # Only y carries a gradient, so only y is weighted.
        partial(F.batch_norm, **options),
        with_statistics(shape),
        partial(np_batch_norm, **options),
        partial(plain_batch_norm, **options),
        (0, 3, 4),
        tolerance={"bfloat16": 0.1, "float16": 0.02},
    )


def plain_batch_norm(x, mean, var, scale, bias, *, train, momentum=0.9, eps=1e-5):
    """The textbook, differentiated by JAX; the new statistics carry no gradient."""
    row = lambda a: a.reshape((1,) * (x.ndim - 1) + a.shape)  # noqa: E731
    axes = tuple(range(x.ndim - 1))
    mu, v = (x.mean(axes), ((x - row(x.mean(axes))) ** 2).mean(axes)) if train else (mean, var)
    y = (x - row(mu)) / jax.numpy.sqrt(row(v) + eps) * row(scale) + row(bias)
    if not train:
        return y, mean, var
    mu, v = lax.stop_gradient((mu, v))
    return y, momentum * mean + (1 - momentum) * mu, momentum * var + (1 - momentum) * v


CASES += [
    batch_norm_case("train", (3, 4, 5, 3), train=True),
    batch_norm_case("train_rows", (7, 4), train=True, momentum=0.5, eps=1e-3),
    batch_norm_case("eval", (2, 3, 5, 3), train=False),
]


def np_silu(x):
    return x / (1 + np.exp(-x))


def batch_norm_conv_case(name, shape, kernel, *, activation, conv, np_activation, np_conv, plain_conv, **options):
    def make(rng, dtype):
        return (*with_statistics(shape)(rng, dtype), rng.standard_normal(kernel).astype(dtype))

    def composed(batch_norm, activation, conv):
        def f(*args):
            y, mean, var = batch_norm(*args[:5], **options)
            return conv(activation(y), args[5]), mean, var

        return f

    return Case(
        f"batch_norm_conv/{name}",
        partial(F.batch_norm_conv, activation=activation, conv=conv, **options),
        make,
        composed(np_batch_norm, np_activation, np_conv),
        composed(plain_batch_norm, activation, plain_conv),
        (0, 3, 4, 5),
        tolerance={"bfloat16": 0.2, "float16": 0.03},  # normalised and activated values are rounded between
    )


WINDOW = {"stride": 2, "padding": ((1, 1), (1, 0))}
CASES += [
    batch_norm_conv_case(
        "train_depthwise",
        (2, 5, 4, 3),
        (3, 2, 1, 3),
        activation=F.silu,
        conv=partial(F.depthwise_conv2d, **WINDOW),
        np_activation=np_silu,
        np_conv=partial(np_conv, groups=3, **WINDOW),
        plain_conv=partial(plain, groups=3, **WINDOW),
        train=True,
        eps=1e-3,
    ),
    batch_norm_conv_case(
        "eval_pointwise",
        (2, 3, 3, 4),
        (4, 5),
        activation=F.tanh,
        conv=F.pointwise_conv2d,
        np_activation=np.tanh,
        np_conv=np.matmul,
        plain_conv=partial(jax.numpy.einsum, "nhwc,co->nhwo"),
        train=False,
    ),
]
