"""Elementwise operations: one FLOP an element, transcendentals apart, conversions nothing."""

from typing import Any

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, is_complex, rule, size

# Real operations in one complex operation; the others make two, one for each part.
COMPLEX = {"mul": 6, "square": 5, "div": 11, "abs": 3}

ARITHMETIC = (
    "add", "sub", "mul", "div", "rem", "neg", "abs", "sign", "max", "min", "square", "add_any", "mulhi", "nextafter",
    "floor", "ceil", "round", "eq", "ne", "lt", "le", "gt", "ge", "eq_to", "lt_to", "le_to", "and", "or", "xor", "not",
    "is_finite", "select_n", "shift_left", "shift_right_logical", "shift_right_arithmetic", "population_count", "clz",
    "conj", "reciprocal", "add_jaxvals",
)  # fmt: skip
TRANSCENDENTAL = (
    "exp", "exp2", "expm1", "log", "log1p", "pow", "sqrt", "rsqrt", "cbrt", "logistic", "sin", "cos", "tan", "asin",
    "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "erf_inv", "lgamma",
    "digamma", "igamma", "igammac", "igamma_grad_a", "polygamma", "zeta", "bessel_i0e", "bessel_i1e",
    "regularized_incomplete_beta",
)  # fmt: skip


def real_operations(name: str, aval: Any) -> int:
    """What the operation `name` on one element of this type makes."""
    return COMPLEX.get(name, 2) if is_complex(aval) else 1


@rule(*ARITHMETIC)
def arithmetic(call: Call) -> Cost:
    return Cost(other=call.size * real_operations(call.name, call.inputs[-1]))


@rule("addupdate")
def addupdate(call: Call) -> Cost:
    """`ref[...] += x` has no output; x is the second operand."""
    return Cost(other=size(call.inputs[1]) * real_operations("add", call.inputs[1]))


@rule(*TRANSCENDENTAL)
def transcendental(call: Call) -> Cost:
    return Cost(transcendentals=call.size)


@rule("clamp")
def clamp(call: Call) -> Cost:
    return Cost(other=2 * call.size)


@rule("integer_pow")
def integer_pow(call: Call) -> Cost:
    """Squarings and products of the binary method, and a division for a negative exponent."""
    y, x = abs(call.params["y"]), call.inputs[0]
    products = max(y.bit_length() - 1 + y.bit_count() - 1, 0) * real_operations("mul", x)
    divisions = real_operations("div", x) if call.params["y"] < 0 else 0
    return Cost(other=call.size * (products + divisions))
