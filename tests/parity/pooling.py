"""Claims and coverage: pooling."""

import math

import numpy as np

import jaxml.functional as F
from jaxml.functional._fractional_pool import pool_at

from ._claim import Claim, first, last
from ._row import Row

SHAPES = {1: (2, 7, 3), 2: (2, 7, 6, 3), 3: (1, 5, 4, 6, 2)}
WINDOWS = {1: (2, 3), 2: (2, (3, 2), 3), 3: (2, (2, 1, 3))}
SIZES = {1: (1, 3, 7, 9), 2: (1, (3, 4), (7, 2), (None, 4), (8, 3)), 3: (1, (5, 3, 4), (2, 2, 2), (None, 5, 7))}
GRID = {"stride": (None, 1, 2, 3), "padding": (0, 1), "ceil": (False, True)}


def drawn(n, positive=False):
    def make(rng, options):
        x = rng.standard_normal(SHAPES[n])
        return [abs(x) + 0.1 if positive else x]

    return make


def tied(n):
    """Few values, so that the largest entry of most windows occurs more than once."""
    return lambda rng, options: [rng.integers(-2, 2, SHAPES[n]).astype(float)]


def half(options):
    """PyTorch refuses padding beyond half of the window, which is 2 at least but for one entry of (2, 1, 3)."""
    return not (
        options["padding"] and 1 in ((options["window"],) if isinstance(options["window"], int) else options["window"])
    )


def max_pool(n):
    def theirs(torch, x, *, window, stride, padding, ceil, dilation):
        return last(getattr(torch.nn.functional, f"max_pool{n}d")(first(x), window, stride, padding, dilation, ceil))

    name = f"max_pool{n}d"
    grid = {"window": WINDOWS[n], **GRID, "dilation": (1, 2)}
    return Claim(name, f"nn.functional.{name}", tied(n), getattr(F, name), theirs, grid, half)


def with_indices(n):
    def theirs(torch, x, *, window, stride, padding, ceil, dilation):
        pool = getattr(torch.nn.functional, f"max_pool{n}d")
        return [last(y) for y in pool(first(x), window, stride, padding, dilation, ceil, return_indices=True)]

    name = f"max_pool{n}d_with_indices"
    grid = {"window": WINDOWS[n], **GRID, "dilation": (1, 2)}
    return Claim(name, f"nn.functional.{name}", tied(n), getattr(F, name), theirs, grid, half)


def avg_pool(n):
    def theirs(torch, x, *, window, stride, padding, ceil, count_include_pad, **options):
        pool = getattr(torch.nn.functional, f"avg_pool{n}d")
        return last(pool(first(x), window, stride, padding, ceil, count_include_pad, **options))

    name = f"avg_pool{n}d"
    grid = {"window": WINDOWS[n], **GRID, "count_include_pad": (False, True)}
    if n > 1:  # PyTorch has it of two axes and three
        grid["divisor_override"] = (None, 3)
    return Claim(name, f"nn.functional.{name}", drawn(n), getattr(F, name), theirs, grid, half)


def adaptive(kind, n):
    def theirs(torch, x, *, output_size):
        return last(getattr(torch.nn.functional, name)(first(x), output_size))

    name = f"adaptive_{kind}_pool{n}d"
    make = tied(n) if kind == "max" else drawn(n)
    return Claim(name, f"nn.functional.{name}", make, getattr(F, name), theirs, {"output_size": SIZES[n]})


def lp_pool(n, orders, positive):
    def theirs(torch, x, *, order, window, stride, ceil):
        return last(getattr(torch.nn.functional, f"lp_pool{n}d")(first(x), order, window, stride, ceil))

    name = f"lp_pool{n}d"
    grid = {"order": orders, "window": WINDOWS[n], "stride": GRID["stride"], "ceil": GRID["ceil"]}
    return Claim(
        name, f"nn.functional.{name}", drawn(n, positive), getattr(F, name), theirs, grid,
        variant="positive" if positive else "signed",
    )  # fmt: skip


