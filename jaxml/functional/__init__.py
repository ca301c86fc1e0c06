"""Pure functions: arrays in, arrays out; a random key first, options by keyword; sequences `(B, T, F)`, images NHWC."""

from jaxml.functional import init as init
from jaxml.functional._activations import celu as celu
from jaxml.functional._activations import elu as elu
from jaxml.functional._activations import gelu as gelu
from jaxml.functional._activations import identity as identity
from jaxml.functional._activations import log1mexp as log1mexp
from jaxml.functional._activations import log_sigmoid as log_sigmoid
from jaxml.functional._activations import mish as mish
from jaxml.functional._activations import selu as selu
from jaxml.functional._activations import sigmoid as sigmoid
from jaxml.functional._activations import silu as silu
from jaxml.functional._activations import snake as snake
from jaxml.functional._activations import softplus as softplus
from jaxml.functional._activations import softsign as softsign
from jaxml.functional._activations import sparse_plus as sparse_plus
from jaxml.functional._activations import squareplus as squareplus
from jaxml.functional._activations import tanh as tanh
from jaxml.functional._activations_gated import geglu as geglu
from jaxml.functional._activations_gated import glu as glu
from jaxml.functional._activations_gated import reglu as reglu
from jaxml.functional._activations_gated import swiglu as swiglu
from jaxml.functional._activations_piecewise import crelu as crelu
from jaxml.functional._activations_piecewise import hard_shrink as hard_shrink
from jaxml.functional._activations_piecewise import hard_sigmoid as hard_sigmoid
from jaxml.functional._activations_piecewise import hard_silu as hard_silu
from jaxml.functional._activations_piecewise import hard_swish as hard_swish
from jaxml.functional._activations_piecewise import hard_tanh as hard_tanh
from jaxml.functional._activations_piecewise import leaky_relu as leaky_relu
from jaxml.functional._activations_piecewise import maxout as maxout
from jaxml.functional._activations_piecewise import prelu as prelu
from jaxml.functional._activations_piecewise import relu as relu
from jaxml.functional._activations_piecewise import relu6 as relu6
from jaxml.functional._activations_piecewise import relu_squared as relu_squared
from jaxml.functional._activations_piecewise import soft_shrink as soft_shrink
from jaxml.functional._activations_piecewise import sparse_sigmoid as sparse_sigmoid
from jaxml.functional._activations_piecewise import step as step
from jaxml.functional._activations_piecewise import tanh_shrink as tanh_shrink
from jaxml.functional._activations_piecewise import threshold as threshold
from jaxml.functional._adaptive_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from jaxml.functional._adaptive_pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from jaxml.functional._adaptive_pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from jaxml.functional._adaptive_pool import adaptive_max_pool1d as adaptive_max_pool1d
from jaxml.functional._adaptive_pool import adaptive_max_pool2d as adaptive_max_pool2d
from jaxml.functional._adaptive_pool import adaptive_max_pool3d as adaptive_max_pool3d
from jaxml.functional._attention import dot_product_attention as dot_product_attention
from jaxml.functional._attention import multi_head_attention as multi_head_attention
from jaxml.functional._attention_scores import additive_attention as additive_attention
from jaxml.functional._attention_scores import luong_attention as luong_attention
from jaxml.functional._augment import cutmix as cutmix
from jaxml.functional._augment import cutout as cutout
from jaxml.functional._augment import dropblock2d as dropblock2d
from jaxml.functional._augment import mixup as mixup
from jaxml.functional._batch_norm import batch_norm as batch_norm
from jaxml.functional._batch_norm_conv import batch_norm_conv as batch_norm_conv
from jaxml.functional._bilinear import bilinear as bilinear
from jaxml.functional._conv import conv1d as conv1d
from jaxml.functional._conv import conv2d as conv2d
from jaxml.functional._conv import conv3d as conv3d
from jaxml.functional._conv_grads import conv1d_input_grad as conv1d_input_grad
from jaxml.functional._conv_grads import conv1d_weight_grad as conv1d_weight_grad
from jaxml.functional._conv_grads import conv2d_input_grad as conv2d_input_grad
from jaxml.functional._conv_grads import conv2d_weight_grad as conv2d_weight_grad
from jaxml.functional._conv_grads import conv3d_input_grad as conv3d_input_grad
from jaxml.functional._conv_grads import conv3d_weight_grad as conv3d_weight_grad
from jaxml.functional._conv_transpose import conv_transpose1d as conv_transpose1d
from jaxml.functional._conv_transpose import conv_transpose2d as conv_transpose2d
from jaxml.functional._conv_transpose import conv_transpose3d as conv_transpose3d
from jaxml.functional._cross_entropy import nll_loss as nll_loss
from jaxml.functional._cross_entropy import smooth_labels as smooth_labels
from jaxml.functional._cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from jaxml.functional._cross_entropy import (
    softmax_cross_entropy_with_integer_labels as softmax_cross_entropy_with_integer_labels,
)
from jaxml.functional._ctc import ctc_loss as ctc_loss
from jaxml.functional._depthwise import depthwise_conv2d as depthwise_conv2d
from jaxml.functional._depthwise import depthwise_implementations as depthwise_implementations
from jaxml.functional._depthwise import separable_conv2d as separable_conv2d
from jaxml.functional._distances import cdist as cdist
from jaxml.functional._distances import cosine_similarity as cosine_similarity
from jaxml.functional._distances import normalize as normalize
from jaxml.functional._distances import pairwise_distance as pairwise_distance
from jaxml.functional._distances import pdist as pdist
from jaxml.functional._divergences import js_divergence as js_divergence
from jaxml.functional._divergences import kl_divergence as kl_divergence
from jaxml.functional._divergences import wasserstein_loss as wasserstein_loss
from jaxml.functional._dropout import drop_path as drop_path
from jaxml.functional._dropout import dropout as dropout
from jaxml.functional._dropout import dropout1d as dropout1d
from jaxml.functional._dropout import dropout2d as dropout2d
from jaxml.functional._dropout import dropout3d as dropout3d
from jaxml.functional._embedding import embedding as embedding
from jaxml.functional._embedding import embedding_bag as embedding_bag
from jaxml.functional._fold_batch_norm import fold_batch_norm as fold_batch_norm
from jaxml.functional._fractional_pool import fractional_max_pool2d as fractional_max_pool2d
from jaxml.functional._fractional_pool import fractional_max_pool3d as fractional_max_pool3d
from jaxml.functional._global_pool import global_avg_pool as global_avg_pool
from jaxml.functional._global_pool import global_max_pool as global_max_pool
from jaxml.functional._grid_sample import affine_grid as affine_grid
from jaxml.functional._grid_sample import grid_sample as grid_sample
from jaxml.functional._group_norm import group_norm as group_norm
from jaxml.functional._group_norm import instance_norm as instance_norm
from jaxml.functional._layer_norm import layer_norm as layer_norm
from jaxml.functional._layer_norm import rms_norm as rms_norm
from jaxml.functional._layer_norm_lstm import layer_norm_lstm as layer_norm_lstm
from jaxml.functional._layer_norm_lstm import layer_norm_lstm_cell as layer_norm_lstm_cell
from jaxml.functional._linear import flatten as flatten
from jaxml.functional._linear import linear as linear
from jaxml.functional._linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from jaxml.functional._losses import mse_loss as mse_loss
from jaxml.functional._losses_binary import binary_cross_entropy as binary_cross_entropy
from jaxml.functional._losses_binary import (
    binary_cross_entropy_from_probabilities as binary_cross_entropy_from_probabilities,
)
from jaxml.functional._losses_binary import sigmoid_focal_loss as sigmoid_focal_loss
from jaxml.functional._losses_classes import generalized_cross_entropy as generalized_cross_entropy
from jaxml.functional._losses_classes import poly_loss as poly_loss
from jaxml.functional._losses_classes import softmax_focal_loss as softmax_focal_loss
from jaxml.functional._losses_contrastive import arcface_logits as arcface_logits
from jaxml.functional._losses_contrastive import circle_loss as circle_loss
from jaxml.functional._losses_contrastive import info_nce_loss as info_nce_loss
from jaxml.functional._losses_contrastive import nt_xent_loss as nt_xent_loss
from jaxml.functional._losses_likelihood import gaussian_nll_loss as gaussian_nll_loss
from jaxml.functional._losses_likelihood import mape_loss as mape_loss
from jaxml.functional._losses_likelihood import msle_loss as msle_loss
from jaxml.functional._losses_likelihood import poisson_nll_loss as poisson_nll_loss
from jaxml.functional._losses_margin import hinge_embedding_loss as hinge_embedding_loss
from jaxml.functional._losses_margin import hinge_loss as hinge_loss
from jaxml.functional._losses_margin import margin_ranking_loss as margin_ranking_loss
from jaxml.functional._losses_margin import soft_margin_loss as soft_margin_loss
from jaxml.functional._losses_margin import squared_hinge_loss as squared_hinge_loss
from jaxml.functional._losses_metric import contrastive_loss as contrastive_loss
from jaxml.functional._losses_metric import cosine_embedding_loss as cosine_embedding_loss
from jaxml.functional._losses_metric import triplet_margin_loss as triplet_margin_loss
from jaxml.functional._losses_metric import triplet_margin_with_distance_loss as triplet_margin_with_distance_loss
from jaxml.functional._losses_multiclass_margin import categorical_hinge_loss as categorical_hinge_loss
from jaxml.functional._losses_multiclass_margin import multi_margin_loss as multi_margin_loss
from jaxml.functional._losses_multiclass_margin import multilabel_margin_loss as multilabel_margin_loss
from jaxml.functional._losses_multiclass_margin import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from jaxml.functional._losses_overlap import dice_loss as dice_loss
from jaxml.functional._losses_overlap import tversky_loss as tversky_loss
from jaxml.functional._losses_regression import charbonnier_loss as charbonnier_loss
from jaxml.functional._losses_regression import expectile_loss as expectile_loss
from jaxml.functional._losses_regression import general_robust_loss as general_robust_loss
from jaxml.functional._losses_regression import huber_loss as huber_loss
from jaxml.functional._losses_regression import l1_loss as l1_loss
from jaxml.functional._losses_regression import log_cosh_loss as log_cosh_loss
from jaxml.functional._losses_regression import quantile_loss as quantile_loss
from jaxml.functional._losses_regression import smooth_l1_loss as smooth_l1_loss
from jaxml.functional._lp_pool import lp_pool1d as lp_pool1d
from jaxml.functional._lp_pool import lp_pool2d as lp_pool2d
from jaxml.functional._lp_pool import lp_pool3d as lp_pool3d
from jaxml.functional._max_unpool import max_pool1d_with_indices as max_pool1d_with_indices
from jaxml.functional._max_unpool import max_pool2d_with_indices as max_pool2d_with_indices
from jaxml.functional._max_unpool import max_pool3d_with_indices as max_pool3d_with_indices
from jaxml.functional._max_unpool import max_unpool1d as max_unpool1d
from jaxml.functional._max_unpool import max_unpool2d as max_unpool2d
from jaxml.functional._max_unpool import max_unpool3d as max_unpool3d
from jaxml.functional._noise import alpha_dropout as alpha_dropout
from jaxml.functional._noise import feature_alpha_dropout as feature_alpha_dropout
from jaxml.functional._noise import gaussian_dropout as gaussian_dropout
from jaxml.functional._noise import gaussian_noise as gaussian_noise
from jaxml.functional._pad import pad as pad
from jaxml.functional._pointwise import pointwise_conv2d as pointwise_conv2d
from jaxml.functional._pool import avg_pool1d as avg_pool1d
from jaxml.functional._pool import avg_pool2d as avg_pool2d
from jaxml.functional._pool import avg_pool3d as avg_pool3d
from jaxml.functional._pool import max_pool1d as max_pool1d
from jaxml.functional._pool import max_pool2d as max_pool2d
from jaxml.functional._pool import max_pool3d as max_pool3d
from jaxml.functional._positions import alibi as alibi
from jaxml.functional._positions import rotary_embedding as rotary_embedding
from jaxml.functional._positions import sinusoidal_positions as sinusoidal_positions
from jaxml.functional._recurrent import gru as gru
from jaxml.functional._recurrent import lstm as lstm
from jaxml.functional._recurrent import rnn as rnn
from jaxml.functional._recurrent_cells import gru_cell as gru_cell
from jaxml.functional._recurrent_cells import lstm_cell as lstm_cell
from jaxml.functional._recurrent_cells import rnn_cell as rnn_cell
from jaxml.functional._resize import interpolate as interpolate
from jaxml.functional._response_norm import filter_response_norm as filter_response_norm
from jaxml.functional._response_norm import global_response_norm as global_response_norm
from jaxml.functional._response_norm import local_response_norm as local_response_norm
from jaxml.functional._shuffle import channel_shuffle as channel_shuffle
from jaxml.functional._shuffle import pixel_shuffle as pixel_shuffle
from jaxml.functional._shuffle import pixel_unshuffle as pixel_unshuffle
from jaxml.functional._softmax import log_softmax as log_softmax
from jaxml.functional._softmax import softmax as softmax
from jaxml.functional._softmax_kin import logmeanexp as logmeanexp
from jaxml.functional._softmax_kin import softmin as softmin
from jaxml.functional._softmax_kin import spatial_softmax as spatial_softmax
from jaxml.functional._sparsemax import sparsemax as sparsemax
from jaxml.functional._sparsemax import sparsemax_loss as sparsemax_loss
from jaxml.functional._stochastic import gumbel_softmax as gumbel_softmax
from jaxml.functional._stochastic import rrelu as rrelu
from jaxml.functional._unfold import fold as fold
from jaxml.functional._unfold import unfold as unfold
from jaxml.functional._weight_norm import spectral_norm as spectral_norm
from jaxml.functional._weight_norm import weight_norm as weight_norm
from jaxml.functional._weight_norm import weight_standardization as weight_standardization

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "additive_attention",
    "affine_grid",
    "alibi",
    "alpha_dropout",
    "arcface_logits",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "batch_norm_conv",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_from_probabilities",
    "categorical_hinge_loss",
    "cdist",
    "celu",
    "channel_shuffle",
    "charbonnier_loss",
    "circle_loss",
    "contrastive_loss",
    "conv1d",
    "conv1d_input_grad",
    "conv1d_weight_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv3d",
    "conv3d_input_grad",
    "conv3d_weight_grad",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "crelu",
    "ctc_loss",
    "cutmix",
    "cutout",
    "depthwise_conv2d",
    "depthwise_implementations",
    "dice_loss",
    "dot_product_attention",
    "drop_path",
    "dropblock2d",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "embedding_bag",
    "expectile_loss",
    "feature_alpha_dropout",
    "filter_response_norm",
    "flatten",
    "fold",
    "fold_batch_norm",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gaussian_dropout",
    "gaussian_nll_loss",
    "gaussian_noise",
    "geglu",
    "gelu",
    "general_robust_loss",
    "generalized_cross_entropy",
    "global_avg_pool",
    "global_max_pool",
    "global_response_norm",
    "glu",
    "grid_sample",
    "group_norm",
    "gru",
    "gru_cell",
    "gumbel_softmax",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "hinge_embedding_loss",
    "hinge_loss",
    "huber_loss",
    "identity",
    "info_nce_loss",
    "init",
    "instance_norm",
    "interpolate",
    "js_divergence",
    "kl_divergence",
    "l1_loss",
    "layer_norm",
    "layer_norm_lstm",
    "layer_norm_lstm_cell",
    "leaky_relu",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log1mexp",
    "log_cosh_loss",
    "log_sigmoid",
    "log_softmax",
    "logmeanexp",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "lstm",
    "lstm_cell",
    "luong_attention",
    "mape_loss",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "maxout",
    "mish",
    "mixup",
    "mse_loss",
    "msle_loss",
    "multi_head_attention",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "nt_xent_loss",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "pointwise_conv2d",
    "poisson_nll_loss",
    "poly_loss",
    "prelu",
    "quantile_loss",
    "reglu",
    "relu",
    "relu6",
    "relu_squared",
    "rms_norm",
    "rnn",
    "rnn_cell",
    "rotary_embedding",
    "rrelu",
    "selu",
    "separable_conv2d",
    "sigmoid",
    "sigmoid_focal_loss",
    "silu",
    "sinusoidal_positions",
    "smooth_l1_loss",
    "smooth_labels",
    "snake",
    "soft_margin_loss",
    "soft_shrink",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softmax_focal_loss",
    "softmin",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "sparsemax_loss",
    "spatial_softmax",
    "spectral_norm",
    "squared_hinge_loss",
    "squareplus",
    "step",
    "swiglu",
    "tanh",
    "tanh_shrink",
    "threshold",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "tversky_loss",
    "unfold",
    "wasserstein_loss",
    "weight_norm",
    "weight_standardization",
]
