"""One layer, standard against depthwise separable: what both cost and how long both take."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

import jaxml.functional as F
from benchmarks import _torch_peers
from benchmarks._directions import programs
from benchmarks._measure import compiled, measure
from benchmarks._random import normal
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._shape import Shape
from jaxml import flops

SPEEDUPS = (
    ("separable", "standard"),
    ("stock", "standard"),
    ("separable", "stock"),
    ("torch-separable", "torch-standard"),
    ("separable", "torch-separable"),
)


def compare(shape: Shape, settings: Settings, directions: Sequence[str]) -> Row:
    """The counts of both forms, and the time of each in every direction, in interleaved rounds."""
    batch = settings.examples()
    row = Row(str(shape), counts(shape, batch, settings.dtype))
    x, g, *weights = arrays(shape, batch, settings)
    forms: dict[str, tuple[Callable[..., Array], tuple[Array, ...]]] = {
        "standard": (standard(shape), tuple(weights[:1])),
        "separable": (separable(shape), tuple(weights[1:])),
        "stock": (_stock(shape), tuple(weights[1:])),
    }
    for what in directions:
        # Stock JAX's depthwise derivatives take most of a second here; the `depthwise` suite times them.
        candidates: _torch_peers.Builders = {
            name: partial(compiled, programs(f)[what], x, w, g)
            for name, (f, w) in forms.items()
            if what == "forward" or name != "stock"
        }
        if settings.peers and what in ("forward", "gradient"):
            candidates |= _torch_peers.pair(shape, x, weights, gradient=what == "gradient")
        measure(row, what, candidates, settings, speedups=SPEEDUPS)
        speedup = row.speedup(what, "separable", "standard")
        if speedup is not None:
            row.facts[f"{what}_share"] = speedup / row.facts["saving"]
    return row


def standard(shape: Shape) -> Callable[..., Array]:
    return lambda x, w: F.conv2d(x, w, stride=shape.stride, padding=shape.kernel // 2)


def separable(shape: Shape) -> Callable[..., Array]:
    return lambda x, wd, wp: F.separable_conv2d(x, wd, wp, stride=shape.stride, padding=shape.kernel // 2)


def _stock(shape: Shape) -> Callable[..., Array]:
    """What plain JAX does for the same layer: two `lax` convolutions."""

    def conv(x: Array, w: Array, stride: int, padding: int, groups: int) -> Array:
        return lax.conv_general_dilated(
            x, w, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
        )  # fmt: skip

    def both(x: Array, wd: Array, wp: Array) -> Array:
        y = conv(x, wd, shape.stride, shape.kernel // 2, shape.in_channels)
        return conv(y, wp[None, None], 1, 0, 1)

    return both


def arrays(shape: Shape, batch: int, settings: Settings) -> list[Array]:
    """Image, output's cotangent, standard kernel, depthwise kernel, pointwise kernel."""
    k, c, n = shape.kernel, shape.in_channels, shape.out_channels
    images = [(batch, shape.size, shape.size, c), (batch, shape.out, shape.out, n)]
    shapes = [*images, (k, k, c, n), (k, k, 1, c), (c, n)]
    return normal(settings.seed, shapes, settings.dtype)


def counts(shape: Shape, batch: int, dtype: str) -> dict[str, Any]:
    """Parameters, MACs, bytes and intensity of both forms, and what is saved."""
    itemsize = jnp.dtype(dtype).itemsize
    size, c, n = (shape.size, shape.size), shape.in_channels, shape.out_channels
    out = (shape.out, shape.out)
    standard = flops.conv(batch, size, out, c, n, kernel=shape.kernel, itemsize=itemsize)
    separable = flops.separable(batch, size, out, c, n, kernel=shape.kernel, itemsize=itemsize)
    facts: dict[str, Any] = {"batch": batch, **vars(shape)}
    for name, cost in (("standard", standard), ("separable", separable)):
        facts |= {
            f"params_{name}": cost.params,
            f"macs_{name}": cost.macs,
            f"bytes_{name}": cost.bytes,
            f"intensity_{name}": cost.intensity,
        }
    ratio = separable.macs / standard.macs
    return facts | {"ratio": ratio, "theory": flops.separable_ratio(shape.kernel, n), "saving": 1 / ratio}
