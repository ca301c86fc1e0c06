"""Resizing, sampling and shuffling at the edges: infinities, places outside, one pixel, forward mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from jaxml.functional._resample import MAX_TAPS, Matrix, plain, resample

MODES = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")


def normal(rng, *shape):
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_size_is_the_same_image(mode, rng):
    x = normal(rng, 1, 5, 4, 2)
    np.testing.assert_array_equal(F.interpolate(x, output_size=(5, 4), mode=mode), x)
    np.testing.assert_array_equal(F.interpolate(x, scale_factor=1, mode=mode), x)


@pytest.mark.parametrize("mode", MODES)
def test_an_infinite_pixel_stays_where_it_is(mode):
    """A product with a dense matrix would make NaN of all its row."""
    x = jnp.zeros((1, 8, 8, 1)).at[0, 4, 4, 0].set(jnp.inf)
    y = F.interpolate(x, scale_factor=2, mode=mode)
    np.testing.assert_array_equal(y[:, :4], 0)
    np.testing.assert_array_equal(y[:, :, -2:], 0)
    assert not np.isfinite(y[0, 8, 8, 0])


def test_aligned_corners_stay():
    x = jnp.arange(4.0).reshape(1, 4, 1)
    y = F.interpolate(x, output_size=7, mode="linear", align_corners=True)
    np.testing.assert_allclose(y.ravel(), np.arange(7) / 2, rtol=1e-6)
    one = F.interpolate(x, output_size=1, mode="linear", align_corners=True)
    assert one.item() == 0


@pytest.mark.parametrize("size", [3, 5, 7, 49])
def test_nearest_of_a_multiple_repeats_every_pixel(size):
    """Whole positions are computed exactly: `49 * (1 / 49)` is below 1 in floating point."""
    x = jnp.arange(float(size)).reshape(1, size, 1)
    y = F.interpolate(x, output_size=size * 49)
    np.testing.assert_array_equal(y.ravel(), np.repeat(np.arange(size), 49))


def test_a_whole_image_averaged_is_one_product(rng):
    """More taps than are added one by one."""
    x = normal(rng, 2, 3 * MAX_TAPS, 5, 2)
    y = F.interpolate(x, output_size=(1, 5), mode="area")
    np.testing.assert_allclose(y, x.mean(1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_resampling_in_forward_mode_and_mapped(rng):
    """As its dense product: jvp, jvp of the gradient, and vmap over any axis."""
    matrix = Matrix((5, 4), np.array([0, 0, 1, 4]), np.array([0, 2, 3, 0]), np.array([0.5, 0.25, -1, 2]))
    x, v = normal(rng, 3, 4), normal(rng, 3, 4)
    for f in (lambda x: resample(x, matrix, 1), jax.vmap(lambda x: resample(x, matrix, 0), 0)):
        y, dy = jax.jvp(f, (x,), (v,))
        np.testing.assert_allclose(y, plain(x, matrix=matrix, axis=1), rtol=1e-6)
        np.testing.assert_allclose(dy, plain(v, matrix=matrix, axis=1), rtol=1e-6)
    by_columns = jax.vmap(lambda x: resample(x, matrix, 0), 1, 1)(x.T)
    np.testing.assert_allclose(by_columns, plain(x.T, matrix=matrix, axis=0), rtol=1e-6)
    cube = lambda f: jax.grad(lambda x: (f(x) ** 3).sum())  # noqa: E731
    _, got = jax.jvp(cube(lambda x: resample(x, matrix, 1)), (x,), (v,))
    _, want = jax.jvp(cube(lambda x: plain(x, matrix=matrix, axis=1)), (x,), (v,))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert matrix.T.T is matrix


def test_resizing_again_does_not_compile_again():
    """The matrices are kept: the same sizes give the same program."""
    from jaxml.functional._resize import _matrix

    F.interpolate(jnp.ones((1, 3, 3, 1)), scale_factor=2, mode="bilinear")
    made = _matrix.cache_info().misses
    F.interpolate(jnp.zeros((1, 3, 3, 1)), scale_factor=2, mode="bilinear")
    assert _matrix.cache_info().misses == made


IDENTITY = jnp.asarray([[[1.0, 0, 0], [0, 1, 0]]])


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_the_identity_samples_the_image(mode, align_corners, rng):
    x = normal(rng, 1, 4, 5, 3)
    grid = F.affine_grid(IDENTITY, output_size=(4, 5), align_corners=align_corners)
    np.testing.assert_allclose(F.grid_sample(x, grid, mode=mode, align_corners=align_corners), x, atol=1e-5)


def test_aligned_grid_of_one_pixel_is_its_middle():
    grid = F.affine_grid(IDENTITY, output_size=(1, 2), align_corners=True)
    np.testing.assert_array_equal(grid, [[[[-1, 0], [1, 0]]]])


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize(("padding_mode", "want"), [("zeros", 0), ("border", 3)])
def test_places_at_infinity(mode, padding_mode, want):
    """The limit: nothing, or the last pixel; and no slope."""
    x = jnp.asarray([1.0, 2, 3]).reshape(1, 1, 3, 1)

    def f(place):
        grid = jnp.stack([place, jnp.zeros_like(place)]).reshape(1, 1, 1, 2)
        return F.grid_sample(x, grid, mode=mode, padding_mode=padding_mode)[0, 0, 0, 0]

    value_and_slope = jax.jit(jax.value_and_grad(f))
    for place in (jnp.inf, float(np.finfo(np.float32).max), 1e4):
        value, slope = value_and_slope(jnp.float32(place))
        assert (value, slope) == (want, 0)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_no_place_is_no_number(mode, padding_mode):
    y = F.grid_sample(jnp.ones((1, 3, 3, 1)), jnp.full((1, 1, 1, 2), jnp.nan), mode=mode, padding_mode=padding_mode)
    assert np.isnan(y).all()


def test_a_pixel_outside_of_the_image_is_not_read():
    """Zeros mean zeros, beside an infinite pixel too."""
    x = jnp.full((1, 2, 2, 1), jnp.inf)
    assert F.grid_sample(x, jnp.full((1, 1, 1, 2), 2.0)).item() == 0


@pytest.mark.parametrize(
    ("place", "slope"),
    [(-1.0, 0.0), (1.0, 0.0), (0.0, 3.0), (-1.5, 0.0)],
    ids=["first pixel", "last pixel", "middle pixel", "outside"],
)
def test_slope_where_it_breaks(place, slope):
    """The pixels 0, 1, 4 at -1, 0, 1: at a pixel the slope after it, at and beyond the border none."""
    x = jnp.asarray([0.0, 1, 4]).reshape(1, 1, 3, 1)

    def f(place):
        grid = jnp.stack([place, jnp.zeros_like(place)]).reshape(1, 1, 1, 2)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=True)[0, 0, 0, 0]

    assert jax.grad(f)(jnp.float32(place)) == slope


def test_shuffles_undo_one_another(rng):
    x = normal(rng, 2, 4, 6, 3)
    np.testing.assert_array_equal(F.pixel_shuffle(F.pixel_unshuffle(x, downscale_factor=2), upscale_factor=2), x)
    y = normal(rng, 2, 6)
    np.testing.assert_array_equal(F.channel_shuffle(F.channel_shuffle(y, groups=2), groups=3), y)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad_of_integers(mode):
    x = jnp.asarray([1, 2, 3], jnp.int32).reshape(1, 3, 1)
    want = {"constant": [7, 1, 2, 3], "reflect": [2, 1, 2, 3], "replicate": [1, 1, 2, 3], "circular": [3, 1, 2, 3]}
    y = F.pad(x, padding=((1, 0),), mode=mode, value=7)
    assert y.dtype == jnp.int32
    assert y.ravel().tolist() == want[mode]
