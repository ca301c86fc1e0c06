"""MobileNetV2's and V3's layers in torchvision, Keras and TF-slim."""

from collections.abc import Iterable
from typing import Any

from jaxml.models._preprocessing import TORCHVISION, UNIT


def namings_v2(config: Any) -> Iterable[tuple[Any, ...]]:
    """The `Naming` of each."""
    return [
        ("torchvision", _torchvision_v2(config), {"variant": "torchvision", "eps": 1e-5}, TORCHVISION),
        ("keras", _keras_v2(config), {"variant": "keras", "eps": 1e-3}, UNIT),
        ("slim", _slim_v2(config), {"variant": "paper", "eps": 1e-3}, UNIT),
    ]


def namings_v3(config: Any) -> Iterable[tuple[Any, ...]]:
    """The `Naming` of each."""
    return [
        ("torchvision", _torchvision_v3(config), {"variant": "torchvision", "eps": 1e-3}, TORCHVISION),
        ("keras", _keras_v3(config), {"variant": "keras", "eps": 1e-3}, UNIT),
    ]


def _expands(block: Any) -> bool:
    return block.hidden != block.in_features


def _layers(block: Any) -> list[str]:
    return [*(["expand"] if _expands(block) else []), "depthwise", "project"]


def _torchvision_v2(config: Any) -> dict[str, str]:
    names = {"stem.conv": "features.0.0", "stem.norm": "features.0.1", "head": "classifier.1"}
    for i, block in enumerate(config.blocks):
        ours, theirs = f"blocks.{i}", f"features.{i + 1}.conv"
        layers = _layers(block)
        for k, layer in enumerate(layers[:-1]):
            names |= {f"{ours}.{layer}": f"{theirs}.{k}.0", f"{ours}.{layer}_norm": f"{theirs}.{k}.1"}
        k = len(layers) - 1  # the linear one is not in a group of its own
        names |= {f"{ours}.project": f"{theirs}.{k}", f"{ours}.project_norm": f"{theirs}.{k + 1}"}
    last = f"features.{len(config.blocks) + 1}"
    return names | {"last.conv": f"{last}.0", "last.norm": f"{last}.1"}


def _torchvision_v3(config: Any) -> dict[str, str]:
    names = {"stem.conv": "features.0.0", "stem.norm": "features.0.1"}
    for i, block in enumerate(config.blocks):
        ours, theirs, k = f"blocks.{i}", f"features.{i + 1}.block", 0
        for layer in _layers(block):
            if layer == "project" and block.squeezed:
                squeeze = f"{ours}.squeeze_excite"
                names |= {f"{squeeze}.reduce": f"{theirs}.{k}.fc1", f"{squeeze}.expand": f"{theirs}.{k}.fc2"}
                k += 1
            names |= {f"{ours}.{layer}": f"{theirs}.{k}.0", f"{ours}.{layer}_norm": f"{theirs}.{k}.1"}
            k += 1
    last = f"features.{len(config.blocks) + 1}"
    ends = {"last.conv": f"{last}.0", "last.norm": f"{last}.1", "hidden": "classifier.0", "head": "classifier.3"}
    return names | ends


def _keras_v2(config: Any) -> dict[str, str]:
    names = {
        "stem.conv": "Conv1", "stem.norm": "bn_Conv1", "last.conv": "Conv_1", "last.norm": "Conv_1_bn",
        "head": "predictions",
    }  # fmt: skip
    for i, block in enumerate(config.blocks):
        theirs = f"block_{i}" if i else "expanded_conv"
        for layer in _layers(block):
            names |= {f"blocks.{i}.{layer}": f"{theirs}_{layer}", f"blocks.{i}.{layer}_norm": f"{theirs}_{layer}_BN"}
    return names


def _keras_v3(config: Any) -> dict[str, str]:
    names = {
        "stem.conv": "conv", "stem.norm": "conv_bn", "last.conv": "conv_1", "last.norm": "conv_1_bn",
        "hidden": "conv_2", "head": "logits",
    }  # fmt: skip
    for i, block in enumerate(config.blocks):
        ours, theirs = f"blocks.{i}", f"expanded_conv_{i}" if i else "expanded_conv"
        for layer in _layers(block):
            names |= {f"{ours}.{layer}": f"{theirs}_{layer}", f"{ours}.{layer}_norm": f"{theirs}_{layer}_bn"}
        squeeze = f"{theirs}_squeeze_excite_conv"
        names |= {f"{ours}.squeeze_excite.reduce": squeeze, f"{ours}.squeeze_excite.expand": f"{squeeze}_1"}
    return names


def _slim_v2(config: Any) -> dict[str, str]:
    top = "MobilenetV2"
    pairs = {"stem": f"{top}/Conv", "last": f"{top}/Conv_1"}
    names = {f"{ours}.{part}": theirs for ours, theirs in pairs.items() for part in ("conv", "norm")}
    for i, block in enumerate(config.blocks):
        theirs = f"{top}/expanded_conv_{i}" if i else f"{top}/expanded_conv"
        for layer in _layers(block):
            names |= dict.fromkeys((f"blocks.{i}.{layer}", f"blocks.{i}.{layer}_norm"), f"{theirs}/{layer}")
    return names | {"head": f"{top}/Logits/Conv2d_1c_1x1"}
