"""Pooling by the p-norm of each window."""

import functools
import math
from numbers import Real

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._dtypes import wide
from jaxml.functional._kinks import absolute
from jaxml.functional._pool_windows import Window, entries, fold, larger, padded, resolve_windows


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
    if not isinstance(order, Real) or not order > 0:
        raise ValueError(f"{name}: order must be a positive number or inf, got {order}")
    size = padded(absolute(wide(x)), windows, 0.0)
    if order == math.inf:
        y = fold(size, windows, functools.partial(functools.reduce, larger))
    elif order == 1:
        y = fold(size, windows, functools.partial(functools.reduce, jnp.add))
    else:
        y = fold(size, windows, functools.partial(_norm, order=order))
    if order != math.inf and ceil:
        share = math.prod(windows.kernel) / entries(windows)
        y = y * jnp.asarray(share ** (1 / order), y.dtype)
    return y.astype(x.dtype)


def _norm(sizes: list[Array], order: float) -> Array:
    """The norm of non-negative numbers; the norm of norms, axis after axis, is that of all.

    They are divided by the largest, of which the result does not depend: no gradient goes there.
    """
    largest = jax.lax.stop_gradient(functools.reduce(larger, sizes))
    plain = (largest > 0) & (largest < jnp.inf)
    scale = jnp.where(plain, largest, 1)
    total = functools.reduce(jnp.add, (_power(size / scale, order) for size in sizes))
    # Where all are 0 the root has no finite derivative.
    some = total != 0
    root = jnp.where(some, _root(jnp.where(some, total, 1), order), 0)
    return root * scale


def _power(x: Array, order: float) -> Array:
    if order == 2:
        return jnp.square(x)
    some = x != 0
    return jnp.where(some, jnp.where(some, x, 1) ** order, 0)


def _root(x: Array, order: float) -> Array:
    return jnp.sqrt(x) if order == 2 else x ** (1 / order)
