"""Kernels written otherwise before they are used: by direction and length, of spectral norm 1, of zero mean.

A kernel's outputs are its last axis; each output's weights are all the others.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._channels import as_rows
from jaxml.functional._checks import check_above, check_equal, check_float
from jaxml.functional._distances import unit
from jaxml.functional._dtypes import wide
from jaxml.functional._norms import rescaled, root_of_squares
from jaxml.functional._standardize import standardized


def weight_norm(v: Float[Array, "*kernel O"], g: Float[Array, " O"]) -> Float[Array, "*kernel O"]:
    """Kernel of directions `v` and lengths `g`, one for each output.

        w[..., o] = g[o] * v[..., o] / ‖v[..., o]‖

    Shapes: v `(..., O)`, g `(O,)` -> w like v. PyTorch's `weight_norm` with the outputs last. A direction of zeros
    gives zeros, with derivative 0 (PyTorch: NaN). To start from a kernel `w`: `v = w` and `g` its norms. Half precision
    is computed in float32 and rounded once.

    Raises:
        TypeError: arrays that are not floating point, or mixed dtypes.
        ValueError: fewer than 2 axes, an empty kernel, or a shape of `g` that does not fit.

    Source: arXiv 1602.07868.

    >>> weight_norm(jnp.array([[3.0, 0.0], [4.0, 0.0]]), jnp.array([10.0, 1.0])).tolist()
    [[6.0, 0.0], [8.0, 0.0]]
    """
    check_float("weight_norm", v=v, g=g)
    _check_kernel("weight_norm", "v", v)
    check_equal("weight_norm", "the shape of g", tuple(g.shape), v.shape[-1:], v=v, g=g)
    rows, _ = rescaled(as_rows(wide(v)), 0)
    norm = root_of_squares(rows, 0)
    some = norm != 0
    w = rows * jnp.where(some, wide(g)[None] / jnp.where(some, norm, 1), 0)
    return w.reshape(v.shape).astype(v.dtype)


def spectral_norm(
    w: Float[Array, "*kernel O"], u: Float[Array, " O"], *, steps: int = 1, eps: float = 1e-12
) -> tuple[Float[Array, "*kernel O"], Float[Array, " O"]]:
    """Kernel divided by its largest singular value, which power iteration finds over many calls.

        each step: v = W^T u / max(‖W^T u‖, eps), then u = W v / max(‖W v‖, eps)        sigma = u · W v

    Shapes: w `(..., O)`, which is the matrix W of O rows; u `(O,)` -> `w / sigma`, the new u `(O,)`. Start with a
    random u and give each call the u of the last; with `steps=0`, for evaluation, u stays and v alone is computed.
    PyTorch's `spectral_norm`, outputs last: u and v carry no gradient, so that of sigma is `u v^T`. A kernel of zeros
    stays 0, with a large, finite derivative. Half precision is computed in float32; `u` may be float32.

    Cost: `2 * steps + 1` products of the kernel and a vector, one more with `steps=0`.

    Raises:
        TypeError: arrays that are not floating point.
        ValueError: fewer than 2 axes, an empty kernel, a shape of `u` that does not fit, negative `steps`, `eps` not
            positive.

    Source: arXiv 1802.05957.

    >>> w, u = spectral_norm(jnp.array([[3.0, 0.0], [0.0, 4.0]]), jnp.array([0.0, 1.0]))
    >>> w.tolist(), u.tolist()
    ([[0.75, 0.0], [0.0, 1.0]], [0.0, 1.0])
    """
    f = "spectral_norm"
    check_float(f, w=w)
    check_float(f, u=u)
    _check_kernel(f, "w", w)
    check_equal(f, "the shape of u", tuple(u.shape), w.shape[-1:], w=w, u=u)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(f"{f}: steps must be an integer of at least 0, got {steps}")
    check_above(f, "eps", eps, 0)
    rows = wide(as_rows(w))
    constant, new_u = lax.stop_gradient((rows, wide(u).astype(rows.dtype)))
    v = unit(_product(constant, new_u), -1, 2, eps)
    for step in range(steps):
        v = unit(_product(constant, new_u), -1, 2, eps) if step else v
        new_u = unit(_product(v, constant), -1, 2, eps)
    sigma = _product(_product(v, rows), new_u)
    # A kernel of zeros: PyTorch divides 0 by 0.
    sigma = jnp.where(jnp.abs(sigma) < eps, eps, sigma)
    return (rows / sigma).reshape(w.shape).astype(w.dtype), new_u.astype(u.dtype)


def weight_standardization(w: Float[Array, "*kernel O"], *, eps: float = 1e-5) -> Float[Array, "*kernel O"]:
    """Kernel with mean 0 and variance 1 for each output.

        y[..., o] = (w[..., o] - mean) / sqrt(var + eps)

    Shape: w `(..., O)` -> y like w. As in BiT, with the variance of n weights and `eps` under the root; use it with
    `group_norm`. Weights that are all equal give 0, with a finite derivative. Half precision is computed in float32.

    Raises:
        TypeError: `w` is not floating point.
        ValueError: fewer than 2 axes, an empty kernel, or `eps` not positive.

    Source: arXiv 1903.10520.

    >>> weight_standardization(jnp.array([[1.0, 7.0], [3.0, 7.0]])).tolist()
    [[-0.99..., 0.0], [0.99..., 0.0]]
    """
    check_float("weight_standardization", w=w)
    _check_kernel("weight_standardization", "w", w)
    check_above("weight_standardization", "eps", eps, 0)
    rows = wide(as_rows(w))
    y = standardized(rows, (0,), eps)
    return y.reshape(w.shape).astype(w.dtype)


def _product(a: Array, b: Array) -> Array:
    """A matrix times a vector, the other way round, or two vectors, with no digit given away on any device."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _check_kernel(f: str, name: str, w: Array) -> None:
    if w.ndim < 2:
        raise ValueError(f"{f}: {name} must have at least 2 axes (..., O), got {w.ndim} ({name}: {tuple(w.shape)})")
    if w.size == 0:
        raise ValueError(f"{f}: {name} must not be empty ({name}: {tuple(w.shape)})")
