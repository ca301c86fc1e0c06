"""Forward passes by blocks of steps: the values of all steps at once, in the memory of Flax's, and where they pay."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from benchmarks._recurrent import MAIN, _flax
from jaxml import flops
from jaxml.functional import _recurrent_blocks
from jaxml.functional._recurrent_blocks import block_size

B, T, N, H = 3, 7, 2, 4
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
PLAIN = {}
VARIED = {
    "reverse": True,
    "lengths": jnp.array([7, 0, 4]),
    "h_mask": jnp.array([[0.0, 2.0, 2.0, 0.0]]),
    "zoneout_h": jnp.linspace(0.0, 1.0, T).reshape(1, T, 1),
}


def arguments(rng, name, dtype=np.float32):
    g = GATES[name] * H
    return [jnp.asarray(rng.standard_normal(s), dtype) for s in ((B, T, N), (N, g), (H, g), (g,), (g,))]


@pytest.mark.parametrize("options", [PLAIN, {"reverse": True}, VARIED], ids=["plain", "reverse", "varied"])
@pytest.mark.parametrize("name", GATES)
def test_blocks_change_nothing(name, options, rng, monkeypatch):
    """Outputs and states, alone and by vmap, for blocks that the steps are made of, are not, and of one step."""
    args = arguments(rng, name)

    def run():
        f = partial(getattr(F, name), **options)
        return jax.jit(f)(*args), jax.jit(jax.vmap(f, (None, *[0] * 4)))(
            args[0], *(jnp.stack([a, -a]) for a in args[1:])
        )

    want = run()
    for size in (1, 3, T):
        monkeypatch.setattr(_recurrent_blocks, "block_size", lambda *_, size=size: size)
        for g, w in zip(jax.tree.leaves(run()), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", GATES)
def test_blocks_keep_the_dtype_and_every_step_is_counted(name, rng, monkeypatch):
    monkeypatch.setattr(_recurrent_blocks, "block_size", lambda *_: 3)
    args, f = arguments(rng, name, jnp.bfloat16), lambda *args: getattr(F, name)(*args)
    assert {a.dtype.name for a in jax.tree.leaves(jax.jit(f)(*args))} == {"bfloat16"}
    assert flops.count(f, *args).macs == B * T * (N + H) * GATES[name] * H


@pytest.mark.parametrize(("name", "kind"), [("lstm", "LSTM"), ("gru", "GRU")])
def test_a_forward_pass_needs_no_more_memory_than_flax(name, kind):
    shape = MAIN[0]
    columns = GATES[name] * shape.units
    shapes = (shape.examples, shape.steps, shape.inputs), (shape.inputs, columns), (shape.units, columns), (columns,)
    args = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
    ours, flax = (
        jax.jit(f).lower(*args).compile().memory_analysis().temp_size_in_bytes
        for f in (lambda *args: getattr(F, name)(*args)[0], _flax(kind, shape, "float32"))
    )
    assert ours <= flax, (ours, flax)


@pytest.mark.parametrize(
    ("shape", "gates", "units", "size"),
    [
        ((32, 100, 128), 4, 128, 20),
        ((32, 100, 128), 3, 128, 25),
        ((32, 101, 128), 4, 128, 16),  # five more behind them
        ((128, 50, 64), 4, 256, 10),
        ((1, 200, 64), 4, 64, None),
        ((64, 20, 128), 4, 128, None),
        ((2, 3, 4), 4, 5, None),
        ((1024, 2, 1024), 4, 1024, None),  # not one step's projections fit
    ],
)
def test_the_size_of_blocks(shape, gates, units, size):
    batch, steps, features = shape
    assert block_size((steps, batch, features), gates, units) == size
