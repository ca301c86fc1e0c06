"""An image read at given places, and the places that an affine map gives."""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._checks import check_choice, check_equal, check_flags, check_float, check_positive, check_rank
from jaxml.functional._dtypes import wide
from jaxml.functional._padding import to_tuple

Tap = tuple[jax.Array, jax.Array]  # a whole position along one axis, and its weight


def affine_grid(
    theta: Float[Array, "N n m"], *, output_size: int | Sequence[int], align_corners: bool = False
) -> Float[Array, "N *outputs n"]:
    """The places for `grid_sample` that affine maps `theta` (N, n, n + 1) give: `(N, *output_size, n)`, n 2 or 3.

        grid[n, h, w] = theta[n] @ (x_w, y_h, 1)

    x and y (and z) run from -1 to 1 over the image's edges, so that the middle of pixel i of W has
    `x = (2*i + 1) / W - 1`; with `align_corners=True` over the middles of its outermost pixels. float16 and bfloat16
    are computed in float32.

    Errors: TypeError where theta is not floating point; ValueError for a wrong shape or number of sizes.

    >>> affine_grid(jnp.array([[[1.0, 0, 0], [0, 1, 0]]]), output_size=(1, 2))[0, 0].tolist()
    [[-0.5, 0.0], [0.5, 0.0]]
    """
    f = "affine_grid"
    check_float(f, theta=theta)
    check_flags(f, align_corners=align_corners)
    check_rank(f, "theta", theta, 3, "(N, n, n + 1)")
    n = theta.shape[1]
    check_choice(f, "the number of coordinates", n, (2, 3))
    check_equal(f, "the shape of theta", theta.shape, (theta.shape[0], n, n + 1))
    size = to_tuple(f, "output_size", output_size, n)
    # Elementwise, because a matrix product rounds to TF32 or bfloat16 on accelerators: several pixels of a large image.
    wider = wide(theta)
    grid = jnp.broadcast_to(wider[:, :, n].reshape(-1, *(1,) * n, n), (theta.shape[0], *size, n))
    for k in range(n):
        axis = n - 1 - k  # the first coordinate runs along the last axis
        steps = _middles(size[axis], align_corners).reshape([1, *(-1 if a == axis else 1 for a in range(n)), 1])
        grid = grid + wider[:, :, k].reshape(-1, *(1,) * n, n) * jnp.asarray(steps, wider.dtype)
    return grid.astype(theta.dtype)


def _middles(size: int, align_corners: bool) -> np.ndarray:
    if align_corners and size > 1:
        return np.linspace(-1, 1, size)
    return (2 * np.arange(size) + 1) / size - 1


