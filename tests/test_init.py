"""Initialisers: variances and bounds, with fans that know about groups."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.functional import init

KEY = jax.random.key(11)
FAMILIES = [
    ("he_normal", 2.0, "fan_in"),
    ("he_uniform", 2.0, "fan_in"),
    ("glorot_normal", 1.0, "fan_avg"),
    ("glorot_uniform", 1.0, "fan_avg"),
    ("lecun_normal", 1.0, "fan_in"),
    ("lecun_uniform", 1.0, "fan_in"),
]
# shape, groups, fan_in, fan_out
KERNELS = [
    ((300, 200), 1, 300, 200),
    ((3, 3, 32, 64), 1, 288, 576),
    ((5, 40, 120), 3, 200, 200),
    ((3, 3, 1, 4096), 4096, 9, 9),
    ((3, 3, 1, 4096), 2048, 9, 18),
    ((3, 3, 3, 32, 16), 1, 864, 432),
]


def assert_deviation(draw, want):
    """Mean 0 and deviation `want`, within five standard errors (for a kurtosis of at most 3)."""
    draw = np.asarray(draw, np.float64)
    assert abs(draw.mean()) < 5 * want / math.sqrt(draw.size)
    np.testing.assert_allclose(draw.std(), want, rtol=5 / math.sqrt(2 * draw.size))


@pytest.mark.parametrize(("shape", "groups", "fan_in", "fan_out"), KERNELS)
@pytest.mark.parametrize(("name", "scale", "default"), FAMILIES)
def test_deviation(name, scale, default, shape, groups, fan_in, fan_out):
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    make = getattr(init, name)
    np.testing.assert_array_equal(make(groups=groups)(KEY, shape), make(groups=groups, mode=default)(KEY, shape))
    for mode, fan in fans.items():
        draw = make(groups=groups, mode=mode)(KEY, shape)
        assert draw.shape == shape and draw.dtype == jnp.float32
        deviation = math.sqrt(scale / fan)
        assert_deviation(draw, deviation)
        bound = math.sqrt(3) if name.endswith("uniform") else 2 / 0.87962566103423978
        assert np.abs(draw).max() <= bound * deviation * (1 + 1e-6)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_depthwise(mode):
    """A 3x3 depthwise kernel has fan 9 both ways, where `jax.nn.initializers` takes 2304 for the second."""
    draw = init.he_normal(mode=mode, groups=256)(KEY, (3, 3, 1, 256))
    assert_deviation(draw, math.sqrt(2 / 9))


def test_plain():
    shape = (20000,)
    assert_deviation(init.normal(stddev=0.3)(KEY, shape), 0.3)
    assert_deviation(init.truncated_normal(stddev=0.3)(KEY, shape), 0.3)
    assert np.abs(init.truncated_normal(stddev=0.3)(KEY, shape)).max() < 0.3 * 2 / 0.8796
    draw = np.asarray(init.uniform(minval=1.0, maxval=3.0)(KEY, shape))
    assert draw.min() >= 1 and draw.max() < 3
    assert_deviation(draw - 2, 2 / math.sqrt(12))


def test_constants():
    for make, value in ((init.zeros(), 0), (init.ones(), 1), (init.constant(value=0.5), 0.5)):
        for dtype in (jnp.float32, jnp.bfloat16):
            np.testing.assert_array_equal(make(None, (2, 3), dtype), jnp.full((2, 3), value, dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtype(dtype):
    """Half precision is float32's draw rounded once; float64 has more than float32's digits."""
    with jax.enable_x64(True):
        for make in (init.he_normal(), init.he_uniform(), init.normal(), init.uniform()):
            draw = make(KEY, (30, 50), dtype)
            assert draw.dtype == dtype
            single = make(KEY, (30, 50), "float32")
            if dtype == "float64":
                assert (draw.astype("float32").astype(dtype) != draw).any()
            else:
                np.testing.assert_array_equal(draw, single.astype(dtype))


def test_keys():
    """Old keys serve too; the same key draws the same, another one otherwise; and it is a pure function under jit."""
    make = init.he_normal()
    old = jax.random.PRNGKey(11)
    np.testing.assert_array_equal(make(old, (4, 5)), make(KEY, (4, 5)))
    np.testing.assert_allclose(jax.jit(lambda key: make(key, (4, 5)))(KEY), make(KEY, (4, 5)), rtol=1e-6)
    assert (make(KEY, (4, 5)) != make(jax.random.key(12), (4, 5))).any()
