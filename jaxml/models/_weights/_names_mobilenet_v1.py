"""MobileNetV1's layers in Keras and in TF-slim."""

from collections.abc import Iterable
from typing import Any

from jaxml.models._preprocessing import UNIT, UNIT_128

_LAYERS = {"depthwise": ("dw", "depthwise"), "pointwise": ("pw", "pointwise")}


def namings(config: Any) -> Iterable[tuple[Any, ...]]:
    """The `Naming` of each; both were trained with ReLU6, TensorFlow's padding (Keras's at stride 2) and eps 1e-3.

    Nobody has published weights of the twin of standard convolutions.
    """
    if not config.separable:
        return ()
    needs = {"activation": "relu6", "padding": "SAME", "eps": 1e-3}
    blocks = len(config.blocks)
    return (
        ("keras", _keras(blocks), {"variant": "keras", **needs}, UNIT),
        ("slim", _slim(blocks), {"variant": "paper", **needs}, UNIT_128),
    )


def _keras(blocks: int) -> dict[str, str]:
    names = {"stem.conv": "conv1", "stem.norm": "conv1_bn", "head": "conv_preds"}
    for i in range(blocks):
        for ours, (short, _) in _LAYERS.items():
            names[f"blocks.{i}.{ours}"] = f"conv_{short}_{i + 1}"
            names[f"blocks.{i}.{ours}_norm"] = f"conv_{short}_{i + 1}_bn"
    return names


def _slim(blocks: int) -> dict[str, str]:
    top = "MobilenetV1"
    names = dict.fromkeys(("stem.conv", "stem.norm"), f"{top}/Conv2d_0") | {"head": f"{top}/Logits/Conv2d_1c_1x1"}
    for i in range(blocks):
        for ours, (_, long) in _LAYERS.items():
            names |= dict.fromkeys((f"blocks.{i}.{ours}", f"blocks.{i}.{ours}_norm"), f"{top}/Conv2d_{i + 1}_{long}")
    return names
