"""Pure functions for layers and losses: arrays in, arrays out.

Arrays come first, a random key before everything, and every option is keyword-only. Images are `(N, H, W, C)`, kernels
`(kh, kw, C_in/groups, C_out)`, sequences `(B, T, F)`.
"""

from jaxml.functional import init as init
from jaxml.functional._activations import celu as celu
from jaxml.functional._activations import elu as elu
from jaxml.functional._activations import gelu as gelu
from jaxml.functional._activations import glu as glu
from jaxml.functional._activations import hard_sigmoid as hard_sigmoid
from jaxml.functional._activations import hard_silu as hard_silu
from jaxml.functional._activations import hard_swish as hard_swish
from jaxml.functional._activations import hard_tanh as hard_tanh
from jaxml.functional._activations import identity as identity
from jaxml.functional._activations import leaky_relu as leaky_relu
from jaxml.functional._activations import log_sigmoid as log_sigmoid
from jaxml.functional._activations import mish as mish
from jaxml.functional._activations import relu as relu
from jaxml.functional._activations import relu6 as relu6
from jaxml.functional._activations import selu as selu
from jaxml.functional._activations import sigmoid as sigmoid
from jaxml.functional._activations import silu as silu
from jaxml.functional._activations import softplus as softplus
from jaxml.functional._activations import tanh as tanh
from jaxml.functional._batch_norm import batch_norm as batch_norm
from jaxml.functional._batch_norm_conv import batch_norm_conv as batch_norm_conv
from jaxml.functional._conv import conv1d as conv1d
from jaxml.functional._conv import conv2d as conv2d
from jaxml.functional._conv import conv3d as conv3d
from jaxml.functional._depthwise import depthwise_conv2d as depthwise_conv2d
from jaxml.functional._depthwise import depthwise_implementations as depthwise_implementations
from jaxml.functional._depthwise import separable_conv2d as separable_conv2d
from jaxml.functional._dropout import dropout as dropout
from jaxml.functional._linear import flatten as flatten
from jaxml.functional._linear import linear as linear
from jaxml.functional._losses import binary_cross_entropy as binary_cross_entropy
from jaxml.functional._losses import mse_loss as mse_loss
from jaxml.functional._losses import softmax_cross_entropy as softmax_cross_entropy
from jaxml.functional._losses import (
    softmax_cross_entropy_with_integer_labels as softmax_cross_entropy_with_integer_labels,
)
from jaxml.functional._pointwise import pointwise_conv2d as pointwise_conv2d
from jaxml.functional._pool import avg_pool1d as avg_pool1d
from jaxml.functional._pool import avg_pool2d as avg_pool2d
from jaxml.functional._pool import avg_pool3d as avg_pool3d
from jaxml.functional._pool import global_avg_pool as global_avg_pool
from jaxml.functional._pool import global_max_pool as global_max_pool
from jaxml.functional._pool import max_pool1d as max_pool1d
from jaxml.functional._pool import max_pool2d as max_pool2d
from jaxml.functional._pool import max_pool3d as max_pool3d
from jaxml.functional._softmax import log_softmax as log_softmax
from jaxml.functional._softmax import softmax as softmax

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "batch_norm_conv",
    "binary_cross_entropy",
    "celu",
    "conv1d",
    "conv2d",
    "conv3d",
    "depthwise_conv2d",
    "depthwise_implementations",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "global_avg_pool",
    "global_max_pool",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "init",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "mse_loss",
    "pointwise_conv2d",
    "relu",
    "relu6",
    "selu",
    "separable_conv2d",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softplus",
    "tanh",
]
