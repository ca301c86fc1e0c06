"""Outside of `jax.jit` a second call compiles nothing, in functions that branch or loop too: it took up to a second."""

import jax
import jax.numpy as jnp
import pytest

import jaxml.functional as F

X, Y = jnp.arange(6.0).reshape(2, 3), jnp.ones((2, 3))
Z = X + 1
LABELS = jnp.array([1, 0])
CALLS = {
    "normalize": lambda x: F.normalize(x),
    "cosine_similarity": lambda x: F.cosine_similarity(x, Y),
    "pairwise_distance": lambda x: F.pairwise_distance(x, Y),
    "cdist": lambda x: F.cdist(x, Y),
    "ctc_loss": lambda x: F.ctc_loss(x[:, None], LABELS[:1, None].repeat(2, 0)),
    "linear_cross_entropy": lambda x: F.linear_cross_entropy(x, Y.T.repeat(10_000, 1), LABELS),
}


@pytest.mark.parametrize("name", CALLS)
def test_second_eager_call_compiles_nothing(name):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    try:
        call = jax.value_and_grad(lambda x: CALLS[name](x).sum())
        jax.block_until_ready(call(X))
        assert compiled  # or the event has another name by now, and the test sees nothing
        compiled.clear()
        jax.block_until_ready(call(Z))
    finally:
        jax.monitoring.clear_event_listeners()
    assert not compiled
