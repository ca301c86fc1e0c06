"""Cases and float64 NumPy references: transposed convolution and its kin, padding, resizing, sampling, shuffles."""

import itertools
import math
from functools import partial

import numpy as np
from _case import Case, normal
from cases_conv import np_conv, np_pads

import jaxml.functional as F


def spread(y, w, x_shape, *, stride=1, padding=0, dilation=1, groups=1):
    """Each y adds its kernel to x, place by place: the adjoint of `np_conv`. w is (*k, C/groups, O), O those of y."""
    n = w.ndim - 2
    stride, dilation = ((v,) * n if isinstance(v, int) else v for v in (stride, dilation))
    pads = np_pads(padding, x_shape[1:-1], w.shape[:-2], stride, dilation)
    x = np.zeros((x_shape[0], *(size + sum(p) for size, p in zip(x_shape[1:-1], pads, strict=True)), x_shape[-1]))
    c_in, c_out = w.shape[-2], w.shape[-1] // groups
    for place in np.ndindex(*y.shape[1:-1]):
        for tap in np.ndindex(*w.shape[:-2]):
            at = tuple(o * s + t * d for o, s, t, d in zip(place, stride, tap, dilation, strict=True))
            for g in range(groups):
                outs = slice(g * c_out, (g + 1) * c_out)
                pixel = y[(slice(None), *place, outs)] @ w[(*tap, slice(None), outs)].T
                x[(slice(None), *at, slice(g * c_in, (g + 1) * c_in))] += pixel
    inner = tuple(slice(before, before + size) for (before, _), size in zip(pads, x_shape[1:-1], strict=True))
    return x[(slice(None), *inner)]


def np_conv_transpose(x, w, b, *, size, groups=1, **options):
    """By `spread`, whose kernel has its last two axes exchanged in each group; `size` is the result's."""
    parts = np.split(w, groups, -1)
    exchanged = np.concatenate([np.swapaxes(part, -1, -2) for part in parts], -1)
    return spread(x, exchanged, (x.shape[0], *size, w.shape[-1]), groups=groups, **options) + b