def fractional(n):
    """The windows that given draws mean; the draws themselves are JAX's."""

    def make(rng, options):
        x = rng.standard_normal(SHAPES[n])
        return [x, rng.random((x.shape[0], n, x.shape[-1]))]

    def ours(x, u, *, window, output_size):
        return pool_at(x, u, (window,) * n, output_size)

    def theirs(torch, x, u, *, window, output_size):
        samples = u.movedim(1, -1).flip(-1) if n == 2 else u.movedim(1, -1)  # of two axes PyTorch draws the last first
        pool = getattr(torch.nn.functional, f"fractional_max_pool{n}d")
        return last(pool(first(x), window, output_size=output_size, _random_samples=samples))

    name = f"fractional_max_pool{n}d"
    sizes = ((4, 3), (5, 4), (1, 2)) if n == 2 else ((3, 2, 4), (1, 2, 2))  # PyTorch wants one position to spare
    return Claim(name, f"nn.functional.{name}", make, ours, theirs, {"window": (1, 2), "output_size": sizes})


def unpool(n):
    def make(rng, options):
        batch, *out, channels = SHAPES[n]
        small = [m // 2 for m in out]
        places = rng.permuted(np.tile(np.arange(math.prod(out)), (batch, channels, 1)), axis=-1)
        places = places[..., : math.prod(small)]
        places = places.swapaxes(1, 2).reshape(batch, *small, channels)
        return [rng.standard_normal(places.shape), places]

    def theirs(torch, x, indices, *, window, **options):
        return last(getattr(torch.nn.functional, f"max_unpool{n}d")(first(x), first(indices), window, **options))

    name, size = f"max_unpool{n}d", SHAPES[n][1:-1]
    grid = {"window": (2, 3, 4), "stride": (2,), "padding": (0, 1), "output_size": (size,)}
    return Claim(
        name, f"nn.functional.{name}", make, getattr(F, name), theirs, grid,
        lambda o: (o["window"] == 4) == o["padding"],
    )  # fmt: skip


CLAIMS = [
    *(f(n) for f in (max_pool, avg_pool, with_indices, unpool) for n in (1, 2, 3)),
    *(adaptive(kind, n) for kind in ("avg", "max") for n in (1, 2, 3)),
    *(lp_pool(n, (2, 4, math.inf), False) for n in (1, 2, 3)),
    *(lp_pool(n, (1, 1.5, 3), True) for n in (1, 2, 3)),
    *(fractional(n) for n in (2, 3)),
]

WORDS = "`kernel_size` is called `window`, `ceil_mode` `ceil`"
SIGNED = "of |x|: where a sum of odd powers is negative, PyTorch's root is NaN; `norm_type` is called `order`"
ROWS = [
    *(Row((f"max_pool{n}d",), ("ops.max_pool",), f"max_pool{n}d", reason=WORDS) for n in (1, 2, 3)),
    *(
        Row((f"avg_pool{n}d",), ("ops.average_pool",), f"avg_pool{n}d", reason="`count_include_pad` defaults to False")
        for n in (1, 2, 3)
    ),
    *(
        Row(
            (f"max_pool{n}d_with_indices",), (), f"max_pool{n}d_with_indices",
            reason="`return_indices=True` of `max_pool`; places within an image, without the channels last in them",
        )
        for n in (1, 2, 3)
    ),
    *(
        Row((f"max_unpool{n}d",), (), f"max_unpool{n}d", reason="a place beyond the image is left out, not an error")
        for n in (1, 2, 3)
    ),
    *(
        Row((f"adaptive_avg_pool{n}d",), ("ops.adaptive_average_pool",), f"adaptive_avg_pool{n}d") for n in (1, 2, 3)
    ),
    *(
        Row((f"adaptive_max_pool{n}d",), ("ops.adaptive_max_pool",), f"adaptive_max_pool{n}d", reason="without indices")
        for n in (1, 2, 3)
    ),
    *(Row((f"lp_pool{n}d",), (), f"lp_pool{n}d", reason=SIGNED) for n in (1, 2, 3)),
    *(
        Row(
            (f"fractional_max_pool{n}d",), (), f"fractional_max_pool{n}d",
            reason="the same windows for the same draws; a key for them; `output_ratio` is `scale_factor`",
        )
        for n in (2, 3)
    ),
    Row((), ("GlobalAveragePooling2D",), "global_avg_pool"),
    Row((), ("GlobalMaxPooling2D",), "global_max_pool"),
    Row((), ("min_pool of flax",), reason="`-max_pool(-x)`"),
    Row((), ("soft and stochastic pooling",), reason="in none of the libraries compared with"),
    Row(
        (), (),
        reason="blur pooling is `depthwise_conv2d` of a fixed kernel; RoI pooling and RoIAlign (torchvision.ops) are "
        "of detectors, and made of `grid_sample` and `avg_pool2d`",
    ),
]  # fmt: skip
