"""Recurrent networks on two devices: each computes its own rows, and values and gradients are those of one."""

import pytest
from _devices import run_on_devices

PROGRAM = """
import sys
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import jaxml.functional as F
from jaxml.functional import _recurrent_blocks

B, T, I, H, LENGTHS = 4, 7, 3, 8, np.array([7, 3, 0, 5], np.int32)
rng = np.random.default_rng(0)
draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)
g = {"rnn": 1, "gru": 3}.get(NAME, 4) * H
x, w = draw(B, T, I), [draw(I, g), draw(H, g), draw(g)]
w += [draw(g), draw(g), draw(H), draw(H)] if NAME == "layer_norm_lstm" else [draw(g)]
forward = lambda x, lengths, *w: getattr(F, NAME)(x, *w, lengths=lengths)

def both(f, x, lengths, *w):
    def loss(x, *w):
        y = f(x, lengths, *w)
        return sum(jnp.sum(a**2) for a in jax.tree.leaves(y))
    return f(x, lengths, *w), jax.grad(loss, range(1 + len(w)))(x, *w)

def compare(got, want):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)

want = jax.device_get(jax.jit(lambda *a: both(forward, *a))(x, LENGTHS, *w))
_recurrent_blocks.block_size = lambda *_: 3  # of the forward pass; the gradient has no blocks
mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
placed = [jax.device_put(a, NamedSharding(mesh, P("batch"))) for a in (x, LENGTHS)]
placed += [jax.device_put(a, NamedSharding(mesh, P())) for a in w]
run = jax.jit(lambda *a: both(forward, *a)).lower(*placed).compile()
assert "all-gather" not in run.as_text()
got = run(*placed)
assert got[0][0].sharding.spec[0] == "batch"
compare(got, want)
specs = {"in_specs": (P("batch"), P("batch"), *[P()] * len(w)), "out_specs": P("batch")}
mapped = jax.shard_map(forward, mesh=mesh, **specs)
compare(jax.jit(lambda *a: both(mapped, *a))(x, LENGTHS, *w), want)
with jax.set_mesh(jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Explicit,))):
    placed = [jax.device_put(a, P("batch")) for a in (x, LENGTHS)] + [jax.device_put(a, P()) for a in w]
    got = jax.jit(lambda *a: both(forward, *a))(*placed)
    assert got[0][0].sharding.spec[0] == "batch"
    compare(got, want)
print("equal on", len(jax.devices()))
"""


@pytest.mark.parametrize(
    "name", ["lstm", *(pytest.param(name, marks=pytest.mark.slow) for name in ("rnn", "gru", "layer_norm_lstm"))]
)
def test_rows_on_two_devices(name):
    """By the compiler, which is not to gather them, in `shard_map`, and on a mesh whose axes are explicit."""
    assert run_on_devices(f"NAME = {name!r}\n{PROGRAM}") == "equal on 2"
