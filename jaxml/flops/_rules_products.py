"""Matrix products: the MACs of everything but convolutions."""

import math

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, is_complex, rule, size


def macs(call: Call, n: int) -> Cost:
    """A complex multiply-add is four real ones."""
    return Cost(macs=4 * n if any(map(is_complex, call.outputs)) else n)


@rule("dot_general")
def dot_general(call: Call) -> Cost:
    """Every element of the product sums over what is contracted."""
    (contracted, _), _ = call.params["dimension_numbers"]
    return macs(call, call.size * math.prod(call.inputs[0].shape[d] for d in contracted))


@rule("ragged_dot_general", "ragged_dot")
def ragged_dot_general(call: Call) -> Cost:
    """Every row of the left operand meets the matrix of its own group alone; the sizes are taken to fill the rows."""
    numbers = call.params["ragged_dot_dimension_numbers"]
    (_, contracted), (_, batch) = numbers.dot_dimension_numbers
    taken = {*contracted, *batch, *numbers.rhs_group_dimensions}
    free = math.prod(n for d, n in enumerate(call.inputs[1].shape) if d not in taken)
    return macs(call, size(call.inputs[0]) * free)


@rule("scaled_matmul", "scaled_matmul_wrapper", "scaled_dot")
def scaled_dot(call: Call) -> Cost:
    """A product of numbers in blocks, each number multiplied by the scale of its block first."""
    a, b = call.inputs[:2]
    (contracted, _), _ = call.params.get("dimension_numbers", (((2,), (2,)), ((0,), (0,))))
    return Cost(macs=call.size * math.prod(a.shape[d] for d in contracted), other=size(a) + size(b))


@rule("symmetric_product")
def symmetric_product(call: Call) -> Cost:
    """`alpha a aᵀ + beta c`."""
    return Cost(macs=size(call.inputs[0]) * call.inputs[0].shape[-2], other=3 * call.size)
