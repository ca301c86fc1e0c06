"""ResNet's layers in torchvision and in Keras, whose first ResNet50 had names of its own."""

from collections.abc import Iterable, Iterator
from typing import Any

from jaxml.models._preprocessing import CAFFE, TORCHVISION, UNIT


def namings(config: Any) -> Iterable[tuple[Any, ...]]:
    """The `Naming` of each that fits the configuration's structure; none for CIFAR's networks."""
    if config.stem != "imagenet" or config.shortcut != "projection":
        return []
    keras = {"variant": "keras", "padding": "explicit", "eps": 1.001e-5}
    if config.preactivation:
        return [("keras", _keras_v2(config), keras, UNIT)]
    found = [
        (
            "torchvision",
            _torchvision(config),
            {"variant": "torchvision", "padding": "explicit", "eps": 1e-5},
            TORCHVISION,
        )
    ]
    if config.block == "bottleneck":
        first = {**keras, "eps": 1e-3}  # Keras's default, until the names were changed
        found += [("keras", _keras(config), keras, CAFFE), ("keras", _first_keras(config), first, CAFFE)]
    return found


def _places(config: Any) -> Iterator[tuple[int, int, int]]:
    """`(number, stage, number within the stage)` of every block."""
    number = 0
    for stage, depth in enumerate(config.depths):
        for within in range(depth):
            yield number, stage, within
            number += 1


def _convolutions(config: Any) -> int:
    return 2 if config.block == "basic" else 3


def _torchvision(config: Any) -> dict[str, str]:
    names = {"stem": "conv1", "stem_norm": "bn1", "head": "fc"}
    for number, stage, within in _places(config):
        ours, theirs = f"blocks.{number}", f"layer{stage + 1}.{within}"
        for k in range(_convolutions(config)):
            names |= {f"{ours}.convs.{k}": f"{theirs}.conv{k + 1}", f"{ours}.norms.{k}": f"{theirs}.bn{k + 1}"}
        names |= {
            f"{ours}.projection": f"{theirs}.downsample.0",
            f"{ours}.projection_norm": f"{theirs}.downsample.1",
        }
    return names


def _keras(config: Any) -> dict[str, str]:
    names = {"stem": "conv1_conv", "stem_norm": "conv1_bn", "head": "predictions"}
    for number, stage, within in _places(config):
        ours, theirs = f"blocks.{number}", f"conv{stage + 2}_block{within + 1}"
        for k in range(3):
            names |= {f"{ours}.convs.{k}": f"{theirs}_{k + 1}_conv", f"{ours}.norms.{k}": f"{theirs}_{k + 1}_bn"}
        names |= {f"{ours}.projection": f"{theirs}_0_conv", f"{ours}.projection_norm": f"{theirs}_0_bn"}
    return names


def _keras_v2(config: Any) -> dict[str, str]:
    """A norm is before its convolution here, and called after the one before."""
    names = {"stem": "conv1_conv", "last_norm": "post_bn", "head": "predictions"}
    for number, stage, within in _places(config):
        ours, theirs = f"blocks.{number}", f"conv{stage + 2}_block{within + 1}"
        norms = ("preact_bn", "1_bn", "2_bn")
        for k in range(3):
            names |= {f"{ours}.convs.{k}": f"{theirs}_{k + 1}_conv", f"{ours}.norms.{k}": f"{theirs}_{norms[k]}"}
        names[f"{ours}.projection"] = f"{theirs}_0_conv"
    return names


def _first_keras(config: Any) -> dict[str, str]:
    """Caffe's names: `res2a_branch2a`, blocks as letters."""
    names = {"stem": "conv1", "stem_norm": "bn_conv1", "head": "fc1000"}
    for number, stage, within in _places(config):
        ours, theirs = f"blocks.{number}", f"{stage + 2}{chr(ord('a') + within)}_branch"
        for k, letter in enumerate("abc"):
            names |= {
                f"{ours}.convs.{k}": f"res{theirs}2{letter}",
                f"{ours}.norms.{k}": f"bn{theirs}2{letter}",
            }
        names |= {f"{ours}.projection": f"res{theirs}1", f"{ours}.projection_norm": f"bn{theirs}1"}
    return names
