"""Bad input to the convolutions and to batch normalisation: which error, saying what, before anything is compiled."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

X, W, WD, WP = (jnp.ones(s) for s in ((2, 6, 5, 4), (3, 3, 4, 8), (3, 3, 1, 4), (4, 8)))
C, EIGHT = jnp.ones(4), jnp.ones(8)
HALF, INTEGER = X.astype(jnp.bfloat16), X.astype(jnp.uint8)
EMPTY = jnp.ones((2, 0, 5, 4))

# Each convolution by its image alone, and its kernel under the name it has there.
CONVS = {
    "conv2d": (lambda x, w=W, **o: F.conv2d(x, w, **o), W),
    "depthwise_conv2d": (lambda x, w=WD, **o: F.depthwise_conv2d(x, w, **o), WD),
    "separable_conv2d": (lambda x, w=WD, **o: F.separable_conv2d(x, w, WP, **o), WD),
}
WINDOWED = [
    (EMPTY, {}, ValueError, "the spatial size of x must be positive integers, got (0, 5)"),
    (X[:, :2], {"padding": "VALID"}, ValueError, "the window covers 3 positions, more than the padded input's 2"),
    (X, {"padding": 0, "dilation": 3}, ValueError, "the window covers 7 positions, more than the padded input's 6"),
    (X, {"padding": "SAMME"}, ValueError, "padding must be one of 'SAME', 'VALID', got 'SAMME'; did you mean 'SAME'?"),
    (X, {"padding": -1}, ValueError, "padding must be 'SAME', 'VALID', an int, or one non-negative"),
    (X, {"padding": (1, 2, 3)}, ValueError, "the number of entries of padding must be 2, got 3"),
    (X, {"padding": None}, ValueError, "padding must be 'SAME', 'VALID', an int, or one non-negative"),
    (X, {"padding": 1.5}, ValueError, "padding must be 'SAME', 'VALID', an int, or one non-negative"),
    (X, {"stride": 2.0}, ValueError, "stride must be positive integers, got (2.0, 2.0)"),
    (X, {"stride": "2"}, ValueError, "stride must be positive integers, got ('2', '2')"),
    (X, {"dilation": None}, ValueError, "dilation must be positive integers, got (None, None)"),
    (X, {"stride": 0}, ValueError, "stride must be positive integers, got (0, 0)"),
    (X, {"stride": (1, 2, 1)}, ValueError, "the number of entries of stride must be 2, got 3"),
    (X, {"dilation": (1, -1)}, ValueError, "dilation must be positive integers, got (1, -1)"),
]


def fused(x=X, scale=C, w=WP, **options):
    options = {"conv": F.pointwise_conv2d, "train": True} | options
    return F.batch_norm_conv(x, C, C, scale, C, w, **options)


ERRORS = [
    *(
        (partial(call, x, **options), kind, f"{name}: {says}")
        for name, (call, _) in CONVS.items()
        for x, options, kind, says in WINDOWED
    ),
    *(
        (partial(call, x), kind, f"{name}: {says}")
        for name, (call, _) in CONVS.items()
        for x, kind, says in (
            (INTEGER, TypeError, "x must be floating point, got uint8"),
            (HALF, TypeError, "all arrays must share one dtype, got x: bfloat16, w"),
            ([[1.0]], TypeError, "x must be an array, got list"),
        )
    ),
    (lambda: F.conv2d(None, W), TypeError, "conv2d: x must be an array, got NoneType"),
    (lambda: F.depthwise_conv2d(X, None), TypeError, "depthwise_conv2d: w must be an array, got NoneType"),
    (lambda: F.conv2d(X[0], W), ValueError, "conv2d: x must have 4 axes (N, H, W, C), got 3 (x: (6, 5, 4))"),
    (lambda: F.conv2d(X, W[0]), ValueError, "conv2d: w must have 4 axes (k, k, C_in/groups, C_out), got 3"),
    (lambda: F.conv1d(X, W[0]), ValueError, "conv1d: x must have 3 axes (N, W, C), got 4"),
    (lambda: F.conv3d(X, W), ValueError, "conv3d: x must have 5 axes (N, D, H, W, C), got 4"),
    (lambda: F.conv2d(X[..., :3], W), ValueError, "conv2d: w has 4 input channels in each of 1 groups, x has 3"),
    (lambda: F.conv2d(X, W, groups=3), ValueError, "groups must divide the input and output channels, got groups=3"),
    (lambda: F.conv2d(X, W[..., :6], groups=4), ValueError, "conv2d: groups must divide the input and output channels"),
    (lambda: F.conv2d(X, W, groups=0), ValueError, "conv2d: groups must be positive integers, got (0,)"),
    (lambda: F.conv2d(X, W[:0]), ValueError, "conv2d: the spatial size of the kernel must be positive integers"),
    (lambda: F.conv2d(X, W, C), ValueError, "conv2d: the shape of b must be (8,), got (4,)"),
    (lambda: F.conv2d(X, W, implementation="shift"), ValueError, "conv2d: implementation must be one of None, 'xla'"),
    (lambda: F.conv2d(X, W, implementation="dot"), ValueError, "implementation must be one of None, 'xla', 'im2col'"),
    (
        lambda: F.conv2d(X, W, stride=(1, 3), implementation="winograd"),
        ValueError,
        "conv2d: implementation must be one of None, 'xla', 'im2col', got 'winograd'",
    ),
    (lambda: F.depthwise_conv2d(X[0], WD), ValueError, "depthwise_conv2d: x must have 4 axes (N, H, W, C), got 3"),
    (lambda: F.depthwise_conv2d(X, WD[0]), ValueError, "w must have 4 axes (kh, kw, 1, C*multiplier), got 3"),
    (lambda: F.depthwise_conv2d(X, W), ValueError, "depthwise_conv2d: axis 2 of w must be 1, got 4"),
    (lambda: F.depthwise_conv2d(X, WD[..., :3]), ValueError, "must be a positive multiple of x's 4 channels, got 3"),
    (lambda: F.depthwise_conv2d(X, WD, EIGHT), ValueError, "depthwise_conv2d: the shape of b must be (4,), got (8,)"),
    (
        lambda: F.depthwise_conv2d(X, WD, implementation="shfit"),
        ValueError,
        "depthwise_conv2d: implementation must be one of None, 'xla', 'shift', got 'shfit'; did you mean 'shift'?",
    ),
    (lambda: F.pointwise_conv2d(X[0], WP), ValueError, "pointwise_conv2d: x must have 4 axes (N, H, W, C), got 3"),
    (lambda: F.pointwise_conv2d(X, W), ValueError, "pointwise_conv2d: w must have 2 axes (C_in, C_out), got 4"),
    (
        lambda: F.pointwise_conv2d(X[..., 1:], WP),
        ValueError,
        "pointwise_conv2d: the input channels of w must be 3, got",
    ),
    (lambda: F.pointwise_conv2d(INTEGER, WP), TypeError, "pointwise_conv2d: x must be floating point, got uint8"),
    (lambda: F.pointwise_conv2d(EMPTY, WP), ValueError, "pointwise_conv2d: the spatial size of x must be positive"),
    (lambda: F.pointwise_conv2d(X, WP[:, :0]), ValueError, "pointwise_conv2d: the channels of w must be positive"),
    (lambda: F.conv2d(X, W[..., :0]), ValueError, "conv2d: the channels of w must be positive integers, got (4, 0)"),
    (lambda: F.pointwise_conv2d(X, WP, C), ValueError, "pointwise_conv2d: the shape of b must be (8,), got (4,)"),
    (
        lambda: F.separable_conv2d(X, WD, WP[1:]),
        ValueError,
        "separable_conv2d: the input channels of w_pointwise must be 4, got 3",
    ),
    (lambda: F.separable_conv2d(X, W, WP), ValueError, "separable_conv2d: axis 2 of w_depthwise must be 1, got 4 (x"),
    (lambda: F.separable_conv2d(X, WD[0], WP), ValueError, "separable_conv2d: w_depthwise must have 4 axes (kh, kw, 1"),
    (lambda: F.separable_conv2d(X[..., 1:], WD, WP), ValueError, "the output channels of w_depthwise must be a positi"),
    (lambda: F.separable_conv2d(X, WD, W), ValueError, "separable_conv2d: w_pointwise must have 2 axes (C_in, C_out)"),
    (lambda: F.separable_conv2d(X, WD, WP[:, :0]), ValueError, "the channels of w_pointwise must be positive"),
    (lambda: F.separable_conv2d(X, WD, WP, C), ValueError, "separable_conv2d: the shape of b must be (8,), got (4,)"),
    (lambda: F.separable_conv2d(X, WD, WP.astype(jnp.float16)), TypeError, "separable_conv2d: all arrays must share"),
    (lambda: F.batch_norm(INTEGER, C, C, train=True), TypeError, "batch_norm: x must be floating point, got uint8"),
    (lambda: F.batch_norm(X, C, EIGHT, train=True), ValueError, "batch_norm: the shape of var must be (4,), got (8,)"),
    (lambda: F.batch_norm(X, C, C, EIGHT, train=True), ValueError, "batch_norm: the shape of scale must be (4,), got"),
    (lambda: F.batch_norm(C, C, C, train=True), ValueError, "batch_norm: x must have at least 2 axes (..., C), got 1"),
    (lambda: F.batch_norm(EMPTY, C, C, train=True), ValueError, "batch_norm: training needs at least one example"),
    (lambda: F.batch_norm(X, C, C, train=True, momentum=1.5), ValueError, "momentum must lie in [0, 1], got 1.5"),
    (lambda: F.batch_norm(X, C, C, train=True, eps=0.0), ValueError, "batch_norm: eps must be positive, got 0.0"),
    (lambda: F.batch_norm(X, C, C, train=True, axis_name="i"), ValueError, "batch_norm: no axis is called 'i' here"),
    (lambda: F.batch_norm(X, C, C, train=True, axis_name=0), TypeError, "batch_norm: axis_name must be a string or No"),
    (lambda: F.batch_norm(X, C, C, train=True, eps=jnp.inf), ValueError, "batch_norm: eps must be positive, got inf"),
    (lambda: fused(activation="relu"), TypeError, "batch_norm_conv: activation must be a function, got str"),
    (lambda: fused(scope=2), TypeError, "batch_norm_conv: scope must be a string or None, got 2"),
    (lambda: fused(momentum=2.0), ValueError, "batch_norm_conv: momentum must lie in [0, 1], got 2.0"),
    (lambda: fused(eps=0.0), ValueError, "batch_norm_conv: eps must be positive, got 0.0"),
    (lambda: fused(scale=EIGHT), ValueError, "batch_norm_conv: the shape of scale must be (4,), got (8,)"),
    (lambda: fused(x=INTEGER), TypeError, "batch_norm_conv: x must be floating point, got uint8"),
    (lambda: fused(x=EMPTY), ValueError, "batch_norm_conv: training needs at least one example"),
    (lambda: fused(w=WP.astype(jnp.float16)), TypeError, "batch_norm_conv: all arrays must share"),
    (lambda: fused(w=WP[1:]), ValueError, "batch_norm_conv: pointwise_conv2d: the input channels of w must be 4, "),
    (lambda: fused(conv=F.conv2d), ValueError, "batch_norm_conv: conv2d: w must have 4 axes"),
    (lambda: fused(conv=partial(F.conv2d, stride=0), w=W), ValueError, "batch_norm_conv: conv2d: stride must be pos"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[f"{i}-{e[2][:40]}" for i, e in enumerate(ERRORS)])
def test_error(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize("name", CONVS)
def test_errors_are_raised_while_tracing(name):
    """`eval_shape` compiles and runs nothing and raises the same."""
    call, w = CONVS[name]
    with pytest.raises(ValueError, match="channels"):
        jax.eval_shape(call, jax.ShapeDtypeStruct((2, 6, 5, 3), jnp.float32), w)
