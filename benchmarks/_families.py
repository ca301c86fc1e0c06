"""The families of networks that suite `models` times."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks._settings import Settings

CLASSES = 1000
STOCK = "stock"
MODES = {"inference": False, "training step": True}


@dataclass(frozen=True)
class Family:
    """jaxml's networks that are timed together: name in the results -> (model, options); and on what."""

    title: str
    networks: dict[str, tuple[str, dict[str, Any]]]
    shape: Callable[[Settings], tuple[int, ...]]  # of one example
    batch: dict[str, int]  # by the size of the run; a size that is not there leaves the family out
    patience: float = 1.0

    @property
    def last(self) -> str:
        """The network that has twins: the separable one, or the only one."""
        return list(self.networks)[-1]


def _image(**sides: int) -> Callable[[Settings], tuple[int, ...]]:
    return lambda settings: (sides[settings.size], sides[settings.size], 3)


MOBILENET = {"num_classes": CLASSES, "dropout": 0.0}  # no dropout: the twins have none
CNN = {"in_channels": 3, "num_classes": CLASSES}
FAMILIES: dict[str, Family] = {
    "mlp": Family(
        "MLP 784-512-512-10",
        {"jaxml": ("mlp", {"in_features": 784, "hidden": (512, 512)})},
        lambda settings: (784,),
        {"tiny": 2, "quick": 128, "full": 128},
    ),
    "cnn": Family(
        "Small CNN",
        {"standard": ("cnn", CNN), "separable": ("cnn_separable", CNN)},
        _image(tiny=8, quick=32, full=32),
        {"tiny": 1, "quick": 32, "full": 128},
    ),
    "mobilenet_v1": Family(
        "MobileNetV1",
        {"standard": ("conv_mobilenet_v1", MOBILENET), "separable": ("mobilenet_v1", MOBILENET)},
        _image(tiny=32, quick=96, full=224),
        {"tiny": 1, "quick": 8, "full": 8},
        patience=40,  # stock JAX takes seconds a round
    ),
    "mobilenet_v2": Family(
        "MobileNetV2", {"jaxml": ("mobilenet_v2", {"dropout": 0.0})}, _image(full=224), {"full": 8}, patience=40
    ),
    "resnet50": Family("ResNet-50", {"jaxml": ("resnet50", {})}, _image(full=224), {"full": 8}, patience=40),
}
