"""Suite `separable_conv`: separable layers against the standard convolutions they replace: MobileNetV1's own, then over
channels, kernel size and stride, then in other layouts and dtypes."""

from dataclasses import replace
from functools import partial

from benchmarks import _formats, _separable_report
from benchmarks._directions import chosen
from benchmarks._pair import compare
from benchmarks._results import Row
from benchmarks._settings import DTYPES, Settings
from benchmarks._shape import MOBILENET, Shape
from benchmarks._types import Suite, Task


def tasks(settings: Settings) -> list[Task]:
    """Three sections; a row of each says in its facts to which it belongs."""
    return [*_layers(settings), *_sweep(settings), *_other_formats(settings)]


def _layers(settings: Settings) -> list[Task]:
    shapes = settings.pick(tiny=[Shape(6, 4, 8, stride=2)], quick=MOBILENET, full=MOBILENET)
    return [(f"layer {shape}", partial(_timed, shape, "layers", "")) for shape in shapes]


def _sweep(settings: Settings) -> list[Task]:
    """One axis at a time away from a centre, which all three share."""
    channels = settings.pick(tiny=[8], quick=[16, 256], full=[8, 16, 32, 128, 256, 512])
    kernels = settings.pick(tiny=[5], quick=[5, 7], full=[5, 7, 9, 11])
    strides = settings.pick(tiny=[2], quick=[2], full=[2, 3, 4])
    centre = settings.pick(tiny=Shape(6, 4, 4), quick=Shape(28, 64, 64), full=Shape(28, 64, 64))
    swept = [
        ("centre", centre),
        *(("channels", replace(centre, in_channels=c, out_channels=c)) for c in channels),
        *(("kernel", replace(centre, kernel=k)) for k in kernels),
        *(("stride", replace(centre, stride=s)) for s in strides),
    ]
    return [(f"sweep {shape}", partial(_timed, shape, "sweep", axis)) for axis, shape in swept]


def _timed(shape: Shape, section: str, axis: str, settings: Settings) -> Row:
    """Layers in every direction; a sweep's rows in a short run forward alone."""
    short = section == "sweep" and settings.size != "full"
    row = compare(shape, settings, ["forward"] if short else chosen(settings))
    row.name = f"{section.removesuffix('s')} {shape}"
    row.facts |= {"section": section, "axis": axis}
    return row


def _other_formats(settings: Settings) -> list[Task]:
    shapes = settings.pick(tiny=[Shape(6, 4, 8)], quick=[MOBILENET[4]], full=[MOBILENET[i] for i in (0, 2, 4, 6)])
    dtypes = settings.pick(tiny=DTYPES[:1], quick=DTYPES[:2], full=DTYPES)
    return [(f"{dtype} {shape}", partial(_formats.compare, shape, dtype)) for shape in shapes for dtype in dtypes]


SUITE = Suite(
    "separable_conv",
    "Standard against depthwise-separable convolution",
    tasks,
    _separable_report.tables,
    _separable_report.summary,
)
