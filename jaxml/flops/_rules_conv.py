"""Convolutions: forward, transposed, and the gradients of either, which are convolutions too.

One formula ties an input, a tap of the kernel and an output together, so the gradients are convolutions with the three
in other places:

    (input, kernel -> output)   forward         (output, kernel -> input)   d/dx
    (input, output -> kernel)   d/dw            and (kernel, output -> input), (output, input -> kernel), theirs in turn

A tap that reads padding counts. In a gradient the same tap is an output that is cut off, or a product beyond the edge:
so each is counted as the forward pass it belongs to, in which every output meets every tap of the kernel; or in a
transposed convolution, every input does.
"""

import math
from typing import Any

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, rule
from jaxml.flops._rules_products import macs
from jaxml.flops._taps import Axis, pairs, read_pairs

FORWARD = ("input", "kernel", "output")  # what the left operand, the right one and the result are


@rule("conv_general_dilated")
def conv_general_dilated(call: Call) -> Cost:
    """The taps along every axis, for each pair of an output and an input channel that a group has, and each image."""
    numbers, rhs, out = call.params["dimension_numbers"], call.inputs[1], call.outputs[0]
    axes = _axes(call)
    if call.padding == "exclude":
        taps = math.prod(map(read_pairs, axes))
    else:
        counted = _counted(_roles(call), axes)
        taps = math.prod(pairs(axis, counted) for axis in axes)
    images, channels = (out.shape[d] for d in numbers.out_spec[:2])
    return macs(call, taps * images * channels * rhs.shape[numbers.rhs_spec[1]])


def _axes(call: Call) -> list[Axis]:
    numbers, p = call.params["dimension_numbers"], call.params
    shapes = zip(
        (call.inputs[0].shape[d] for d in numbers.lhs_spec[2:]),
        (call.inputs[1].shape[d] for d in numbers.rhs_spec[2:]),
        (call.outputs[0].shape[d] for d in numbers.out_spec[2:]),
        p["window_strides"],
        p["lhs_dilation"],
        p["rhs_dilation"],
        p["padding"],
        strict=True,
    )
    return [Axis(*sizes, before=pads[0]) for *sizes, pads in shapes]


def _roles(call: Call) -> tuple[str, str, str]:
    """Which of the three arrays each of the operands and the result is.

    JAX's transposition leaves marks: its name; a sum over the batch has the batch where the channels are otherwise, as
    the only layouts that anybody uses have them; and what must run backwards has been through `lax.rev`.
    """
    numbers = call.params["dimension_numbers"]
    if not call.transposed:
        return FORWARD
    if numbers.lhs_spec[0] > numbers.lhs_spec[1]:
        later = call.reversed_later and call.transposed > 1
        return ("output", "input", "kernel") if later else ("input", "output", "kernel")
    if not any(call.reversed[1:2]):
        return FORWARD
    if numbers.out_spec[0] > numbers.out_spec[1]:
        return ("kernel", "output", "input")
    return ("output", "kernel", "input")


def _counted(roles: tuple[str, str, str], axes: list[Axis]) -> tuple[int, int]:
    """Which two of left operand, right operand and result count with all their pairs.

    They are output and kernel; but input and kernel where the forward pass has zeros between its inputs and no strides,
    which makes it a transposed convolution. A step between the elements of one array is the same step in each of the
    forms: between outputs the stride, between inputs the zeros, between taps the dilation.
    """
    step: dict[str, Any] = {
        roles[0]: max(axis.lhs_step for axis in axes),
        roles[1]: max(axis.rhs_step for axis in axes),
        roles[2]: max(axis.out_step for axis in axes),
    }
    transposed = step["input"] > 1 and step["output"] == 1
    return roles.index("input" if transposed else "output"), roles.index("kernel")
