"""Random bits: the integer operations of the generator, which count like any others."""

from typing import Any

import jax

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, nbytes, rule, size

# Threefry: rounds of add, rotate (3 operations) and xor; key injections, with a counter; key and input to begin with.
THREEFRY = 20 * 5 + 5 * 3 + 4  # two words of 32 bits
THREEFRY4 = 20 * 10 + 5 * 5 + 8  # four words
# Philox: rounds of two products and two xors for two words; an addition for each word of the key in between.
PHILOX2 = 10 * 4 + 9 * 1
PHILOX4 = 10 * 8 + 9 * 2

# By the tag in the name of a key's type: the operations of a block, and those that make one number of up to 32 bits of
# it, or one of 64. These generators hash the position of each number, so that each takes a block of its own.
HASHES = {"fry": (THREEFRY, 1, 2), "fry4": (THREEFRY4, 3, 4), "phx2": (PHILOX2, 1, 2), "phx4": (PHILOX4, 3, 2)}
# A key of XLA's own generator is split as two Threefry keys; in the "unsafe" way by drawing ten for each.
KEYS = {"rbg": 2 * THREEFRY, "urbg": 10 * PHILOX4}


def _tag(key: Any) -> str:
    """`fry` of `key<fry>`."""
    tag = str(key.dtype).removeprefix("key<").removesuffix(">")
    return tag if tag in HASHES or tag in KEYS else "fry"


def _stream(array: Any, block: int, words: int) -> int:
    """Of a generator that uses all the words of its blocks."""
    return -(-nbytes(array) // (4 * words)) * block


@rule("threefry2x32", "threefry4x32", "philox2x32", "philox4x32")
def block(call: Call) -> Cost:
    blocks = {"threefry2x32": THREEFRY, "threefry4x32": THREEFRY4, "philox2x32": PHILOX2, "philox4x32": PHILOX4}
    return Cost(other=call.size * blocks[call.name])


@rule("random_bits")
def random_bits(call: Call) -> Cost:
    tag, out = _tag(call.inputs[0]), call.outputs[0]
    if tag in KEYS:
        return Cost(other=_stream(out, PHILOX4, 4))
    if tag == "fry" and not getattr(jax.config, "jax_threefry_partitionable", True):
        return Cost(other=_stream(out, THREEFRY, 2))
    hashed, narrow, wide = HASHES[tag]
    return Cost(other=call.size * (hashed + (narrow if out.dtype.itemsize <= 4 else wide)))


@rule("random_split", "random_fold_in")
def random_keys(call: Call) -> Cost:
    """A block for each key that is made."""
    tag = _tag(call.inputs[0])
    return Cost(other=call.size * (KEYS[tag] if tag in KEYS else HASHES[tag][0]))


@rule("random_seed")
def random_seed(call: Call) -> Cost:
    """The two halves of the seed."""
    return Cost()


@rule("rng_bit_generator")
def rng_bit_generator(call: Call) -> Cost:
    return Cost(other=_stream(call.outputs[1], PHILOX4, 4))


@rule("rng_uniform")
def rng_uniform(call: Call) -> Cost:
    return Cost(other=-(-size(call.outputs[0]) // 4) * PHILOX4 + 2 * call.size)
