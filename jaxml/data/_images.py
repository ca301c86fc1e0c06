"""Augmentation of images on the device: pure functions of a key and a batch."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional import affine_grid, grid_sample
from jaxml.functional._checks import (
    check_above,
    check_choice,
    check_equal,
    check_float,
    check_positive,
    check_rank,
    check_within,
)
from jaxml.functional._dropout import checked_key
from jaxml.functional._dtypes import wide_dtype

Images4 = Float[Array, "N H W C"]


def _checked(function: str, key: Any, x: Any) -> Array:
    check_float(function, x=x)
    check_rank(function, "x", x, 4, "(N, H, W, C)")
    return checked_key(function, key)


def _uniform(key: Array, x: Array, low: float, high: float) -> Array:
    """(N, 1, 1, 1): one draw for each image, in float32 or wider."""
    dtype = wide_dtype(x.dtype)
    return jax.random.uniform(key, (x.shape[0], 1, 1, 1), dtype, low, high)


def random_flip(key: Array, x: Images4, *, rate: float = 0.5, axis: int = 2) -> Images4:
    """Mirror each image of `(N, H, W, C)` with probability `rate`: left to right, or with axis=1 upside down.

    Errors: TypeError where x is not floating point or `key` not one key; ValueError for a wrong rank, rate or axis.

    >>> random_flip(jax.random.key(0), jnp.arange(3.0).reshape(1, 1, 3, 1), rate=1.0).ravel().tolist()
    [2.0, 1.0, 0.0]
    """
    key = _checked("random_flip", key, x)
    check_within("random_flip", "rate", rate, 0, 1)
    check_choice("random_flip", "axis", axis, (1, 2))
    return jnp.where(jax.random.bernoulli(key, rate, (x.shape[0], 1, 1, 1)), jnp.flip(x, axis), x)


def random_crop(
    key: Array,
    x: Images4,
    *,
    padding: int = 0,
    output_size: int | tuple[int, int] | None = None,
    mode: str = "constant",
) -> Float[Array, "N h w C"]:
    """Pad images `(N, H, W, C)` on all sides and cut a window out of each at a place of its own: `(N, h, w, C)`.

    output_size: the window, (h, w); None is the image's own size, for which `padding=4` is usual on 32x32.
    mode: what is padded with, as `jnp.pad` calls it: "constant" (zeros), "reflect", "symmetric" or "edge".

    Errors: TypeError where x is not floating point or `key` not one key; ValueError for a wrong rank or mode, a
    negative padding, or a window larger than the padded image.

    >>> random_crop(jax.random.key(0), jnp.ones((2, 8, 8, 3)), output_size=5).shape
    (2, 5, 5, 3)
    """
    f = "random_crop"
    key = _checked(f, key, x)
    check_within(f, "padding", padding, 0)
    check_choice(f, "mode", mode, ("constant", "reflect", "symmetric", "edge"))
    n, height, width, c = x.shape
    sides = (height, width) if output_size is None else output_size
    h, w = (sides, sides) if isinstance(sides, int) else tuple(sides)
    check_positive(f, "output_size", (h, w))
    if h > height + 2 * padding or w > width + 2 * padding:
        raise ValueError(
            f"{f}: output_size must fit into the padded image, got {(h, w)} (x: {x.shape}, padding {padding})"
        )
    padded = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode)
    of_rows, of_columns = jax.random.split(key)
    top = jax.random.randint(of_rows, (n,), 0, height + 2 * padding - h + 1, jnp.int32)
    left = jax.random.randint(of_columns, (n,), 0, width + 2 * padding - w + 1, jnp.int32)
    cut = lambda image, i, j: jax.lax.dynamic_slice(image, (i, j, jnp.int32(0)), (h, w, c))  # noqa: E731
    return jax.vmap(cut)(padded, top, left)


def random_erasing(
    key: Array,
    x: Images4,
    *,
    rate: float = 0.5,
    area: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    value: float = 0.0,
) -> Images4:
    """Set a rectangle of each image `(N, H, W, C)` to `value`, with probability `rate`; arXiv:1708.04896.

    Its share of the image is drawn evenly from `area`, the logarithm of height over width evenly from `ratio`'s, and
    its place among those where it fits; a side that would exceed the image is cut to it. `F.cutout` erases squares of
    one size.

    Errors: TypeError where x is not floating point or `key` not one key; ValueError for a wrong rank, rate or bounds.

    >>> int(random_erasing(jax.random.key(0), jnp.ones((1, 8, 8, 1)), rate=1.0, area=(1, 1), ratio=(1, 1)).sum())
    0
    """
    f = "random_erasing"
    key = _checked(f, key, x)
    check_within(f, "rate", rate, 0, 1)
    for name, (low, high), top in (("area", area, 1.0), ("ratio", ratio, math.inf)):
        check_above(f, name, low, 0)
        check_within(f, name, high, low, top)
    n, height, width, _ = x.shape
    of_rate, of_area, of_ratio, of_top, of_left = jax.random.split(key, 5)
    share = _uniform(of_area, x, *area) * (height * width)
    shape = jnp.exp(_uniform(of_ratio, x, math.log(ratio[0]), math.log(ratio[1])))
    inside = jax.random.bernoulli(of_rate, rate, (n, 1, 1, 1))
    for k, size, side, axis in ((of_top, height, share * shape, 1), (of_left, width, share / shape, 2)):
        side = jnp.clip(jnp.round(jnp.sqrt(side)), 1, size)
        start = jnp.floor(_uniform(k, x, 0, 1) * (size - side + 1))
        places = jnp.arange(size).astype(side.dtype).reshape((1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1))
        inside = inside & (places >= start) & (places < start + side)
    return jnp.where(inside, jnp.asarray(value, x.dtype), x)


def random_brightness(key: Array, x: Images4, *, delta: float) -> Images4:
    """Add to each image of `(N, H, W, C)` one number drawn evenly from `[-delta, delta]`; nothing is clipped.

    Errors: TypeError where x is not floating point or `key` not one key; ValueError for a wrong rank or delta.

    >>> float(jnp.ptp(random_brightness(jax.random.key(0), jnp.ones((1, 4, 4, 1)), delta=0.2)))
    0.0
    """
    key = _checked("random_brightness", key, x)
    check_within("random_brightness", "delta", delta, 0)
    draw = _uniform(key, x, -delta, delta)
    return (x.astype(draw.dtype) + draw).astype(x.dtype)


def random_contrast(key: Array, x: Images4, *, low: float = 0.5, high: float = 1.5) -> Images4:
    """Scale each image of `(N, H, W, C)` about the mean of each channel by a factor drawn evenly from `[low, high]`.

        x' = mean + factor * (x - mean),   nothing is clipped; as TensorFlow's `random_contrast`

    Errors: TypeError where x is not floating point or `key` not one key; ValueError for a wrong rank or bounds.

    >>> x = random_contrast(jax.random.key(0), jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1), low=2.0, high=2.0)
    >>> x.ravel().tolist()
    [-0.5, 1.5]
    """
    key = _checked("random_contrast", key, x)
    check_within("random_contrast", "low", low, 0)
    check_within("random_contrast", "high", high, low)
    factor = _uniform(key, x, low, high)
    wide = x.astype(factor.dtype)
    mean = wide.mean((1, 2), keepdims=True)
    return (mean + factor * (wide - mean)).astype(x.dtype)


def random_affine(
    key: Array,
    x: Images4,
    *,
    degrees: float = 0.0,
    shift: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shear: float = 0.0,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
) -> Images4:
    """Rotate, scale, shear and shift each image of `(N, H, W, C)` about its middle, by amounts of its own.

    degrees, shear: angles drawn evenly from `[-degrees, degrees]` (counter-clockwise, and in pixels: a square stays one
        on an oblong image) and `[-shear, shear]`. shift: likewise, as a share of height and width. scale: a factor from
        `[low, high]`.
    mode, padding_mode: how pixels between and outside are read, as in `F.grid_sample`.

    Errors: TypeError where x is not floating point or `key` not one key; ValueError for a wrong rank, bounds or option.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> bool(jnp.allclose(random_affine(jax.random.key(0), x), x, atol=1e-6))
    True
    """
    f = "random_affine"
    key = _checked(f, key, x)
    for name, bound in (("degrees", degrees), ("shift", shift), ("shear", shear)):
        check_within(f, name, bound, 0)
    check_within(f, "shear", shear, 0, 89)
    check_equal(f, "the length of scale", len(scale), 2)
    check_above(f, "scale", scale[0], 0)
    check_within(f, "scale", scale[1], scale[0])
    _, height, width, _ = x.shape
    keys = jax.random.split(key, 5)
    draw = lambda k, low, high: _uniform(k, x, low, high)[:, 0, 0, 0]  # noqa: E731
    angle = draw(keys[0], -math.radians(degrees), math.radians(degrees))
    slope = jnp.tan(draw(keys[1], -math.radians(shear), math.radians(shear)))
    size = draw(keys[2], *scale)
    # From a place in the result to the one it is read at, the inverse of what happens to the image. The grid runs from
    # -1 to 1 over either side, hence the sides' proportion.
    cos, sin, aspect = jnp.cos(angle) / size, jnp.sin(angle) / size, height / width
    right, down = draw(keys[3], -2 * shift, 2 * shift), draw(keys[4], -2 * shift, 2 * shift)
    rows = [[cos + slope * sin, (slope * cos - sin) * aspect], [sin / aspect, cos]]
    theta = jnp.stack([jnp.stack([a, b, -(a * right + b * down)], -1) for a, b in rows], 1)
    grid = affine_grid(theta, output_size=(height, width))
    wide = x.astype(grid.dtype)
    return grid_sample(wide, grid, mode=mode, padding_mode=padding_mode).astype(x.dtype)
