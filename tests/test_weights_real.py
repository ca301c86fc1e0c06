"""Real weights on real photographs: the listed class, with the listed probability."""

import jax
import numpy as np
import pytest
from _real_weights import photograph, weights
from flax import nnx

from jaxml import models

pytestmark = pytest.mark.slow

# ImageNet's classes
ESPRESSO, EGYPTIAN_CAT, UNIFORM, PALACE, MOPED, BELL_COTE = 967, 285, 652, 698, 665, 442


def check(model, listed):
    """Top-1 and its probability on every photograph, all in one batch."""
    logits = jax.jit(lambda x: model(x))(model.preprocessing([photograph(name) for name, _, _ in listed]))
    probabilities = np.asarray(jax.nn.softmax(logits))
    found = [(int(row.argmax()), round(float(row.max()), 3)) for row in probabilities]
    print(found)
    assert [place for place, _ in found] == [place for _, place, _ in listed]
    np.testing.assert_allclose([p for _, p in found], [p for _, _, p in listed], atol=0.01)


def test_mobilenet_v1_of_a_frozen_graph():
    path = weights("mobilenet_v1")
    with pytest.raises(ValueError, match=r"2 unused, the model has none such: final_training_ops/"):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path)
    model = models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=path, ignore="final_training_ops/*")
    check(
        model,
        [
            ("coffee.png", ESPRESSO, 0.990),
            ("chelsea.png", EGYPTIAN_CAT, 0.928),
            ("grace_hopper.jpg", UNIFORM, 0.775),
        ],
    )
