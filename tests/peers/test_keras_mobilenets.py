"""MobileNetV2 and V3 against keras.applications, layer by layer, with random weights and running statistics."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import pytest
from flax import nnx

from jaxml import models

keras = pytest.importorskip("keras", reason="compares with Keras, which is not installed")
from tests.peers import _compared  # noqa: E402
from tests.peers.test_keras_models import compare  # noqa: E402

pytestmark = [pytest.mark.peers, pytest.mark.loose_promotion]


def layers(config, version):
    """Keras's name of each of our layers, and of our activations."""
    if version == 2:
        names = {"stem/conv": "Conv1", "stem/norm": "bn_Conv1", "last/conv": "Conv_1", "last/norm": "Conv_1_bn"}
        names |= {"head": "predictions"}
        taps = {"stem": "Conv1_relu", "features": "out_relu", "logits": "predictions"}
        prefix, norm = "block", "BN"
    else:
        names = {"stem/conv": "conv", "stem/norm": "conv_bn", "last/conv": "conv_1", "last/norm": "conv_1_bn"}
        names |= {"hidden": "conv_2", "head": "logits"}
        taps = {"logits": "predictions"}  # its activations are layers with a name that is counted up
        prefix, norm = "expanded_conv", "bn"
    for n, block in enumerate(config.blocks):
        ours, theirs = f"blocks/{n}", f"{prefix}_{n}" if n else "expanded_conv"
        for layer in ("expand", "depthwise", "project"):
            names |= {f"{ours}/{layer}": f"{theirs}_{layer}", f"{ours}/{layer}_norm": f"{theirs}_{layer}_{norm}"}
        squeeze = f"{theirs}_squeeze_excite_conv"
        names |= {f"{ours}/squeeze_excite/reduce": squeeze, f"{ours}/squeeze_excite/expand": f"{squeeze}_1"}
        residual = block.stride == 1 and block.in_features == block.out_features
        taps[ours] = f"{theirs}_add" if residual else f"{theirs}_project_{norm}"
    return names, taps


@pytest.mark.parametrize(("width", "shape"), [(1.0, (75, 64)), (0.35, (64, 64))])
def test_mobilenet_v2(width, shape, rng):
    config = models.MobileNetV2Config(width_multiplier=width, variant="keras", num_classes=10)
    model = models.MobileNetV2(config, rngs=nnx.Rngs(0))
    _compared.randomise(model, rng)
    theirs = keras.applications.MobileNetV2(
        weights=None, alpha=width, input_shape=(*shape, 3), classes=10, classifier_activation=None
    )
    compare(model, theirs, rng.standard_normal((2, *shape, 3)).astype(np.float32), *layers(config, 2))


@pytest.mark.parametrize(("size", "width", "shape"), [("Small", 1.0, (64, 64)), ("Large", 0.75, (75, 64))])
def test_mobilenet_v3(size, width, shape, rng):
    """Keras's width below 1 leaves both ends as they are."""
    config = models.MobileNetV3Config(size=size.lower(), width_multiplier=width, variant="keras", num_classes=10)
    model = models.MobileNetV3(config, rngs=nnx.Rngs(0))
    _compared.randomise(model, rng)
    theirs = getattr(keras.applications, f"MobileNetV3{size}")(
        weights=None, alpha=width, input_shape=(*shape, 3), classes=10, classifier_activation=None,
        include_preprocessing=False,
    )  # fmt: skip
    compare(model, theirs, rng.standard_normal((2, *shape, 3)).astype(np.float32), *layers(config, 3))
