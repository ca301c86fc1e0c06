"""Whole networks against keras.applications, layer by layer, with random weights and running statistics."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn

keras = pytest.importorskip("keras", reason="compares with Keras, which is not installed")
from tests.peers import _compared  # noqa: E402

pytestmark = [pytest.mark.peers, pytest.mark.loose_promotion]


def resnet_layers(config):
    """Keras's name of each of our layers, and of our activations."""
    v2 = config.preactivation
    names = {"stem": "conv1_conv", "stem_norm": "conv1_bn", "last_norm": "post_bn", "head": "predictions"}
    taps = {"stem": "conv1_conv" if v2 else "conv1_relu", "pool": "avg_pool", "logits": "predictions"}
    places = [(stage, i) for stage, depth in enumerate(config.depths, 2) for i in range(1, depth + 1)]
    for n, (stage, i) in enumerate(places):
        block = f"conv{stage}_block{i}"
        taps[f"blocks/{n}"] = f"{block}_out"
        for c in range(3):
            names[f"blocks/{n}/convs/{c}"] = f"{block}_{c + 1}_conv"
            norm = "preact" if v2 and c == 0 else str(c if v2 else c + 1)
            names[f"blocks/{n}/norms/{c}"] = f"{block}_{norm}_bn"
        names[f"blocks/{n}/projection"] = f"{block}_0_conv"
        names[f"blocks/{n}/projection_norm"] = f"{block}_0_bn"
    return names, taps | {"features": "post_relu" if v2 else f"{block}_out"}


def mobilenet_layers(config):
    names = {"stem/conv": "conv1", "stem/norm": "conv1_bn", "head": "conv_preds"}
    taps = {"stem": "conv1_relu", "features": "conv_pw_13_relu"}
    for n in range(13):
        for ours, theirs in (("depthwise", "dw"), ("pointwise", "pw")):
            names[f"blocks/{n}/{ours}"] = f"conv_{theirs}_{n + 1}"
            names[f"blocks/{n}/{ours}_norm"] = f"conv_{theirs}_{n + 1}_bn"
        taps[f"blocks/{n}"] = f"conv_pw_{n + 1}_relu"
    return names, taps


def arrays(module):
    """Of one of our layers, in Keras's order and layouts."""
    if isinstance(module, nn.BatchNorm):
        return [np.asarray(v[...]) for v in (module.scale, module.bias, module.mean, module.var)]
    w = np.asarray(module.w[...])
    w = w.transpose(0, 1, 3, 2) if isinstance(module, nn.DepthwiseConv) else w
    return [w] if module.b is None else [w, np.asarray(module.b[...])]


def copied(model, theirs, names):
    """Every weight of ours in Keras's model; none of Keras's left as it was."""
    left = {layer.name for layer in theirs.layers if layer.weights}
    for path, module in nnx.iter_modules(model):
        name = names.get("/".join(map(str, path)))
        if name is None or not isinstance(module, nn.Conv | nn.DepthwiseConv | nn.BatchNorm | nn.Linear):
            continue
        for new, weight in zip(arrays(module), theirs.get_layer(name).weights, strict=True):
            weight.assign(new.reshape(weight.shape))
        left.remove(name)
    assert not left


def compare(model, theirs, x, names, taps):
    copied(model, theirs, names)
    several = keras.Model(theirs.input, {ours: theirs.get_layer(name).output for ours, name in taps.items()})
    trainable, fixed = ([v.value for v in vs] for vs in (several.trainable_variables, several.non_trainable_variables))
    run = jax.jit(lambda *args: several.stateless_call(*args, training=False)[0])
    wanted = {name: np.asarray(y) for name, y in run(trainable, fixed, jnp.asarray(x)).items()}
    _compared.assert_near(_compared.activations(model, x), wanted)


RESNETS = [(50, False, (75, 64)), (50, True, (75, 64)), (101, False, (64, 64))]


@pytest.mark.parametrize(("layers", "v2", "shape"), RESNETS)
def test_resnet(layers, v2, shape, rng):
    """Odd sizes too, where paddings differ most: 75 is halved to 38, 19, 10, 5 and 3."""
    config = models.ResNetConfig.imagenet(layers, preactivation=v2, variant="keras", num_classes=10)
    model = models.ResNet(config, rngs=nnx.Rngs(0))
    _compared.randomise(model, rng)
    build = getattr(keras.applications, f"ResNet{layers}{'V2' if v2 else ''}")
    theirs = build(weights=None, input_shape=(*shape, 3), classes=10, classifier_activation=None)
    x = rng.standard_normal((2, *shape, 3)).astype(np.float32)
    compare(model, theirs, x, *resnet_layers(config))


@pytest.mark.parametrize(("width", "shape"), [(1.0, (64, 64)), (0.5, (75, 64))])
def test_mobilenet_v1(width, shape, rng):
    config = models.MobileNetV1Config(width_multiplier=width, variant="keras", num_classes=10)
    model = models.MobileNetV1(config, rngs=nnx.Rngs(0))
    _compared.randomise(model, rng)
    theirs = keras.applications.MobileNet(
        weights=None, alpha=width, input_shape=(*shape, 3), classes=10, classifier_activation=None
    )
    compare(model, theirs, rng.standard_normal((2, *shape, 3)).astype(np.float32), *mobilenet_layers(config))
