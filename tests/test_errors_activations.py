"""Bad input to the activations: which error, saying what."""

import re

import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

V, M, IMAGE = jnp.ones(4), jnp.ones((2, 3)), jnp.ones((2, 4, 5, 3))
OPTIONS = {"threshold": {"threshold": 0.0, "value": 0.0}, "maxout": {"pieces": 2}}
PLAIN = [
    "identity", "relu", "relu_squared", "sigmoid", "log_sigmoid", "softplus", "softsign", "selu", "squareplus",
    "sparse_plus", "sparse_sigmoid", "log1mexp", "hard_shrink", "soft_shrink", "tanh_shrink", "threshold", "step",
    "crelu", "maxout", "geglu", "reglu", "swiglu", "softmin", "spatial_softmax", "logmeanexp",
]  # fmt: skip
ERRORS = [
    *(
        (lambda n=n, x=x: getattr(F, n)(x, **OPTIONS.get(n, {})), TypeError, f"{n}: x must be {says}")
        for n in PLAIN
        for x, says in ((jnp.arange(4), "floating point, got int32"), ([1.0], "an array, got list"))
    ),
    *(
        (lambda f=f, a=a: f(M, a), kind, f"{f.__name__}: {says}")
        for f in (F.prelu, F.snake)
        for a, kind, says in (
            (V, ValueError, "alpha must have the shape () or that of the last axis of x, (3,), got (4,) (x: (2, 3)"),
            (V[:1], ValueError, "alpha must have the shape () or that of the last axis of x, (3,), got (1,) (x"),
            (0.25, TypeError, "alpha must be an array, got float"),
            (M[0].astype(jnp.float16), TypeError, "all arrays must share one dtype, got x: float32, alpha: float16"),
        )
    ),
    (lambda: F.prelu(V[0], V), ValueError, "prelu: alpha must have the shape () or that of the last axis of x, ()"),
    (lambda: F.elu(V, alpha="x"), ValueError, "elu: alpha must be a finite number, got 'x'"),
    (lambda: F.elu(V, alpha=float("nan")), ValueError, "elu: alpha must be a finite number, got nan"),
    (lambda: F.celu(V, alpha="x"), ValueError, "celu: alpha must be finite and above 0, got x"),
    (lambda: F.celu(V, alpha=0.0), ValueError, "celu: alpha must be finite and above 0, got 0.0"),
    (lambda: F.leaky_relu(V, negative_slope=None), ValueError, "leaky_relu: negative_slope must be a finite number"),
    (lambda: F.softplus(V, beta=0.0), ValueError, "softplus: beta must be finite and above 0, got 0.0"),
    (lambda: F.squareplus(V, beta=-1.0), ValueError, "squareplus: beta must be finite and above 0, got -1.0"),
    (lambda: F.hard_shrink(V, threshold="x"), ValueError, "hard_shrink: threshold must be a finite number, got 'x'"),
    (lambda: F.hard_shrink(V, threshold=-1.0), ValueError, "hard_shrink: threshold must be at least 0, got -1.0"),
    (lambda: F.soft_shrink(V, threshold=V), ValueError, "soft_shrink: threshold must be a finite number, got Array("),
    (lambda: F.soft_shrink(V, threshold=-1.0), ValueError, "soft_shrink: threshold must be at least 0, got -1.0"),
    (lambda: F.threshold(V, threshold=None, value=0.0), ValueError, "threshold: threshold must be a finite number"),
    (lambda: F.threshold(V, threshold=0.0, value="x"), ValueError, "threshold: value must be a finite number, got 'x'"),
    (lambda: F.crelu(M, axis=2), ValueError, "crelu: axis 2 does not exist (x: (2, 3))"),
    (lambda: F.maxout(M, pieces=2), ValueError, "maxout: the size of axis 1 modulo pieces, 2, must be 0, got 1 (x: (2"),
    (lambda: F.maxout(M, pieces=0), ValueError, "maxout: pieces must be positive integers, got (0,)"),
    (lambda: F.maxout(M, pieces=1, axis=2), ValueError, "maxout: axis 2 does not exist (x: (2, 3))"),
    *(
        (lambda f=f, axis=axis: f(M, axis=axis), ValueError, f"{f.__name__}: {says}")
        for f in (F.geglu, F.reglu, F.swiglu)
        for axis, says in (
            (-1, "the size of axis -1 modulo 2 must be 0, got 1 (x: (2, 3))"),
            (2, "axis 2 does not exist (x: (2, 3))"),
            (None, "axis None does not exist (x: (2, 3))"),
        )
    ),
    *(
        (lambda f=f, o=o: f(M, **o), kind, f"{f.__name__}: {says}")
        for f in (F.softmin, F.logmeanexp)
        for o, kind, says in (
            ({"axis": 2}, ValueError, "axis 2 does not exist (x: (2, 3))"),
            ({"where": M}, TypeError, "where must be boolean, got float32"),
            ({"where": V > 0}, ValueError, "the shape of where must be (2, 3), got (4,) (x: (2, 3), where: (4,))"),
        )
    ),
    (lambda: F.softmin(M[:, :0]), ValueError, "softmin: axis -1 must not be empty (x: (2, 0))"),
    (lambda: F.spatial_softmax(M), ValueError, "spatial_softmax: x must have at least 3 axes (N, *spatial, C)"),
    (lambda: F.spatial_softmax(IMAGE[:, :0]), ValueError, "(N, *spatial, C), none of them empty, got (2, 0, 5, 3)"),
    (
        lambda: F.spatial_softmax(IMAGE, temperature=0.0), ValueError,
        "spatial_softmax: temperature must be finite and above 0, got 0.0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[f"{i}-{e[2][:40]}" for i, e in enumerate(ERRORS)])
def test_error(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
