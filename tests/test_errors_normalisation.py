"""Bad input to the normalisations: which error, saying what."""

import re
from functools import partial

import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

X, C, W = jnp.ones((2, 3, 4)), jnp.ones(4), jnp.ones((3, 4))
NAN = float("nan")
ON_IMAGES = {
    "group_norm": partial(F.group_norm, groups=2),
    "instance_norm": F.instance_norm,
    "filter_response_norm": F.filter_response_norm,
    "global_response_norm": F.global_response_norm,
}
WITH_SCALE = {"layer_norm": F.layer_norm, "rms_norm": F.rms_norm, **ON_IMAGES}


@pytest.mark.parametrize("name", WITH_SCALE)
def test_scale_and_eps(name):
    f = WITH_SCALE[name]
    with pytest.raises(TypeError, match=f"{name}: x must be floating point, got int32"):
        f(X.astype(jnp.int32))
    with pytest.raises(TypeError, match=f"{name}: scale must be floating point, got int32"):
        f(X, C.astype(jnp.int32))
    with pytest.raises(
        ValueError, match=re.escape(f"{name}: the shape of scale must be (4,), got (3,) (x: (2, 3, 4))")
    ):
        f(X, jnp.ones(3))
    for eps in (0.0, -1.0, NAN, float("inf")):
        with pytest.raises(ValueError, match=f"{name}: eps must be finite and above 0, got"):
            f(X, eps=eps)


@pytest.mark.parametrize("name", ON_IMAGES)
def test_images(name):
    f = ON_IMAGES[name]
    with pytest.raises(
        ValueError, match=re.escape(f"{name}: x must have at least 2 axes (N, ..., C), got 1 (x: (4,))")
    ):
        f(C)
    with pytest.raises(ValueError, match=re.escape(f"{name}: an example must not be empty (x: (2, 0, 4))")):
        f(X[:, :0])
    with pytest.raises(TypeError, match=f"{name}: all arrays must share one dtype, got scale: float32, bias: float16"):
        f(X, C, C.astype(jnp.float16))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_axis(name):
    f = WITH_SCALE[name]
    with pytest.raises(ValueError, match=re.escape(f"{name}: axis 3 does not exist (x: (2, 3, 4))")):
        f(X, axis=3)
    with pytest.raises(ValueError, match=re.escape(f"{name}: axis 1 must not be empty (x: (2, 0, 4))")):
        f(X[:, :0], axis=(0, 1))
    for axis in ((), (2, -1)):
        with pytest.raises(ValueError, match=f"{name}: axis must name different axes, at least one, got"):
            f(X, axis=axis)


ERRORS = [
    (lambda: F.group_norm(X, groups=3), ValueError, "group_norm: groups=3 must divide the 4 channels (x: (2, 3, 4))"),
    (lambda: F.group_norm(X, groups=0), ValueError, "group_norm: groups must be positive integers, got (0,)"),
    (lambda: F.instance_norm(W), ValueError, "instance_norm: x must have at least 3 axes (N, ..., C), got 2"),
    (lambda: F.global_response_norm(W), ValueError, "global_response_norm: x must have at least 3 axes (N, ..., C)"),
    (lambda: F.filter_response_norm(X, threshold=jnp.ones(3)), ValueError, "the shape of threshold must be (4,), got"),
    (lambda: F.local_response_norm(C[0], window=1), ValueError, "local_response_norm: x must have at least 1 axis"),
    (lambda: F.local_response_norm(X, window=0), ValueError, "local_response_norm: window must be positive integers"),
    (
        lambda: F.local_response_norm(X, window=1, k=0.0),
        ValueError,
        "local_response_norm: k must be finite and above 0",
    ),
    (
        lambda: F.local_response_norm(X, window=1, alpha=-1.0),
        ValueError,
        "local_response_norm: alpha must be at least 0",
    ),
    (lambda: F.local_response_norm(X, window=1, beta=NAN), ValueError, "local_response_norm: beta must be at least 0"),
    (lambda: F.local_response_norm([1.0], window=1), TypeError, "local_response_norm: x must be an array, got list"),
    (
        lambda: F.weight_norm(W, jnp.ones(3)),
        ValueError,
        "weight_norm: the shape of g must be (4,), got (3,) (v: (3, 4)",
    ),
    (lambda: F.weight_norm(C, C), ValueError, "weight_norm: v must have at least 2 axes (..., O), got 1 (v: (4,))"),
    (lambda: F.weight_norm(W[:0], C), ValueError, "weight_norm: v must not be empty (v: (0, 4))"),
    (lambda: F.weight_norm(W, C.astype(jnp.float16)), TypeError, "weight_norm: all arrays must share one dtype"),
    (lambda: F.spectral_norm(W, jnp.ones(3)), ValueError, "spectral_norm: the shape of u must be (4,), got (3,)"),
    (
        lambda: F.spectral_norm(W, C, steps=-1),
        ValueError,
        "spectral_norm: steps must be an integer of at least 0, got -1",
    ),
    (lambda: F.spectral_norm(W, C, eps=0.0), ValueError, "spectral_norm: eps must be finite and above 0, got 0.0"),
    (lambda: F.spectral_norm(C, C), ValueError, "spectral_norm: w must have at least 2 axes (..., O), got 1"),
    (lambda: F.weight_standardization(C), ValueError, "weight_standardization: w must have at least 2 axes (..., O)"),
    (
        lambda: F.weight_standardization(W, eps=0.0),
        ValueError,
        "weight_standardization: eps must be finite and above 0",
    ),
    (lambda: F.fold_batch_norm(W, None, C, jnp.ones(3)), ValueError, "fold_batch_norm: the shape of var must be (4,)"),
    (lambda: F.fold_batch_norm(C[0], None, C, C), ValueError, "fold_batch_norm: w must have at least 1 axis (..., O)"),
    (lambda: F.fold_batch_norm(W, None, C, C, eps=0.0), ValueError, "fold_batch_norm: eps must be finite and above 0"),
    (
        lambda: F.fold_batch_norm(W, C.astype(jnp.float16), C, C),
        TypeError,
        "fold_batch_norm: all arrays must share one",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_message(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
