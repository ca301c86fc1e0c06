"""Bad input to transposed convolutions, convolution gradients, patches, padding, resizing, sampling and shuffles."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

X, W, FOUR = jnp.ones((2, 5, 6, 4)), jnp.ones((3, 3, 4, 8)), jnp.ones(4)
DY = jnp.ones((2, 5, 6, 8))
EMPTY, INTEGER, HALF = jnp.ones((2, 0, 6, 4)), X.astype(jnp.uint8), X.astype(jnp.bfloat16)
GRID, THETA = jnp.ones((2, 3, 3, 2)), jnp.ones((2, 2, 3))

transposed = partial(F.conv_transpose2d, X, W)
input_grad = partial(F.conv2d_input_grad, DY, W, input_size=(5, 6))
weight_grad = partial(F.conv2d_weight_grad, X, DY, window=3)
resize = partial(F.interpolate, X, output_size=3)

ERRORS = [
    (partial(F.conv_transpose2d, INTEGER, W), TypeError, "conv_transpose2d: x must be floating point, got uint8"),
    (partial(F.conv_transpose2d, HALF, W), TypeError, "conv_transpose2d: all arrays must share one dtype"),
    (partial(F.conv_transpose2d, X[0], W), ValueError, "conv_transpose2d: x must have 4 axes (N, H, W, C), got 3"),
    (partial(F.conv_transpose1d, X, W), ValueError, "conv_transpose1d: x must have 3 axes (N, W, C), got 4"),
    (partial(F.conv_transpose3d, X, W), ValueError, "conv_transpose3d: x must have 5 axes (N, D, H, W, C), got 4"),
    (partial(F.conv_transpose2d, X[..., 1:], W), ValueError, "conv_transpose2d: w has 4 input channels in each of 1"),
    (partial(F.conv_transpose2d, EMPTY, W), ValueError, "conv_transpose2d: the spatial size of x must be positive"),
    (partial(F.conv_transpose2d, X, W[:0]), ValueError, "the spatial size of the kernel must be positive integers"),
    (partial(transposed, FOUR), ValueError, "conv_transpose2d: the shape of b must be (8,), got (4,)"),
    (partial(transposed, groups=3), ValueError, "conv_transpose2d: groups must divide the input and output channels"),
    (partial(transposed, stride=0), ValueError, "conv_transpose2d: stride must be positive integers, got (0, 0)"),
    (partial(transposed, padding="SAMME"), ValueError, "conv_transpose2d: padding must be one of 'SAME', 'VALID'"),
    (partial(transposed, padding=-1), ValueError, "conv_transpose2d: padding must be 'SAME', 'VALID', an int, or"),
    (
        partial(transposed, padding=4),
        ValueError,
        "conv_transpose2d: padding ((4, 4), (4, 4)) leaves an image of (-1, 0) (x: (5, 6), kernel: (3, 3))",
    ),
    (
        partial(transposed, stride=2, output_padding=1),
        ValueError,
        'conv_transpose2d: output_padding beside padding="SAME" must be (0, 0), got (1, 1)',
    ),
    (
        partial(transposed, stride=(2, 1), padding=1, output_padding=1),
        ValueError,
        "conv_transpose2d: output_padding must lie from 0 to below the stride or dilation (2, 1), got (1, 1)",
    ),
    (partial(transposed, padding=1, output_padding=0.5), ValueError, "output_padding must lie from 0 to below"),
    (partial(transposed, output_padding=(1,)), ValueError, "the number of entries of output_padding must be 2, got 1"),
    (partial(input_grad, groups=0), ValueError, "conv2d_input_grad: groups must be positive integers, got (0,)"),
    (partial(input_grad, input_size=(5,)), ValueError, "the number of entries of input_size must be 2, got 1"),
    (partial(input_grad, stride=2), ValueError, "the shape of dy must be (2, 3, 3, 8), got (2, 5, 6, 8)"),
    (partial(input_grad, padding="FULL"), ValueError, "conv2d_input_grad: padding must be one of 'SAME', 'VALID'"),
    (partial(F.conv2d_input_grad, DY[0], W, input_size=5), ValueError, "dy must have 4 axes (N, H, W, O), got 3"),
    (partial(F.conv1d_input_grad, DY, W, input_size=5), ValueError, "conv1d_input_grad: dy must have 3 axes (N, W, O)"),
    (partial(F.conv3d_input_grad, DY, W, input_size=5), ValueError, "conv3d_input_grad: dy must have 5 axes"),
    (partial(F.conv2d_input_grad, HALF, W, input_size=5), TypeError, "conv2d_input_grad: all arrays must share one"),
    (partial(weight_grad, groups=-1), ValueError, "conv2d_weight_grad: groups must be positive integers, got (-1,)"),
    (
        partial(weight_grad, groups=3),
        ValueError,
        "conv2d_weight_grad: groups must divide the input and output channels",
    ),
    (
        partial(weight_grad, window="3"),
        ValueError,
        "conv2d_weight_grad: window must be positive integers, got ('3', '3')",
    ),
    (partial(weight_grad, padding=0), ValueError, "conv2d_weight_grad: the shape of dy must be (2, 3, 4, 8), got"),
    (partial(F.conv1d_weight_grad, X, DY, window=3), ValueError, "conv1d_weight_grad: x must have 3 axes (N, W, C)"),
    (partial(F.conv3d_weight_grad, X, DY, window=3), ValueError, "conv3d_weight_grad: x must have 5 axes"),
    (partial(F.conv2d_weight_grad, INTEGER, DY, window=3), TypeError, "conv2d_weight_grad: x must be floating point"),
    (partial(F.unfold, X[0, 0], window=2), ValueError, "unfold: x must have 3 or 4 or 5 axes (N, *spatial, C), got 2"),
    (partial(F.unfold, None, window=2), TypeError, "unfold: x must be an array, got NoneType"),
    (partial(F.unfold, X, window=0), ValueError, "unfold: window must be positive integers, got (0, 0)"),
    (partial(F.unfold, X, window=(2, 2, 2)), ValueError, "unfold: the number of entries of window must be 2, got 3"),
    (
        partial(F.unfold, X, window=7),
        ValueError,
        "unfold: the window covers 7 positions, more than the padded input's 5",
    ),
    (partial(F.fold, INTEGER, output_size=6, window=2), TypeError, "fold: y must be floating point, got uint8"),
    (partial(F.fold, X, output_size=(6, 6), window=2), ValueError, "fold: the outputs of y must be (5, 5), got (5, 6)"),
    (partial(F.fold, X, output_size=(7, 8), window=3), ValueError, "fold: the last axis of y left over by 9 taps"),
    (
        partial(F.fold, X, output_size=0, window=2),
        ValueError,
        "fold: output_size must be positive integers, got (0, 0)",
    ),
    (partial(F.pad, X[0, 0], padding=1), ValueError, "pad: x must have 3 or 4 or 5 axes (N, *spatial, C), got 2"),
    (partial(F.pad, EMPTY, padding=1), ValueError, "pad: the spatial size of x must be positive integers, got (0, 6)"),
    (
        partial(F.pad, X, padding=-1),
        ValueError,
        "pad: padding must be an int, or one non-negative (before, after) pair",
    ),
    (partial(F.pad, X, padding="SAME"), ValueError, "pad: the number of entries of padding must be 2, got 4"),
    (
        partial(F.pad, X, padding=1, mode="edge"),
        ValueError,
        "pad: mode must be one of 'constant', 'reflect', 'replicate', 'circular', got 'edge'",
    ),
    (
        partial(F.pad, X, padding=5, mode="reflect"),
        ValueError,
        "pad: reflect padding must be at most the image's size - 1",
    ),
    (
        partial(F.pad, X, padding=6, mode="circular"),
        ValueError,
        "pad: circular padding must be at most the image's size, got",
    ),
    (partial(F.interpolate, INTEGER, output_size=3), TypeError, "interpolate: x must be floating point, got uint8"),
    (partial(F.interpolate, X[0, 0], output_size=3), ValueError, "interpolate: x must have 3 or 4 or 5 axes"),
    (partial(F.interpolate, EMPTY, output_size=3), ValueError, "interpolate: the spatial size of x must be positive"),
    (partial(F.interpolate, X), ValueError, "interpolate: give one of output_size and scale_factor, got None and None"),
    (partial(resize, scale_factor=2), ValueError, "interpolate: give one of output_size and scale_factor, got 3 and 2"),
    (
        partial(resize, output_size=(3,)),
        ValueError,
        "interpolate: the number of entries of output_size must be 2, got 1",
    ),
    (partial(resize, output_size=0), ValueError, "interpolate: output_size must be positive integers, got (0, 0)"),
    (partial(F.interpolate, X, scale_factor=(2, 2, 2)), ValueError, "the number of entries of scale_factor must be 2"),
    (
        partial(F.interpolate, X, scale_factor=-1),
        ValueError,
        "interpolate: scale_factor must be finite and above 0, got -1",
    ),
    (partial(F.interpolate, X, scale_factor="2"), ValueError, "scale_factor must be finite and above 0, got 2"),
    (
        partial(F.interpolate, X, scale_factor=0.1),
        ValueError,
        "the spatial size of the result must be positive integers",
    ),
    (
        partial(resize, mode="linear"),
        ValueError,
        "interpolate: mode must be one of 'nearest', 'nearest-exact', 'bilinear'",
    ),
    (partial(resize, mode="linear"), ValueError, "got 'linear'; did you mean 'bilinear' or"),
    (
        partial(resize, align_corners=True),
        ValueError,
        "interpolate: align_corners and antialias are of linear and cubic",
    ),
    (partial(resize, antialias=True, mode="area"), ValueError, "are of linear and cubic modes, got mode='area'"),
    (
        partial(resize, antialias=True, align_corners=True, mode="bicubic"),
        ValueError,
        "interpolate: antialias has no form with align_corners",
    ),
    (partial(F.grid_sample, INTEGER, GRID), TypeError, "grid_sample: x must be floating point, got uint8"),
    (partial(F.grid_sample, HALF, GRID), TypeError, "grid_sample: all arrays must share one dtype"),
    (partial(F.grid_sample, X[0], GRID), ValueError, "grid_sample: x must have 4 or 5 axes (N, *spatial, C), got 3"),
    (partial(F.grid_sample, X, GRID[0]), ValueError, "grid_sample: grid must have 4 axes (N, *outputs, n), got 3"),
    (
        partial(F.grid_sample, X, GRID[:1]),
        ValueError,
        "grid_sample: batch and coordinates of grid must be (2, 2), got (1, 2)",
    ),
    (partial(F.grid_sample, X, GRID[..., :1]), ValueError, "batch and coordinates of grid must be (2, 2), got (2, 1)"),
    (partial(F.grid_sample, EMPTY, GRID), ValueError, "grid_sample: the spatial size of x must be positive integers"),
    (
        partial(F.grid_sample, X, GRID, mode="linear"),
        ValueError,
        "grid_sample: mode must be one of 'nearest', 'bilinear'",
    ),
    (
        partial(F.grid_sample, X, GRID, padding_mode="wrap"),
        ValueError,
        "grid_sample: padding_mode must be one of 'zeros'",
    ),
    (
        partial(F.grid_sample, X[:, None], GRID[:, None].repeat(2, -1)[..., :3], mode="bicubic"),
        ValueError,
        "grid_sample: mode must be one of 'nearest', 'trilinear', got 'bicubic'",
    ),
    (partial(F.affine_grid, THETA.astype(int), output_size=3), TypeError, "affine_grid: theta must be floating point"),
    (
        partial(F.affine_grid, THETA[0], output_size=3),
        ValueError,
        "affine_grid: theta must have 3 axes (N, n, n + 1), got 2",
    ),
    (
        partial(F.affine_grid, X[0], output_size=3),
        ValueError,
        "affine_grid: the number of coordinates must be one of 2, 3",
    ),
    (
        partial(F.affine_grid, THETA[..., 1:], output_size=3),
        ValueError,
        "affine_grid: the shape of theta must be (2, 2, 3)",
    ),
    (
        partial(F.affine_grid, THETA, output_size=(3, 3, 3)),
        ValueError,
        "the number of entries of output_size must be 2",
    ),
    (
        partial(F.pixel_shuffle, X[0], upscale_factor=2),
        ValueError,
        "pixel_shuffle: x must have 4 axes (N, H, W, C), got 3",
    ),
    (
        partial(F.pixel_shuffle, X, upscale_factor=3),
        ValueError,
        "pixel_shuffle: the channels of x left over by 3*3 must be 0",
    ),
    (
        partial(F.pixel_shuffle, X, upscale_factor=2.0),
        ValueError,
        "upscale_factor must be positive integers, got (2.0,)",
    ),
    (
        partial(F.pixel_unshuffle, X[0], downscale_factor=2),
        ValueError,
        "pixel_unshuffle: x must have 4 axes (N, H, W, C)",
    ),
    (
        partial(F.pixel_unshuffle, X, downscale_factor=2),
        ValueError,
        "the spatial size of x left over by 2 must be (0, 0)",
    ),
    (
        partial(F.pixel_unshuffle, X, downscale_factor=0),
        ValueError,
        "downscale_factor must be positive integers, got (0,)",
    ),
    (
        partial(F.channel_shuffle, X, groups=3),
        ValueError,
        "channel_shuffle: the channels of x left over by 3 groups must",
    ),
    (
        partial(F.channel_shuffle, X, groups=0),
        ValueError,
        "channel_shuffle: groups must be positive integers, got (0,)",
    ),
    (partial(F.channel_shuffle, jnp.ones(()), groups=1), ValueError, "channel_shuffle: x must have at least 1 axis"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[f"{i}-{e[2][:40]}" for i, e in enumerate(ERRORS)])
def test_error(call, error, message):
    """Raised while tracing: nothing is compiled."""
    with pytest.raises(error, match=re.escape(message)):
        jax.eval_shape(call)