def np_weight_grad(x, dy, *, window, stride, padding, groups):
    """Linear in the kernel: one entry after the other."""
    w = np.zeros((*window, x.shape[-1] // groups, dy.shape[-1]))
    for place in np.ndindex(*w.shape):
        one = np.zeros_like(w)
        one[place] = 1
        w[place] = (np_conv(x, one, stride=stride, padding=padding, groups=groups) * dy).sum()
    return w


def np_unfold(x, *, window, stride, padding, dilation):
    taps, c = math.prod(window), x.shape[-1]
    one_hot = np.eye(taps * c).reshape(*window, c, taps * c)
    return np_conv(x, one_hot, stride=stride, padding=padding, dilation=dilation)


def np_fold(y, *, output_size, window, **options):
    c = y.shape[-1] // math.prod(window)
    one_hot = np.eye(y.shape[-1]).reshape(*window, c, y.shape[-1])
    return spread(y, one_hot, (y.shape[0], *output_size, c), **options)


def keys(t, a):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def tent(t):
    return max(0.0, 1 - abs(t))


def row(mode, o, size, scale, *, aligned=False, antialias=False):
    """The weights of all pixels of one axis in pixel `o` of the result, from the definition."""
    weights = np.zeros(size)
    src = o * scale if aligned else (o + 0.5) * scale - 0.5
    if mode in ("nearest", "nearest-exact"):
        weights[min(math.floor((o + 0.5 * (mode != "nearest")) * scale), size - 1)] = 1
    elif mode == "area":
        weights[math.floor(o * scale) : math.ceil((o + 1) * scale)] = 1
    elif antialias:
        widen = max(scale, 1)
        weights[:] = [
            tent((i - src) / widen) if "linear" in mode else keys((i - src) / widen, -0.5) for i in range(size)
        ]
    else:  # the edge pixels stand for all beyond them
        for i in range(-3, size + 3):
            weights[min(max(i, 0), size - 1)] += tent(i - src) if "linear" in mode else keys(i - src, -0.75)
    return weights / weights.sum()


def np_interpolate(x, *, size, scale, mode, **options):
    for axis, (out, step) in enumerate(zip(size, scale, strict=True), 1):
        matrix = np.stack([row(mode, o, x.shape[axis], step, **options) for o in range(out)])
        x = np.moveaxis(np.tensordot(x, matrix, (axis, 1)), -1, axis)
    return x


def np_grid_sample(x, grid, *, mode="bilinear", padding_mode="zeros", align_corners=False):
    """Every place by itself, summed over all pixels there could be around it."""
    n, size = x.ndim - 2, x.shape[1:-1]
    y = np.zeros((*grid.shape[:-1], x.shape[-1]))

    def inside(p, count):
        if padding_mode == "reflection":
            low, high = (0, count - 1) if align_corners else (-0.5, count - 0.5)
            while not low <= p <= high:
                p = 2 * low - p if p < low else 2 * high - p
        return p if padding_mode == "zeros" else min(max(p, 0), count - 1)

    for place in np.ndindex(*grid.shape[:-1]):
        taps = []
        for axis, count in enumerate(size):
            g = grid[place][n - 1 - axis]
            p = (g + 1) / 2 * (count - 1) if align_corners else ((g + 1) * count - 1) / 2
            if mode == "bicubic":
                near = [(inside(i, count), keys(i - p, -0.75)) for i in range(math.floor(p) - 1, math.floor(p) + 3)]
            elif mode == "nearest":
                near = [(round(inside(p, count)), 1.0)]
            else:
                p = inside(p, count)
                near = [(i, tent(i - p)) for i in (math.floor(p), math.floor(p) + 1)]
            taps.append([(int(i), share) for i, share in near if 0 <= i <= count - 1])
        for corner in itertools.product(*taps):
            at, shares = zip(*corner, strict=True)
            y[place] += math.prod(shares) * x[(place[0], *at)]
    return y


def places(x, grid):
    """An image, and places that reach beyond its edges."""
    return lambda rng, dtype: (rng.standard_normal(x).astype(dtype), rng.uniform(-2, 2, grid).astype(dtype))


def np_affine_grid(theta, *, output_size):
    ends = [(2 * np.arange(size) + 1) / size - 1 for size in output_size]
    points = np.stack([*np.meshgrid(*ends, indexing="ij")[::-1], np.ones(output_size)], -1)
    return np.einsum("nij,...j->n...i", theta, points)


def np_channel_shuffle(x, groups):
    per_group = x.shape[-1] // groups
    return np.stack([x[..., g * per_group + k] for k in range(per_group) for g in range(groups)], -1)


def np_pixel_shuffle(x, r):
    n, h, w, c = x.shape
    y = np.zeros((n, h * r, w * r, c // (r * r)))
    for a, b, k in np.ndindex(h * r, w * r, c // (r * r)):
        y[:, a, b, k] = x[:, a // r, b // r, (k * r + a % r) * r + b % r]
    return y


def np_pixel_unshuffle(x, r):
    n, h, w, c = x.shape
    y = np.zeros((n, h // r, w // r, c * r * r))
    for a, b, k in np.ndindex(h, w, c):
        y[:, a // r, b // r, (k * r + a % r) * r + b % r] = x[:, a, b, k]
    return y


def transposed(name, f, shapes, size, **options):
    reference = {k: v for k, v in options.items() if k != "output_padding"}
    reference = partial(np_conv_transpose, size=size, **reference)
    return Case(f"{f.__name__}/{name}", partial(f, **options), normal(*shapes), reference, None, (0, 1, 2))


def conv_grads(n, x, w, **options):
    """The two gradients of one convolution."""
    kernel, size, groups = w[:-2], x[1:-1], options.get("groups", 1)
    dy = np_conv(np.zeros(x), np.zeros(w), **options).shape
    weight = {"window": kernel, "stride": options["stride"], "padding": options["padding"], "groups": groups}
    for name, reference, shapes, more in (
        ("input_grad", partial(spread, x_shape=x, **options), (dy, w), {"input_size": size}),
        ("weight_grad", partial(np_weight_grad, **weight), (x, dy), {"window": kernel}),
    ):
        f = getattr(F, f"conv{n}d_{name}")
        yield Case(f.__name__, partial(f, **options, **more), normal(*shapes), reference, None, (0, 1))


PATCHES = {"window": (3, 2), "stride": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 2)}
IMAGE = (2, 5, 4, 3)


def resized(mode, shape, size, *, scale_factor=None, align_corners=False, antialias=False):
    options = {"scale_factor": scale_factor} if scale_factor else {"output_size": size}
    scale = [1 / scale_factor if scale_factor else n / m for n, m in zip(shape[1:-1], size, strict=True)]
    if align_corners:
        scale = [(n - 1) / (m - 1) for n, m in zip(shape[1:-1], size, strict=True)]
    fn = partial(F.interpolate, mode=mode, align_corners=align_corners, antialias=antialias, **options)
    more = {"aligned": align_corners, "antialias": antialias}
    return Case(
        f"interpolate/{mode}{'/aligned' * align_corners}{'/antialias' * antialias}{'/factor' * bool(scale_factor)}",
        fn, normal(shape), partial(np_interpolate, size=size, scale=scale, mode=mode, **more),
    )  # fmt: skip


def sampled(mode, padding_mode, align_corners, shapes):
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    return Case(
        f"grid_sample/{mode}/{padding_mode}", partial(F.grid_sample, **options), places(*shapes),
        partial(np_grid_sample, **options), None, (0, 1),
    )  # fmt: skip


FLAT, DEEP = ((2, 4, 3, 3), (2, 3, 2, 2)), ((1, 3, 2, 4, 2), (1, 2, 1, 2, 3))

CASES = [
    transposed("same", F.conv_transpose1d, ((2, 5, 3), (4, 3, 5), (5,)), (10,), stride=2, padding="SAME"),
    transposed("cut", F.conv_transpose2d, ((2, 3, 4, 4), (3, 2, 2, 6), (6,)), (5, 11),
               stride=(2, 3), padding=((1, 2), (0, 1)), output_padding=(1, 0), dilation=(1, 2), groups=2),
    transposed("depthwise", F.conv_transpose2d, ((2, 3, 4, 4), (3, 3, 1, 4), (4,)), (6, 8),
               stride=2, padding=1, output_padding=1, groups=4),
    transposed("valid", F.conv_transpose3d, ((1, 2, 3, 2, 3), (2, 1, 3, 3, 2), (2,)), (4, 5, 5),
               stride=2, padding="VALID"),
    *conv_grads(1, (2, 7, 3), (3, 3, 4), stride=2, padding="SAME"),
    *conv_grads(2, (2, 5, 4, 4), (3, 2, 2, 6), stride=(2, 1), padding=((1, 0), (1, 1)), groups=2),
    *conv_grads(3, (1, 3, 2, 4, 2), (2, 2, 3, 2, 3), stride=1, padding="SAME"),
    Case("unfold", partial(F.unfold, **PATCHES), normal(IMAGE), partial(np_unfold, **PATCHES)),
    Case("fold", partial(F.fold, output_size=(5, 4), **PATCHES), normal((2, 2, 4, 18)),
         partial(np_fold, output_size=(5, 4), **PATCHES)),
    *(
        Case(f"pad/{mode}", partial(F.pad, padding=((1, 2), (0, 3)), mode=mode), normal(IMAGE),
             lambda x, name=name: np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0)), name))
        for mode, name in zip(
            ("constant", "reflect", "replicate", "circular"), ("constant", "reflect", "edge", "wrap"), strict=True
        )
    ),
    resized("nearest", (2, 5, 3), (9,), scale_factor=1.8),
    resized("nearest-exact", (2, 5, 3), (8,)),
    resized("area", IMAGE, (3, 7)),
    resized("bilinear", IMAGE, (3, 7)),
    resized("bilinear", (2, 37, 4, 1), (2, 5), antialias=True),
    resized("bicubic", IMAGE, (3, 7), align_corners=True),
    resized("bicubic", IMAGE, (3, 7), antialias=True),
    resized("trilinear", (1, 3, 2, 4, 2), (7, 2, 3)),
    sampled("bilinear", "zeros", False, FLAT),
    sampled("nearest", "border", True, FLAT),
    sampled("bicubic", "reflection", False, FLAT),
    sampled("trilinear", "reflection", True, DEEP),
    Case("affine_grid", partial(F.affine_grid, output_size=(3, 4)), normal((2, 2, 3)),
         partial(np_affine_grid, output_size=(3, 4))),
    Case("pixel_shuffle", partial(F.pixel_shuffle, upscale_factor=2), normal((2, 2, 3, 8)),
         partial(np_pixel_shuffle, r=2)),
    Case("pixel_unshuffle", partial(F.pixel_unshuffle, downscale_factor=2), normal((2, 4, 6, 2)),
         partial(np_pixel_unshuffle, r=2)),
    Case("channel_shuffle", partial(F.channel_shuffle, groups=3), normal((2, 3, 6)),
         partial(np_channel_shuffle, groups=3)),
]  # fmt: skip
