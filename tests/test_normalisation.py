"""Normalisation at the edges: large means, constant rows, zeros, kinks; a folded batch norm; power iteration."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

STANDARD = {
    "layer_norm": F.layer_norm,
    "layer_norm of images": partial(F.layer_norm, axis=(1, 2, 3)),
    "group_norm": partial(F.group_norm, groups=2),
    "instance_norm": F.instance_norm,
    "weight_standardization": F.weight_standardization,
}
RESPONSES = {
    "rms_norm": F.rms_norm,
    "filter_response_norm": F.filter_response_norm,
    "global_response_norm": lambda x: F.global_response_norm(x, jnp.ones(4), jnp.zeros(4)),
    "local_response_norm": partial(F.local_response_norm, window=3),
    "weight_norm": lambda x: F.weight_norm(x, jnp.ones(4)),
    "spectral_norm": lambda x: F.spectral_norm(x, jnp.ones(4))[0],
}


@pytest.mark.parametrize("name", STANDARD)
def test_large_mean(name, rng):
    """10,000 ± 1 in float32 is normalised to rounding, not to what is left after the mean's own rounding error."""
    f = STANDARD[name]
    x = (1e4 + rng.standard_normal((3, 5, 7, 4))).astype(np.float32)
    with jax.enable_x64(True):
        want = f(jnp.asarray(x, np.float64))
    np.testing.assert_allclose(f(jnp.asarray(x)), want, atol=3e-6)


@pytest.mark.parametrize("name", STANDARD)
def test_constant(name):
    """Equal numbers give 0 exactly, whatever they are, with finite derivatives of both orders."""
    f = STANDARD[name]
    for value in (0.0, 10000.1, -3e-39, 1e30):
        x = jnp.full((3, 5, 7, 4), value, jnp.float32)
        total = lambda x: jnp.sum(f(x) * jnp.arange(x.size).reshape(x.shape).astype(x.dtype))  # noqa: E731
        slope, curvature = jax.jvp(jax.grad(total), (x,), (jnp.ones_like(x),))
        assert np.all(np.asarray(f(x)) == 0)
        assert np.isfinite(slope).all() and np.isfinite(curvature).all()


@pytest.mark.parametrize("name", RESPONSES)
def test_zero(name):
    """Zeros stay zeros, with finite derivatives of both orders."""
    f = RESPONSES[name]
    x = jnp.zeros((3, 5, 4))
    slope, curvature = jax.jvp(jax.grad(lambda x: jnp.sum(f(x) ** 2 + f(x))), (x,), (jnp.ones_like(x),))
    assert np.all(np.asarray(f(x)) == 0)
    assert np.isfinite(slope).all() and np.isfinite(curvature).all()


def test_weight_norm_of_extreme_directions():
    """Entries whose squares are beyond the dtype still have a direction."""
    v = jnp.array([[3e38, 3.0], [-3e38, 4.0]], jnp.float32)
    np.testing.assert_allclose(F.weight_norm(v, jnp.array([2.0**0.5, 5.0])), [[1, 3], [-1, 4]], rtol=1e-6)


def test_threshold_kink():
    """Where z is the threshold the derivative goes to the threshold; a NaN is not hidden by it."""
    x, zero, one = jnp.zeros((1, 2, 1)), jnp.zeros(1), jnp.ones(1)
    total = lambda x, t: F.filter_response_norm(x, one, zero, t).sum()  # noqa: E731
    of_x, of_threshold = jax.grad(total, (0, 1))(x, zero)
    assert of_x.ravel().tolist() == [0, 0] and of_threshold.tolist() == [2]
    assert np.isnan(F.filter_response_norm(x.at[0, 0].set(jnp.nan), one, zero, zero)).any()


@pytest.mark.slow
def test_spectral_norm_converges(rng):
    """After many calls the kernel's largest singular value is 1, and evaluation changes nothing."""
    w = jnp.asarray(rng.standard_normal((3, 2, 4)).astype(np.float32))
    _, u = F.spectral_norm(w, jnp.ones(4), steps=200)
    y, same = F.spectral_norm(w, u, steps=0)
    np.testing.assert_allclose(np.linalg.svd(np.asarray(y).reshape(6, 4))[1][0], 1, rtol=1e-5)
    np.testing.assert_array_equal(same, u)


LAYERS = {
    "linear": (F.linear, (2, 6), (6, 4)),
    "conv2d": (partial(F.conv2d, padding=1), (2, 5, 5, 4), (3, 3, 4, 4)),
    "conv2d in groups": (partial(F.conv2d, groups=2), (2, 5, 5, 4), (3, 3, 2, 4)),
    "depthwise_conv2d": (F.depthwise_conv2d, (2, 5, 5, 2), (3, 3, 1, 4)),
    "conv_transpose2d": (partial(F.conv_transpose2d, stride=2), (2, 3, 3, 4), (3, 3, 4, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_fold_batch_norm(name, rng):
    """The folded layer is the layer and its batch norm."""
    layer, *shapes = LAYERS[name]
    draw = lambda shape: jnp.asarray(rng.standard_normal(shape).astype(np.float32))  # noqa: E731
    x, w = map(draw, shapes)
    b, mean, scale, bias = (draw((4,)) for _ in range(4))
    var = jnp.square(mean) + 0.5
    want, _, _ = F.batch_norm(layer(x, w, b), mean, var, scale, bias, train=False)
    np.testing.assert_allclose(layer(x, *F.fold_batch_norm(w, b, mean, var, scale, bias)), want, rtol=1e-4, atol=1e-4)
    assert F.fold_batch_norm(w.astype(jnp.bfloat16), None, mean, var)[0].dtype == jnp.bfloat16


def test_parameters_may_be_wider():
    """float32 scale and bias beside a half-precision x, whose dtype the result has."""
    x, c = jnp.ones((2, 3, 4), jnp.bfloat16), jnp.ones(4)
    for f in (F.layer_norm, F.instance_norm, F.filter_response_norm, F.global_response_norm):
        assert f(x, c, c).dtype == jnp.bfloat16
