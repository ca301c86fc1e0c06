"""Bad input to the pools beyond the basic ones: which error, saying what."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

X = jnp.ones((2, 5, 4, 3))
KEY = jax.random.key(0)
PLACES = jnp.zeros((2, 5, 4, 3), jnp.int32)
fractional, unpool = partial(F.fractional_max_pool2d, KEY, X), partial(F.max_unpool2d, X)

ERRORS = [
    *(
        (partial(fn, x, **options), error, f"{fn.__name__}: {message}")
        for fn, options in (
            (F.max_pool2d_with_indices, {"window": 2}),
            (F.adaptive_avg_pool2d, {"output_size": 2}),
            (F.adaptive_max_pool2d, {"output_size": 2}),
            (F.lp_pool2d, {"window": 2, "order": 2}),
        )
        for x, error, message in (
            (X[0], ValueError, "x must have 4 axes (N, H, W, C), got 3"),
            (X.astype(int), TypeError, "x must be floating point, got int32"),
            (X[:, :0], ValueError, "the spatial size of x must be positive integers, got (0, 4)"),
        )
    ),
    (partial(F.max_pool2d, X, window=2, dilation=0), ValueError, "max_pool2d: dilation must be positive integers"),
    (partial(F.max_pool2d, X, window=3, dilation=2), ValueError, "max_pool2d: the window covers 5 positions"),
    (
        partial(F.max_pool2d, X[:, :1, :1], window=2, padding=1, dilation=2),
        ValueError,
        "max_pool2d: a window has nothing but padding in it, got ((1, 1), (1, 1))",
    ),
    (
        partial(F.avg_pool2d, X, window=2, divisor_override=0),
        ValueError,
        "avg_pool2d: divisor_override must be positive integers, got (0,)",
    ),
    (partial(F.adaptive_avg_pool2d, X, output_size=0), ValueError, "output_size must be positive integers, got (0, 0)"),
    (partial(F.adaptive_max_pool2d, X, output_size=(2,)), ValueError, "entries of output_size must be 2, got 1"),
    (
        partial(F.lp_pool2d, X, order=0, window=2),
        ValueError,
        "order must be a positive number or inf, got 0",
    ),
    (
        partial(F.lp_pool2d, X, order=float("nan"), window=2),
        ValueError,
        "order must be a positive number or inf",
    ),
    (
        partial(unpool, PLACES + 0.5, window=2),
        TypeError,
        "indices must be an array of integers, got float32",
    ),
    (partial(unpool, None, window=2), TypeError, "max_unpool2d: indices must be an array of integers"),
    (partial(unpool, PLACES[1:], window=2), ValueError, "max_unpool2d: the shape of indices must be (2, 5, 4, 3)"),
    (partial(unpool, PLACES, window=0), ValueError, "max_unpool2d: window must be positive integers, got (0, 0)"),
    (
        partial(unpool, PLACES, window=2, padding="SAME"),
        ValueError,
        "max_unpool2d: padding must be one of 'VALID', got",
    ),
    (
        partial(unpool, PLACES, window=2, output_size=(10, 10)),
        ValueError,
        "max_unpool2d: output_size must be less than the stride (2, 2) from (10, 8), got (10, 10)",
    ),
    (partial(unpool, PLACES, window=1, padding=3), ValueError, "max_unpool2d: the spatial size of the result must be"),
    (
        partial(F.max_unpool2d, X[:, :0], PLACES[:, :0], window=2),
        ValueError,
        "max_unpool2d: the spatial size of x",
    ),
    (
        partial(F.fractional_max_pool2d, None, X, window=2),
        TypeError,
        "fractional_max_pool2d: key must be",
    ),
    (partial(fractional, window=2), ValueError, "give one of output_size and scale_factor, got None and None"),
    (partial(fractional, window=2, output_size=2, scale_factor=0.5), ValueError, "give one of output_size and"),
    (partial(fractional, window=2, scale_factor=1.0), ValueError, "scale_factor must lie strictly between 0 and 1"),
    (partial(fractional, window=2, scale_factor=0.1), ValueError, "the spatial size of the result must be positive"),
    (partial(fractional, window=2, scale_factor=(0.5,)), ValueError, "entries of scale_factor must be 2, got 1"),
    (
        partial(fractional, window=2, output_size=4),
        ValueError,
        "fractional_max_pool2d: output_size + window - 1 must not exceed the image (5, 4), got (4, 4) (window: (2, 2))",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[f"{i}-{e[2][:40]}" for i, e in enumerate(ERRORS)])
def test_error(call, error, message):
    """Raised while tracing: nothing is compiled."""
    with pytest.raises(error, match=re.escape(message)):
        jax.eval_shape(call)
