"""Flax NNX modules: parameters and static configuration, and one call into `jaxml.functional` each."""

from jaxml.nn._activations import PReLU as PReLU
from jaxml.nn._activations import Snake as Snake
from jaxml.nn._attention import MultiHeadAttention as MultiHeadAttention
from jaxml.nn._attention_scores import AdditiveAttention as AdditiveAttention
from jaxml.nn._attention_scores import LuongAttention as LuongAttention
from jaxml.nn._batch_norm import BatchNorm as BatchNorm
from jaxml.nn._bilinear import Bilinear as Bilinear
from jaxml.nn._bridge import abstract as abstract
from jaxml.nn._bridge import count_params as count_params
from jaxml.nn._bridge import functionalize as functionalize
from jaxml.nn._containers import Activation as Activation
from jaxml.nn._containers import Flatten as Flatten
from jaxml.nn._containers import Sequential as Sequential
from jaxml.nn._conv import Conv as Conv
from jaxml.nn._conv import DepthwiseConv as DepthwiseConv
from jaxml.nn._conv import SeparableConv as SeparableConv
from jaxml.nn._conv_transpose import ConvTranspose as ConvTranspose
from jaxml.nn._dropout import DropBlock as DropBlock
from jaxml.nn._dropout import Dropout as Dropout
from jaxml.nn._dropout import DropPath as DropPath
from jaxml.nn._dropout import SpatialDropout as SpatialDropout
from jaxml.nn._embedding import Embedding as Embedding
from jaxml.nn._embedding import EmbeddingBag as EmbeddingBag
from jaxml.nn._freeze import Frozen as Frozen
from jaxml.nn._freeze import freeze as freeze
from jaxml.nn._freeze import unfreeze as unfreeze
from jaxml.nn._group_norm import GroupNorm as GroupNorm
from jaxml.nn._group_norm import InstanceNorm as InstanceNorm
from jaxml.nn._layer_norm import LayerNorm as LayerNorm
from jaxml.nn._layer_norm import RMSNorm as RMSNorm
from jaxml.nn._layer_norm_lstm import LayerNormLSTM as LayerNormLSTM
from jaxml.nn._layer_norm_lstm import LayerNormLSTMCell as LayerNormLSTMCell
from jaxml.nn._linear import Linear as Linear
from jaxml.nn._lora import lora as lora
from jaxml.nn._lora import merge_lora as merge_lora
from jaxml.nn._low_rank import LowRank as LowRank
from jaxml.nn._noise import AlphaDropout as AlphaDropout
from jaxml.nn._noise import FeatureAlphaDropout as FeatureAlphaDropout
from jaxml.nn._noise import GaussianDropout as GaussianDropout
from jaxml.nn._noise import GaussianNoise as GaussianNoise
from jaxml.nn._noise import RReLU as RReLU
from jaxml.nn._pool import AvgPool as AvgPool
from jaxml.nn._pool import GlobalAvgPool as GlobalAvgPool
from jaxml.nn._pool import GlobalMaxPool as GlobalMaxPool
from jaxml.nn._pool import MaxPool as MaxPool
from jaxml.nn._recurrent import GRU as GRU
from jaxml.nn._recurrent import LSTM as LSTM
from jaxml.nn._recurrent import RNN as RNN
from jaxml.nn._recurrent_cells import Bidirectional as Bidirectional
from jaxml.nn._recurrent_cells import GRUCell as GRUCell
from jaxml.nn._recurrent_cells import LSTMCell as LSTMCell
from jaxml.nn._recurrent_cells import RNNCell as RNNCell
from jaxml.nn._recurrent_weights import load_recurrent_weights as load_recurrent_weights
from jaxml.nn._response_norm import FilterResponseNorm as FilterResponseNorm
from jaxml.nn._response_norm import GlobalResponseNorm as GlobalResponseNorm
from jaxml.nn._summary import Summary as Summary
from jaxml.nn._summary import SummaryRow as SummaryRow
from jaxml.nn._summary import summary as summary
from jaxml.nn._weight_norm import SpectralNorm as SpectralNorm
from jaxml.nn._weight_norm import WeightNorm as WeightNorm
from jaxml.nn._weight_norm import WeightStandardization as WeightStandardization

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "AdditiveAttention",
    "AlphaDropout",
    "AvgPool",
    "BatchNorm",
    "Bidirectional",
    "Bilinear",
    "Conv",
    "ConvTranspose",
    "DepthwiseConv",
    "DropBlock",
    "DropPath",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "FeatureAlphaDropout",
    "FilterResponseNorm",
    "Flatten",
    "Frozen",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GlobalResponseNorm",
    "GroupNorm",
    "InstanceNorm",
    "LSTMCell",
    "LayerNorm",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "Linear",
    "LowRank",
    "LuongAttention",
    "MaxPool",
    "MultiHeadAttention",
    "PReLU",
    "RMSNorm",
    "RNNCell",
    "RReLU",
    "SeparableConv",
    "Sequential",
    "Snake",
    "SpatialDropout",
    "SpectralNorm",
    "Summary",
    "SummaryRow",
    "WeightNorm",
    "WeightStandardization",
    "abstract",
    "count_params",
    "freeze",
    "functionalize",
    "load_recurrent_weights",
    "lora",
    "merge_lora",
    "summary",
    "unfreeze",
]
