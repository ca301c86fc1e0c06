"""Networks by name: `create`, `names`, `info`; the classes and their configurations for those who build on them."""

from jaxml.models._beam_search import beam_search as beam_search
from jaxml.models._character_language_model import CharacterLanguageModel as CharacterLanguageModel
from jaxml.models._character_language_model import CharacterLanguageModelConfig as CharacterLanguageModelConfig
from jaxml.models._cnn import CNN as CNN
from jaxml.models._cnn import CNNConfig as CNNConfig
from jaxml.models._decode import Decoded as Decoded
from jaxml.models._decode import greedy_decode as greedy_decode
from jaxml.models._decode import sample_decode as sample_decode
from jaxml.models._encoder_decoder import EncoderDecoder as EncoderDecoder
from jaxml.models._encoder_decoder import EncoderDecoderConfig as EncoderDecoderConfig
from jaxml.models._export import ExportedModel as ExportedModel
from jaxml.models._export import export as export
from jaxml.models._export import load_exported as load_exported
from jaxml.models._fold import fold_batch_norm as fold_batch_norm
from jaxml.models._forecaster import Forecaster as Forecaster
from jaxml.models._forecaster import ForecasterConfig as ForecasterConfig
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
from jaxml.models._seq2seq import Seq2Seq as Seq2Seq
from jaxml.models._seq2seq import Seq2SeqConfig as Seq2SeqConfig
from jaxml.models._sequence_classifier import SequenceClassifier as SequenceClassifier
from jaxml.models._sequence_classifier import SequenceClassifierConfig as SequenceClassifierConfig
from jaxml.models._sequence_tagger import SequenceTagger as SequenceTagger
from jaxml.models._sequence_tagger import SequenceTaggerConfig as SequenceTaggerConfig
from jaxml.models._transfer import features as features
from jaxml.models._transfer import transfer as transfer
from jaxml.models._weights import WeightsReport as WeightsReport
from jaxml.models._weights import load_weights as load_weights
from jaxml.models._weights import save_weights as save_weights

__all__ = [  # noqa: RUF022  (in the order of sorted(), as in every other package here)
    "CNN",
    "CNNConfig",
    "CharacterLanguageModel",
    "CharacterLanguageModelConfig",
    "Decoded",
    "EncoderDecoder",
    "EncoderDecoderConfig",
    "ExportedModel",
    "Forecaster",
    "ForecasterConfig",
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
    "Seq2Seq",
    "Seq2SeqConfig",
    "SequenceClassifier",
    "SequenceClassifierConfig",
    "SequenceTagger",
    "SequenceTaggerConfig",
    "WeightsReport",
    "beam_search",
    "create",
    "export",
    "features",
    "fold_batch_norm",
    "greedy_decode",
    "info",
    "load_exported",
    "load_weights",
    "names",
    "sample_decode",
    "save_weights",
    "transfer",
]
