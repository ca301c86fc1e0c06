"""Whose names and layouts a file may have, for every family: torchvision's, Keras's, TF-slim's."""

import _weight_files as files
import numpy as np
import pytest
from _weight_models import BASIC, RESNET, SMALL, arrays_of, as_foreign, made, scrambled
from _weight_models import without_compiling as without_compiling
from flax import nnx

from jaxml import models

pytestmark = pytest.mark.usefixtures("without_compiling")

NAMED = [
    ("mobilenet_v1", {"variant": "keras", **SMALL}, "keras", {"conv_dw_13_bn/gamma", "conv_preds/bias"}, 127.5),
    (
        "mobilenet_v1", {"activation": "relu6", **SMALL}, "slim",
        {"MobilenetV1/Conv2d_13_depthwise/depthwise_weights", "MobilenetV1/Logits/Conv2d_1c_1x1/biases"}, 128.0,
    ),
    (
        "resnet", BASIC, "torchvision",
        {"conv1.weight", "bn1.running_var", "layer1.1.conv2.weight", "layer2.0.downsample.1.bias", "fc.bias"}, 255.0,
    ),
    (
        "mobilenet_v2_035", {"num_classes": 5}, "torchvision",
        {"features.0.0.weight", "features.1.conv.1.weight", "features.1.conv.2.bias", "features.2.conv.1.0.weight",
         "features.17.conv.3.running_var", "features.18.1.bias", "classifier.1.weight"}, 255.0,
    ),
    (
        "mobilenet_v2_035", {"num_classes": 5, "variant": "keras"}, "keras",
        {"Conv1/kernel", "bn_Conv1/beta", "expanded_conv_depthwise/depthwise_kernel", "block_16_project_BN/gamma"},
        127.5,
    ),
    (
        "mobilenet_v2_035", {"num_classes": 5, "variant": "paper"}, "slim",
        {"MobilenetV2/Conv/weights", "MobilenetV2/expanded_conv/depthwise/BatchNorm/gamma",
         "MobilenetV2/expanded_conv_16/expand/weights", "MobilenetV2/Conv_1/BatchNorm/beta"}, 127.5,
    ),
    (
        "mobilenet_v3_small", {"num_classes": 5, "width_multiplier": 0.1}, "torchvision",
        {"features.1.block.1.fc1.bias", "features.1.block.0.0.weight", "features.4.block.2.fc2.weight",
         "features.4.block.3.1.running_mean", "features.12.0.weight", "classifier.0.bias", "classifier.3.weight"},
        255.0,
    ),
    (
        "mobilenet_v3_small", {"num_classes": 5, "width_multiplier": 0.1, "variant": "keras"}, "keras",
        {"conv/kernel", "expanded_conv_squeeze_excite_conv/bias", "expanded_conv_10_squeeze_excite_conv_1/kernel",
         "expanded_conv_3_expand_bn/gamma", "conv_1_bn/beta", "conv_2/bias", "logits/kernel"}, 127.5,
    ),
    ("resnet", RESNET, "torchvision", {"layer1.0.downsample.0.weight", "layer4.0.bn3.running_mean"}, 255.0),
    (
        "resnet", {"variant": "keras", **RESNET}, "keras",
        {"conv1_conv/bias", "conv2_block2_3_bn/moving_mean", "conv2_block1_0_conv/kernel", "predictions/bias"}, 1.0,
    ),
    (
        "resnet", {"variant": "keras", "eps": 1e-3, **RESNET}, "keras",
        {"bn_conv1/gamma", "res2b_branch2c/bias", "bn5a_branch1/beta", "fc1000/kernel"}, 1.0,
    ),
    (
        "resnet", {"variant": "keras", "preactivation": True, **RESNET}, "keras",
        {"conv2_block1_preact_bn/gamma", "conv2_block1_0_conv/bias", "conv2_block2_1_bn/beta", "post_bn/gamma"}, 127.5,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "layout", "some", "scale"), NAMED)
def test_names_and_layouts(name, options, layout, some, scale, tmp_path, rng):
    model = scrambled(made(name, 0, **options), rng)
    found = as_foreign(model, layout, some)
    assert some <= set(found)
    path = files.as_npz(tmp_path / "w.npz", found)
    wanted = arrays_of(model)
    report = models.load_weights(scrambled(model, rng), path)
    assert report.ok and report.naming == layout and len(report.loaded) == len(wanted)
    for key, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, wanted[key])
    assert model.preprocessing.scale == scale


@pytest.mark.parametrize(
    ("name", "options"),
    [("resnet", BASIC), ("mobilenet_v3_small", {"num_classes": 5, "width_multiplier": 0.1})],
)
def test_saved_with_the_names_of_torchvision(name, options, tmp_path, rng):
    """Biases of convolutions among them, which version 3 has."""
    from safetensors.numpy import load_file

    model = scrambled(made(name, 0, **options), rng)
    path = tmp_path / "w.safetensors"
    models.save_weights(model, path)
    saved, wanted = load_file(path), as_foreign(model, "torchvision")
    assert set(saved) == set(wanted)
    for key, array in wanted.items():
        np.testing.assert_array_equal(saved[key], array)


def test_saved_with_names_of_its_own_where_torchvision_computes_otherwise(tmp_path):
    from safetensors.numpy import load_file

    path = tmp_path / "w.safetensors"
    keras = made("resnet", 0, variant="keras", **RESNET)
    models.save_weights(keras, path)
    assert "blocks.0.convs.0.b" in load_file(path)
    with pytest.raises(
        ValueError, match=r"was saved from a model made with variant=.keras., eps=1\.001e-05; this one has"
    ):
        models.load_weights(made("resnet", 0, **RESNET), path)


def test_the_twin_of_standard_convolutions_has_no_published_weights(tmp_path):
    np.savez(tmp_path / "w.npz", **{"MobilenetV1/Conv2d_0/weights": np.zeros((3, 3, 3, 2), np.float32)})
    with pytest.raises(ValueError, match="is of another architecture than MobileNetV1"):
        models.create("conv_mobilenet_v1", rngs=nnx.Rngs(0), weights=tmp_path / "w.npz", width_multiplier=0.0625)
