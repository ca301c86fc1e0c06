"""Random bits: the integer operations of the generator, which count like any others."""

from typing import Any

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, nbytes, rule, size

# Threefry-2x32, 20 rounds of add, rotate (3) and xor, 5 key injections of 3 and 4 to begin: for two words of 32 bits.
THREEFRY = 20 * 5 + 5 * 3 + 4
# Philox-4x32, 10 rounds of 4 products, 4 xors and 2 additions: for four words.
PHILOX = 10 * 10


def _generate(key: Any, words: int) -> int:
    if "fry" in str(getattr(key, "dtype", "fry")):
        return -(-words // 2) * THREEFRY
    return -(-words // 4) * PHILOX


@rule("threefry2x32")
def threefry2x32(call: Call) -> Cost:
    return Cost(other=call.size * THREEFRY)


@rule("random_bits")
def random_bits(call: Call) -> Cost:
    return Cost(other=_generate(call.inputs[0], -(-nbytes(call.outputs[0]) // 4)))


@rule("random_split", "random_fold_in")
def random_keys(call: Call) -> Cost:
    """A key is two words."""
    return Cost(other=_generate(call.inputs[0], 2 * call.size))


@rule("random_seed")
def random_seed(call: Call) -> Cost:
    """The two halves of the seed."""
    return Cost()


@rule("rng_bit_generator")
def rng_bit_generator(call: Call) -> Cost:
    return Cost(other=-(-nbytes(call.outputs[1]) // 16) * PHILOX)


@rule("rng_uniform")
def rng_uniform(call: Call) -> Cost:
    return Cost(other=-(-size(call.outputs[0]) // 4) * PHILOX + 2 * call.size)
