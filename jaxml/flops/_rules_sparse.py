"""Sparse arrays of `jax.experimental.sparse`: what is stored counts, zeros do not.

Entries stored twice, or beyond the edge as JAX pads them, are stored and count: which they are is data.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from jaxml.flops._calls import CALLS
from jaxml.flops._cost import Cost
from jaxml.flops._facts import Fact
from jaxml.flops._rules import Call, rule, size
from jaxml.flops._rules_elementwise import real_operations
from jaxml.flops._rules_products import macs
from jaxml.flops._tally import Scope, Tally
from jaxml.flops._walk import Walker


@rule("bcoo_dot_general", "bcsr_dot_general")
def sparse_dot_general(call: Call) -> Cost:
    """Every stored element of the left operand meets all of the right one that is neither contracted nor batch."""
    rhs = call.inputs[-1]
    (_, contracted), (_, batch) = call.params["dimension_numbers"]
    free = math.prod(n for d, n in enumerate(rhs.shape) if d not in (*contracted, *batch))
    return macs(call, size(call.inputs[0]) * free)


@rule("coo_matvec", "coo_matmat", "csr_matvec", "csr_matmat")
def sparse_matmul(call: Call) -> Cost:
    """Every stored element meets a number, or a row of numbers."""
    return macs(call, size(call.inputs[0]) * math.prod(call.inputs[-1].shape[1:]))


@rule("coo_todense", "csr_todense")
def todense(call: Call) -> Cost:
    """What is stored is added to zeros, since it may be stored twice."""
    return Cost(other=size(call.inputs[0]) * real_operations("add", call.inputs[0]))


def by_implementation(walker: Walker, eqn: Any, scope: Scope, known: Sequence[Fact], tally: Tally) -> list[Fact]:
    """These carry, as their `impl`, a function in JAX's own terms, as jaxml's primitives carry `plain`."""
    cost = walker._plain(partial(eqn.primitive.impl, **eqn.params), eqn, scope, tally)
    walker.seen(eqn, cost)
    tally.add(scope, eqn.primitive.name, cost)
    return []


CALLS |= dict.fromkeys(
    (
        "bcoo_todense", "bcoo_fromdense", "bcoo_extract", "bcoo_transpose", "bcoo_dot_general_sampled",
        "bcoo_spdot_general", "bcoo_sort_indices", "bcoo_sum_duplicates", "bcsr_todense", "bcsr_fromdense",
        "bcsr_extract",
    ),
    by_implementation,
)  # fmt: skip
