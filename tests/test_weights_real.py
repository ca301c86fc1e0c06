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


def test_resnet50_of_keras():
    """A folder of TensorFlow.js; its names say Keras's first ResNet50, which has eps 1e-3."""
    path = weights("resnet50").parent
    model = models.create("resnet50", rngs=nnx.Rngs(0), weights=path)
    assert (model.config.variant, model.config.eps) == ("keras", 1e-3)
    check(
        model,
        [
            ("coffee.png", ESPRESSO, 0.987),
            ("chelsea.png", EGYPTIAN_CAT, 0.958),
            ("motorcycle_left.png", MOPED, 0.868),
            ("grace_hopper.jpg", UNIFORM, 0.977),
            ("china.jpg", BELL_COTE, 0.609),
        ],
    )
    with pytest.raises(
        ValueError, match=r"has keras names, and such weights are for a model made with variant='keras'"
    ):
        models.create("resnet50", rngs=nnx.Rngs(0), weights=path, variant="torchvision")


def test_mobilenet_v2_of_torchvision():
    """A pickle of before torch 1.6."""
    model = models.create("mobilenet_v2", rngs=nnx.Rngs(0), weights=weights("mobilenet_v2"))
    assert (model.config.variant, model.preprocessing.resize) == ("torchvision", 256)
    check(model, [("coffee.png", ESPRESSO, 0.992), ("chelsea.png", EGYPTIAN_CAT, 0.714), ("china.jpg", PALACE, 0.697)])
