"""Bad input to linear, activations, softmax, losses, pools, dropout and initialisers: which error, saying what."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from jaxml.functional import init

pytestmark = pytest.mark.usefixtures("unchecked_types")

V, M, IMAGE = jnp.ones(4), jnp.ones((2, 3)), jnp.ones((1, 4, 5, 2))
KEY = jax.random.key(0)
DENSE, INTEGER = F.softmax_cross_entropy, F.softmax_cross_entropy_with_integer_labels

ERRORS = [
    # linear, flatten
    (lambda: F.linear(M.astype(int), M), TypeError, "linear: x must be floating point, got int32"),
    (lambda: F.linear(M, M.astype(jnp.bfloat16)), TypeError, "linear: all arrays must share one dtype, got x: flo"),
    (lambda: F.linear([1.0], M), TypeError, "linear: x must be an array, got list"),
    (lambda: F.linear(M, V), ValueError, "linear: w must have 2 axes (I, O), got 1 (w: (4,))"),
    (lambda: F.linear(jnp.float32(1), M), ValueError, "linear: x must have at least 1 axis (..., I), got 0"),
    (lambda: F.linear(V, M), ValueError, "linear: the last axis of x must be 2, got 4 (x: (4,), w: (2, 3))"),
    (lambda: F.linear(M, M.T, M), ValueError, "linear: the shape of b must be (2,), got (2, 3)"),
    (lambda: F.linear(M, M.T, V), ValueError, "linear: the shape of b must be (2,), got (4,)"),
    (lambda: F.linear(None, M), TypeError, "linear: x must be an array, got NoneType"),
    (lambda: F.flatten([1.0]), TypeError, "flatten: x must be an array, got list"),
    (lambda: F.flatten(jnp.float32(1)), ValueError, "flatten: x must have at least 1 axis (N, ...), got 0 (x: ())"),
    # activations, softmax
    *(
        (lambda name=name: getattr(F, name)(jnp.arange(4)), TypeError, f"{name}: x must be floating point, got int32")
        for name in (
            "tanh", "relu6", "hard_tanh", "hard_sigmoid", "hard_silu", "silu", "gelu", "mish", "elu", "celu",
            "leaky_relu", "glu", "softmax", "log_softmax",
        )
    ),
    (lambda: F.glu(M), ValueError, "glu: the size of axis -1 modulo 2 must be 0, got 1 (x: (2, 3))"),
    (lambda: F.glu(M, axis=2), ValueError, "glu: axis 2 does not exist (x: (2, 3))"),
    (lambda: F.softmax(M, axis=2), ValueError, "softmax: axis 2 does not exist (x: (2, 3))"),
    (lambda: F.softmax(M[:, :0]), ValueError, "softmax: axis -1 must not be empty (x: (2, 0))"),
    (lambda: F.softmax(M, where=M), TypeError, "softmax: where must be boolean, got float32"),
    (lambda: F.softmax(M, axis=(0, 1)), ValueError, "softmax: axis (0, 1) does not exist (x: (2, 3))"),
    (lambda: F.softmax(V, where=[True]), TypeError, "softmax: where must be boolean, got list"),
    (lambda: F.log_softmax(M, where=V > 0), ValueError, "log_softmax: the shape of where must be (2, 3), got (4,)"),
    # losses
    *(
        (lambda fn=fn, b=b, o=o: fn(M, b, **o), kind, f"{fn.__name__}: {says}")
        for fn, first, second in (
            (F.mse_loss, "predictions", "targets"),
            (F.binary_cross_entropy, "logits", "labels"),
            (DENSE, "logits", "labels"),
        )
        for b, o, kind, says in (
            (M[0], {}, ValueError, f"the shape of {second} must be (2, 3), got (3,) ({first}: (2, 3), {second}: (3,))"),
            (M.astype(int), {}, TypeError, f"{second} must be floating point, got int32"),
            (M.astype(jnp.float16), {}, TypeError, "all arrays must share one dtype"),
            (M, {"where": M}, TypeError, "where must be boolean, got float32"),
        )
    ),
    (lambda: F.mse_loss(M[:, :1], V[:2]), ValueError, "mse_loss: the shape of targets must be (2, 1), got (2,)"),
    (lambda: F.mse_loss(M, M, where=V > 0), ValueError, "mse_loss: the shape of where must be (2, 3), got (4,)"),
    (
        lambda: F.binary_cross_entropy(M, M, where=V > 0), ValueError,
        "binary_cross_entropy: the shape of where must be (2, 3), got (4,) (logits: (2, 3), where: (4,))",
    ),
    (
        lambda: DENSE(M, M, where=V > 0), ValueError,
        "softmax_cross_entropy: where must have the shape of logits, (2, 3), or that without the class axis, (2,), got",
    ),
    (lambda: DENSE(M, M, axis=2), ValueError, "softmax_cross_entropy: axis 2 does not exist (logits: (2, 3))"),
    (lambda: DENSE(M[:, :0], M[:, :0]), ValueError, "softmax_cross_entropy: axis -1 must not be empty (logits: (2, 0)"),
    (lambda: DENSE(M, M, axis=None), ValueError, "softmax_cross_entropy: axis None does not exist (logits: (2, 3))"),
    (lambda: INTEGER(M, [0, 1]), TypeError, "with_integer_labels: labels must be integers, got list"),
    (lambda: INTEGER(M, M[:, 0]), TypeError, "with_integer_labels: labels must be integers, got float32"),
    (lambda: INTEGER(M, M[:, 0] > 0), TypeError, "with_integer_labels: labels must be integers, got bool"),
    (lambda: INTEGER(M.astype(int), jnp.arange(2)), TypeError, "with_integer_labels: logits must be floating point"),
    (
        lambda: INTEGER(M, jnp.arange(3)), ValueError,
        "with_integer_labels: the shape of labels must be (2,), got (3,) (logits: (2, 3), labels: (3,))",
    ),
    # pools
    *(
        (lambda fn=fn, o=o, x=x: fn(x, **o), kind, f"{fn.__name__}: {says}")
        for fn in (F.max_pool2d, F.avg_pool2d)
        for x, o, kind, says in (
            (M, {"window": 2}, ValueError, "x must have 4 axes (N, H, W, C), got 2 (x: (2, 3))"),
            (IMAGE.astype(int), {"window": 2}, TypeError, "x must be floating point, got int32"),
            (IMAGE, {"window": 0}, ValueError, "window must be positive integers, got (0, 0)"),
            (IMAGE, {"window": 2.0}, ValueError, "window must be positive integers, got (2.0, 2.0)"),
            (IMAGE, {"window": (2, 2, 2)}, ValueError, "the number of entries of window must be 2, got 3"),
            (IMAGE, {"window": 2, "stride": (1, -1)}, ValueError, "stride must be positive integers, got (1, -1)"),
            (IMAGE, {"window": 5}, ValueError, "the window covers 5 positions, more than the padded input's 4"),
            (IMAGE, {"window": 2, "padding": 2}, ValueError, "padding must be smaller than the window, got ((2, 2)"),
            (IMAGE, {"window": 2, "padding": "same"}, ValueError, "padding must be one of 'SAME', 'VALID', got 'same'"),
            (IMAGE, {"window": 2, "padding": -1}, ValueError, "padding must be 'SAME', 'VALID', an int, or one non-n"),
            (IMAGE[:, :0], {"window": 2}, ValueError, "the spatial size of x must be positive integers, got (0, 5)"),
        )
    ),
    (lambda: F.max_pool1d(M, window=2), ValueError, "max_pool1d: x must have 3 axes (N, W, C), got 2"),
    (lambda: F.avg_pool1d(M, window=2), ValueError, "avg_pool1d: x must have 3 axes (N, W, C), got 2"),
    (lambda: F.max_pool3d(M, window=2), ValueError, "max_pool3d: x must have 5 axes (N, D, H, W, C), got 2"),
    (lambda: F.avg_pool3d(M, window=2), ValueError, "avg_pool3d: x must have 5 axes (N, D, H, W, C), got 2"),
    *(
        (lambda fn=fn, x=x: fn(x), kind, f"{fn.__name__}: {says}")
        for fn in (F.global_avg_pool, F.global_max_pool)
        for x, kind, says in (
            (M, ValueError, "x must have at least 3 axes (N, *spatial, C), none of them empty, got (2, 3)"),
            (IMAGE[:, :, :0], ValueError, "x must have at least 3 axes (N, *spatial, C), none of them empty, got (1"),
            (IMAGE.astype(int), TypeError, "x must be floating point, got int32"),
        )
    ),
    # dropout
    (lambda: F.dropout(KEY, jnp.arange(3), rate=0.5), TypeError, "dropout: x must be floating point, got int32"),
    (lambda: F.dropout(KEY, V, rate=1.5), ValueError, "dropout: rate must lie between 0 and 1, got 1.5"),
    (lambda: F.dropout(KEY, V, rate=-0.1), ValueError, "dropout: rate must lie between 0 and 1, got -0.1"),
    (lambda: F.dropout(KEY, V, rate=float("nan")), ValueError, "dropout: rate must lie between 0 and 1, got nan"),
    (lambda: F.dropout(None, V, rate=0.5), TypeError, "dropout: key must be a jax.random.key, got None"),
    (lambda: F.dropout(0, V, rate=0.5), TypeError, "dropout: key must be a jax.random.key, got int"),
    (lambda: F.dropout(V, V, rate=0.5), TypeError, "dropout: key must be one jax.random.key, got float32 of shape (4"),
    (
        lambda: F.dropout(jax.random.split(KEY, 2), V, rate=0.5), TypeError,
        "dropout: key must be one jax.random.key, got key<fry> of shape (2,)",
    ),
    # initialisers
    (lambda: init.he_normal(mode="fanin"), ValueError, "he_normal: mode must be one of 'fan_in', 'fan_out', 'fan_avg'"),
    (lambda: init.lecun_uniform(groups=0), ValueError, "lecun_uniform: groups must be positive integers, got (0,)"),
    (
        lambda: init.glorot_normal(groups=3)(KEY, (3, 3, 1, 4)), ValueError,
        "glorot_normal: groups must divide the 4 output channels, got 3 (shape: (3, 3, 1, 4))",
    ),
    (lambda: init.normal(stddev=-1.0), ValueError, "normal: stddev must not be negative, got -1.0"),
    (lambda: init.truncated_normal(stddev=-1.0), ValueError, "truncated_normal: stddev must not be negative, got -1.0"),
    (lambda: init.uniform(minval=2.0), ValueError, "uniform: minval must not be above maxval, got 2.0 and 0.05"),
    (
        lambda: init.he_uniform()(KEY, (4,)), ValueError,
        "he_uniform: shape must be (*window, C_in / groups, C_out), none of them 0, got (4,)",
    ),
    (lambda: init.he_uniform()(KEY, (0, 4)), ValueError, "he_uniform: shape must be (*window, C_in / groups, C_out)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[f"{i}-{e[2][:40]}" for i, e in enumerate(ERRORS)])
def test_error(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_errors_are_raised_while_tracing():
    """Shapes and dtypes are all that is looked at: `eval_shape` runs nothing and raises the same."""
    spec = jax.ShapeDtypeStruct((4,), np.float32)
    with pytest.raises(ValueError, match="the last axis of x"):
        jax.eval_shape(F.linear, spec, jax.ShapeDtypeStruct((2, 3), np.float32))
