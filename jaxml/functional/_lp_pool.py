"""Pooling by the p-norm of each window."""

import functools
import math
from numbers import Real

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import number
from jaxml.functional._dtypes import wide
from jaxml.functional._kinks import absolute
from jaxml.functional._pool_windows import Window, entries, fold, larger, padded, resolve_windows, taps

MOST_TAPS = 16  # of a window whose entries are combined at once


def lp_pool1d(
    x: Float[Array, "N W C"], *, order: float, window: Window, stride: Window | None = None, ceil: bool = False
) -> Float[Array, "N W_out C"]:
    """Norm of each window of `(N, W, C)`; see `lp_pool2d`.

    >>> lp_pool1d(jnp.array([[[3.0], [4.0], [0.0], [5.0]]]), order=2, window=2).ravel().tolist()
    [5.0, 5.0]
    """
    return _lp_pool("lp_pool1d", x, order, window, stride, ceil)


def lp_pool2d(
    x: Float[Array, "N H W C"], *, order: float, window: Window, stride: Window | None = None, ceil: bool = False
) -> Float[Array, "N H_out W_out C"]:
    """Norm of each window of `(N, H, W, C)`, `y[n, i, j, c] = (Σ_{a, b} |x[n, i s + a, j s + b, c]|^order)^(1/order)`.

    `stride` defaults to the window; `order` is positive, `inf` included, which is the largest `|x|`. Of a window that
    `ceil` lets reach beyond the image, the sum is multiplied by its size over its entries (as in PyTorch). The
    derivative is 0 in a window of zeros, and at an entry 0. No sum overflows; float16 and bfloat16 are computed in
    float32.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a wrong rank, option or number of entries; a window larger than the input; `order` not positive.

    >>> lp_pool2d(jnp.array([[[[1.0], [-2.0]], [[3.0], [0.0]]]]), order=1, window=2).ravel().tolist()
    [6.0]
    """
    return _lp_pool("lp_pool2d", x, order, window, stride, ceil)


def lp_pool3d(
    x: Float[Array, "N D H W C"], *, order: float, window: Window, stride: Window | None = None, ceil: bool = False
) -> Float[Array, "N D_out H_out W_out C"]:
    """Norm of each window of `(N, D, H, W, C)`; see `lp_pool2d`.

    >>> lp_pool3d(jnp.ones((1, 2, 2, 2, 1)), order=1, window=2).ravel().tolist()
    [8.0]
    """
    return _lp_pool("lp_pool3d", x, order, window, stride, ceil)


def _lp_pool(name: str, x: Array, order: float, window: Window, stride: Window | None, ceil: bool) -> Array:
    windows, _ = resolve_windows(name, x, window, stride, ceil=ceil)
    if not number(name, "order", order) > 0 or not isinstance(order, Real):
        raise ValueError(f"{name}: order must be a positive number or inf, got {order}")
    x_padded = padded(wide(x), windows, 0.0)
    if order == math.inf:
        y = fold(absolute(x_padded), windows, functools.partial(functools.reduce, larger))
    elif order == 1:
        y = fold(absolute(x_padded), windows, functools.partial(functools.reduce, jnp.add))
    elif math.prod(windows.kernel) > MOST_TAPS:  # the norm of norms, axis after axis, is that of all
        y = fold(x_padded, windows, lambda entries: _norm(order, *entries))
    else:
        parts = [x_padded]
        for axis in reversed(range(len(windows.kernel))):
            parts = [tap for entry in parts for tap in taps(entry, windows, axis)]
        y = _norm(order, *parts)
    if order != math.inf and ceil:
        share = math.prod(windows.kernel) / entries(windows)
        y = y * jnp.asarray(share ** (1 / order), y.dtype)
    return y.astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _norm(order: float, *x: Array) -> Array:
    """`(Σ |x_i|^order)^(1/order)` of arrays of one shape, element by element; infinite ones give inf."""
    if order != 2:
        return _relative(order, x)[-1]
    # Three sums in one pass, of which one neither overflows nor vanishes: cheaper than a division by the largest.
    info = jnp.finfo(x[0].dtype)
    unit = 2.0 ** (info.maxexp // 2 + 12)
    total, less, more = (functools.reduce(jnp.add, (jnp.square(a * s) for a in x)) for s in (1.0, 1 / unit, unit))
    small, large = 2.0 ** -(info.maxexp - 28), float(info.max) / 4
    y = jnp.where(total > small, jnp.sqrt(total), jnp.sqrt(more) * (1 / unit))
    return jnp.where(total >= large, jnp.sqrt(less) * unit, y)


@_norm.defjvp
def _norm_jvp(order: float, x: tuple[Array, ...], dx: tuple[Array, ...]) -> tuple[Array, Array]:
    if order == 2:
        y = _norm(order, *x)
        # The norm is at least each of them, and the quotient at most 1; both are scaled against a denormal 1 / y.
        scale = jnp.where(y > 1, 2.0**-24, 2.0**24).astype(y.dtype)
        known = (y > 0) & (y < jnp.inf)
        inverse = jnp.where(known, 1 / jnp.where(known, y * scale, 1), 0)
        slopes = [a * scale * inverse for a in x]
    else:
        ratios, total, root, y = _relative(order, x)
        factor = root / jnp.where(total == 0, 1, total)
        slopes = [jnp.sign(a) * _power(r, order - 1) * factor for a, r in zip(x, ratios, strict=True)]
    terms = (jnp.where(a == 0, 0, slope) * da for a, slope, da in zip(x, slopes, dx, strict=True))
    return y, functools.reduce(jnp.add, terms)


def _relative(order: float, x: tuple[Array, ...]) -> tuple[list[Array], Array, Array, Array]:
    """Sizes over the largest of them, the sum of their powers, its root, and the norm itself."""
    sizes = [absolute(a) for a in x]
    largest = jax.lax.stop_gradient(functools.reduce(jnp.maximum, sizes))  # any number would do: it drops out
    info = jnp.finfo(largest.dtype)
    if order <= 5:
        # Products with an inverse are fused into the sum, where XLA:CPU writes out quotients. The bounds keep it a
        # normal number; a ratio of up to 4, or down to eps, still has a power.
        scale = jnp.clip(largest, float(info.tiny), 2.0 ** (info.maxexp - 2))
        inverse = 1 / scale
        ratios = [size * inverse for size in sizes]
    else:
        scale = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
        ratios = [size / scale for size in sizes]
    total = functools.reduce(jnp.add, (_power(ratio, order) for ratio in ratios))
    # Where all are 0 the root has no finite derivative.
    some = total != 0
    root = jnp.where(some, jnp.where(some, total, 1) ** (1 / order), 0)
    return ratios, total, root, root * scale


def _power(x: Array, order: float) -> Array:
    if float(order).is_integer() and order > 0:
        return x ** int(order)  # products, which are faster
    some = x != 0
    return jnp.where(some, jnp.where(some, x, 1) ** order, 0)