def grid_sample(
    x: Float[Array, "N *spatial C"],
    grid: Float[Array, "N *outputs n"],
    *,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Float[Array, "N *outputs C"]:
    """Read images at places: x `(N, H, W, C)` at grid `(N, h, w, 2)` gives `(N, h, w, C)`; volumes at `(N, ..., 3)`.

    `grid[..., 0]` runs along the last spatial axis (x), `grid[..., 1]` along the one before (y), from -1 to 1 over the
    image's edges, or with `align_corners=True` over the middles of its outermost pixels. `mode`: "bilinear", of volumes
    "trilinear"; "nearest" (a half goes to the even pixel); or in two dimensions "bicubic" (a = -3/4).
    `padding_mode` says what lies outside: "zeros", "border" (the nearest pixel of the image) or "reflection" (at its
    edges; with align_corners at its outermost pixels). All as in PyTorch, whose volumes too are called "bilinear".

    Differentiable in both: 0 by the grid where nearest, and outside of the image with "border", its edge included; at a
    pixel's middle the slope is the one after it. float16 and bfloat16 are computed in float32.

    Errors: TypeError for integers or two dtypes; ValueError for a wrong rank, batch, number of coordinates or option.

    Source: M. Jaderberg et al., Spatial transformer networks, arXiv 1506.02025.

    >>> x, place = jnp.array([[[[0.0], [1.0], [4.0]]]]), jnp.array([[[[0.5, 0.0]]]])
    >>> grid_sample(x, place, align_corners=True).item()
    2.5
    """
    f = "grid_sample"
    check_float(f, x=x, grid=grid)
    check_flags(f, align_corners=align_corners)
    check_rank(f, "x", x, (4, 5), "(N, *spatial, C)")
    check_rank(f, "grid", grid, x.ndim, "(N, *outputs, n)")
    n = x.ndim - 2
    check_equal(f, "batch and coordinates of grid", (grid.shape[0], grid.shape[-1]), (x.shape[0], n), x=x, grid=grid)
    check_choice(f, "mode", mode, ("nearest", "bilinear", "bicubic") if n == 2 else ("nearest", "trilinear"))
    check_choice(f, "padding_mode", padding_mode, ("zeros", "border", "reflection"))
    size = x.shape[1:-1]
    check_positive(f, "the spatial size of x", size)
    places = [wide(grid[..., n - 1 - axis]) for axis in range(n)]
    taps = [_taps(p, s, mode, padding_mode, align_corners) for p, s in zip(places, size, strict=True)]
    image = wide(x)  # before the pixels are taken, so that the gradient is summed in it
    return functools.reduce(jnp.add, (_corner(image, c) for c in itertools.product(*taps))).astype(x.dtype)


def _taps(place: jax.Array, size: int, mode: str, padding_mode: str, align_corners: bool) -> list[Tap]:
    """The pixels along one axis that a place reads, and how much of each."""
    at = (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2
    if padding_mode != "reflection":  # so far out nothing changes any more, and infinity minus infinity is avoided
        at = jnp.clip(at, -4, size + 3)
    cubic = mode == "bicubic"
    if not cubic:
        at = _outside(at, size, padding_mode, align_corners)
    if mode == "nearest":
        at = lax.stop_gradient(jnp.round(at))
        return [(at.astype(jnp.int32), jnp.where(jnp.isnan(at), at, 1))]
    low = lax.stop_gradient(jnp.floor(at))
    t = at - low
    if not cubic:
        first = low.astype(jnp.int32)
        return [(first, 1 - t), (first + 1, t)]
    positions = [_outside(low + step, size, padding_mode, align_corners) for step in (-1, 0, 1, 2)]
    return [(jnp.round(at).astype(jnp.int32), share) for at, share in zip(positions, _cubic(t), strict=True)]


def _cubic(t: jax.Array) -> list[jax.Array]:
    a = -0.75
    near = [((a + 2) * s - (a + 3)) * s * s + 1 for s in (t, 1 - t)]
    far = [((s - 5) * s + 8) * s * a - 4 * a for s in (1 + t, 2 - t)]
    return [far[0], *near, far[1]]


def _outside(at: jax.Array, size: int, padding_mode: str, align_corners: bool) -> jax.Array:
    """Positions brought inside the image."""
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        low, span = (0.0, size - 1) if align_corners else (-0.5, size)
        if span == 0:
            return jnp.zeros_like(at)
        at = jnp.where(at < low, low - at, at - low)
        turns = lax.stop_gradient(jnp.floor(at / span))
        at = at - turns * span
        at = jnp.where(turns % 2 == 0, at, span - at) + low
    return _clip(at, 0, size - 1)


def _clip(at: jax.Array, low: int, high: int) -> jax.Array:
    """`jnp.clip`, with the derivative 0 at the ends too, as PyTorch has it."""
    at = jnp.where(at <= low, jnp.asarray(low, at.dtype), at)
    return jnp.where(at >= high, jnp.asarray(high, at.dtype), at)


def _corner(x: jax.Array, corner: tuple[Tap, ...]) -> jax.Array:
    """One pixel for each place, times its weights; 0 where it lies outside. Of NaN the weight is."""
    positions, shares = zip(*corner, strict=True)
    inside = [(at >= 0) & (at < size) for at, size in zip(positions, x.shape[1:-1], strict=True)]
    pixels = jax.vmap(lambda image, *at: image.at[at].get(mode="clip"))(x, *positions)
    pixels = jnp.where(jnp.expand_dims(functools.reduce(jnp.logical_and, inside), -1), pixels, 0)
    return pixels * jnp.expand_dims(functools.reduce(jnp.multiply, shares), -1)
