"""One layer in other layouts and dtypes: is it the format that makes a separable layer slow?"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from jax import Array, lax

from benchmarks._directions import programs
from benchmarks._measure import Candidate, compiled, measure
from benchmarks._pair import arrays, counts, separable, standard
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._shape import Shape

SPEEDUPS = (
    ("separable", "standard"),
    ("stock-nhwc", "standard-nhwc"),
    ("stock-nchw", "standard-nchw"),
    ("separable", "stock-nhwc"),
    ("separable", "stock-nchw"),
)


def compare(shape: Shape, dtype: str, settings: Settings) -> Row:
    """Forward, channels last and channels first; jaxml's own forms are channels last."""
    settings = replace(settings, dtype=dtype)
    batch = settings.examples()
    row = Row(f"{dtype} {shape}", {**counts(shape, batch, dtype), "section": "formats", "dtype": dtype})
    x, g, w, *pair = arrays(shape, batch, settings)
    x_first = x.transpose(0, 3, 1, 2)
    forms: dict[str, tuple[Callable[..., Array], Array, tuple[Array, ...]]] = {
        "standard": (standard(shape), x, (w,)),
        "separable": (separable(shape), x, tuple(pair)),
    }
    for layout, image in (("NHWC", x), ("NCHW", x_first)):
        conv = partial(_conv, layout, shape)
        forms[f"standard-{layout.lower()}"] = partial(conv, 1), image, (w,)
        forms[f"stock-{layout.lower()}"] = partial(_separable, layout, shape), image, tuple(pair)
    candidates: dict[str, Callable[[], Candidate]] = {
        name: partial(compiled, programs(f)["forward"], image, weights, g)
        for name, (f, image, weights) in forms.items()
    }
    measure(row, "forward", candidates, settings, speedups=SPEEDUPS)
    return row


def _conv(layout: str, shape: Shape, groups: int, x: Array, w: Array) -> Array:
    half = w.shape[0] // 2
    padding = [(half, half)] * 2
    strides = (shape.stride if w.shape[0] > 1 else 1,) * 2
    return lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=(layout, "HWIO", layout), feature_group_count=groups
    )


def _separable(layout: str, shape: Shape, x: Array, wd: Array, wp: Array) -> Array:
    return _conv(layout, shape, 1, _conv(layout, shape, shape.in_channels, x, wd), wp[None, None])
