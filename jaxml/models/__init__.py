"""Networks by name: `create`, `names`, `info`; the classes and their configurations for those who build on them."""

from jaxml.models._cnn import CNN as CNN
from jaxml.models._cnn import CNNConfig as CNNConfig
from jaxml.models._export import ExportedModel as ExportedModel
from jaxml.models._export import export as export
from jaxml.models._export import load_exported as load_exported
from jaxml.models._fold import fold_batch_norm as fold_batch_norm
from jaxml.models._linear import LinearConfig as LinearConfig
from jaxml.models._linear import LinearModel as LinearModel
from jaxml.models._mlp import MLP as MLP
from jaxml.models._mlp import MLPConfig as MLPConfig
from jaxml.models._mobilenet_v1 import MobileNetV1 as MobileNetV1
from jaxml.models._mobilenet_v1 import MobileNetV1Config as MobileNetV1Config
from jaxml.models._mobilenet_v2 import MobileNetV2 as MobileNetV2
from jaxml.models._mobilenet_v2 import MobileNetV2Config as MobileNetV2Config
from jaxml.models._mobilenet_v3 import MobileNetV3 as MobileNetV3
from jaxml.models._mobilenet_v3 import MobileNetV3Config as MobileNetV3Config
from jaxml.models._preprocessing import Preprocessing as Preprocessing
from jaxml.models._registry import ModelInfo as ModelInfo
from jaxml.models._registry import create as create
from jaxml.models._registry import info as info
from jaxml.models._registry import names as names
from jaxml.models._resnet import ResNet as ResNet
from jaxml.models._resnet_config import ResNetConfig as ResNetConfig
from jaxml.models._transfer import features as features
from jaxml.models._transfer import transfer as transfer
from jaxml.models._weights import WeightsReport as WeightsReport
from jaxml.models._weights import load_weights as load_weights
from jaxml.models._weights import save_weights as save_weights

__all__ = [  # noqa: RUF022  (in the order of sorted(), as in every other package here)
    "CNN",
    "CNNConfig",
    "ExportedModel",
    "LinearConfig",
    "LinearModel",
    "MLP",
    "MLPConfig",
    "MobileNetV1",
    "MobileNetV1Config",
    "MobileNetV2",
    "MobileNetV2Config",
    "MobileNetV3",
    "MobileNetV3Config",
    "ModelInfo",
    "Preprocessing",
    "ResNet",
    "ResNetConfig",
    "WeightsReport",
    "create",
    "export",
    "features",
    "fold_batch_norm",
    "info",
    "load_exported",
    "load_weights",
    "names",
    "save_weights",
    "transfer",
]
