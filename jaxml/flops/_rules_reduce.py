"""Reductions, windows, cumulative operations, sorting."""

import math

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, rule, size
from jaxml.flops._rules_elementwise import real_operations
from jaxml.flops._taps import Axis, met, pairs, read_pairs

# Operations of one step of a cumulative logaddexp: max, sub, abs, neg, add; exp and log1p.
LOGADDEXP, LOGADDEXP_TRANSCENDENTALS = 5, 2


@rule(
    "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_xor", "argmax", "argmin"
)
def reduce(call: Call) -> Cost:
    """n numbers take n - 1 operations."""
    return Cost(other=max(size(call.inputs[0]) - call.size, 0) * _each(call))


def _each(call: Call) -> int:
    return real_operations("mul" if "prod" in call.name else "add", call.inputs[0])


def window_steps(call: Call, output: int = 0) -> int:
    """Operations of all the windows: taps less one, for each output that has any.

    Taps on padding count as `padding` says.
    """
    p, spatial, out = call.params, call.inputs[0].shape, call.outputs[output].shape
    ones = (1,) * len(spatial)
    steps = p["window_strides"], p.get("base_dilation", ones), p.get("window_dilation", ones)
    before = [pads[0] for pads in p["padding"]]
    axes = list(map(Axis, spatial, p["window_dimensions"], out, *steps, before))
    read = call.padding == "exclude"
    taps = math.prod(read_pairs(axis) if read else pairs(axis, (1, 2)) for axis in axes)
    return taps - math.prod(met(axis, padding=not read) for axis in axes)


@rule("reduce_window_sum", "reduce_window_max", "reduce_window_min")
def reduce_window(call: Call) -> Cost:
    return Cost(other=window_steps(call) * _each(call))


@rule("select_and_gather_add")
def select_and_gather_add(call: Call) -> Cost:
    """Compare and select, for each step of a window."""
    return Cost(other=2 * window_steps(call))


@rule("select_and_scatter_add", "select_and_scatter")
def select_and_scatter(call: Call) -> Cost:
    """The gradient of max pooling: the comparisons of the forward pass, and one addition for each source element."""
    source, operand = call.inputs[0], call.inputs[1]
    if call.name == "select_and_scatter":
        operand, source = call.inputs[0], call.inputs[1]
    forward = Call("reduce_window_max", (operand,), (source,), call.params, call.padding)
    return Cost(other=window_steps(forward) + size(source) * real_operations("add", source))


@rule("cumsum", "cumprod", "cummax", "cummin")
def cumulative(call: Call) -> Cost:
    return Cost(other=_steps(call) * _each(call))


@rule("cumlogsumexp")
def cumlogsumexp(call: Call) -> Cost:
    return Cost(other=LOGADDEXP * _steps(call), transcendentals=LOGADDEXP_TRANSCENDENTALS * _steps(call))


def _steps(call: Call) -> int:
    """n - 1 along the axis: the least there is, not what a parallel form does."""
    length = call.inputs[0].shape[call.params["axis"]]
    return call.size // length * (length - 1) if length else 0


@rule("sort")
def sort(call: Call) -> Cost:
    """`n ceil(log2 n)` comparisons along the axis, of each key."""
    length = call.inputs[0].shape[call.params["dimension"]]
    return Cost(other=size(call.inputs[0]) * _log2(length) * call.params.get("num_keys", 1))


@rule("top_k", "approx_top_k")
def top_k(call: Call) -> Cost:
    """A heap of k: `n ceil(log2(k + 1))` comparisons."""
    return Cost(other=size(call.inputs[0]) * _log2(int(call.params["k"]) + 1))


def _log2(n: int) -> int:
    return max(n - 1, 0).bit_length()
