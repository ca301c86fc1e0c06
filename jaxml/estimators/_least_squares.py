"""Linear regression in closed form and by gradient descent."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxml.estimators._base import Scalar, refuses_nonfinite
from jaxml.estimators._triangle import triangle
from jaxml.functional._checks import check_equal, check_float, check_rank, check_within


@refuses_nonfinite
@partial(jax.jit, static_argnames="fit_intercept")
def least_squares(
    x: Float[Array, "N D"],
    y: Float[Array, "N T"],
    *,
    l2: Scalar = 0.0,
    fit_intercept: bool = True,
    sample_weight: Float[Array, " N"] | None = None,
) -> tuple[Float[Array, "D T"], Float[Array, " T"], Float[Array, " R"]]:
    """`argmin_{w,b} Σ_n s_n ‖x_n w + b - y_n‖² + l2 ‖w‖²`: `(w, b, singular values of the centred x)`.

    By the triangle of `[1, x, y]` and the singular values of its inner block, so that the condition number is not
    squared. Where columns depend on each other and `l2` is 0, it is the `w` of the least norm, as in scikit-learn:
    singular values below `(D + 4 √N) eps` times the largest count as 0. `l2` is not applied to `b`.

    Shapes: x (N, D), y (N, T) -> (D, T), (T,), (min(N, D),).
    Cost: about `N (D + T)²` MACs.

    Raises:
        TypeError: arrays that are not floating point, or of mixed dtypes.
        ValueError: a wrong rank, or other rows in `x` than in `y`;
            NaN or infinity in an argument (under `jit` and `vmap` the result is NaN then).

    >>> x = jnp.array([[0.0], [1.0], [2.0]])
    >>> w, b, _ = least_squares(x, 2 * x + 1)
    >>> round(float(w[0, 0]), 4), round(float(b[0]), 4)
    (2.0, 1.0)
    """
    _check("least_squares", x, y)
    n, d = x.shape
    root = jnp.ones((n, 1), x.dtype) if sample_weight is None else jnp.sqrt(sample_weight)[:, None]
    total = (root * root).sum()
    # Taken off before, so that a large mean costs no digits; what rounding leaves of it, the column of ones takes off.
    x_mean, y_mean = (_mean(a, root, total) if fit_intercept else jnp.zeros((1, a.shape[1]), a.dtype) for a in (x, y))

    def rows(root: Array, x: Array, y: Array) -> Array:
        weighted = [(x - x_mean) * root, (y - y_mean) * root]
        return jnp.concatenate([root, *weighted] if fit_intercept else weighted, axis=1)

    r = triangle(rows, root, x, y)
    r = r[1:, 1:] if fit_intercept else r
    u, s, vt = jnp.linalg.svd(r[:d, :d], full_matrices=False)
    # Rounding of n rows adds up as √n does; n eps would be a tenth of the largest at a million rows of float32.
    cutoff = (d + 4 * n**0.5) * jnp.finfo(x.dtype).eps * s.max(initial=0.0)
    inverse = jnp.where(s > cutoff, s / jnp.where(s > cutoff, s * s + l2, 1.0), 0.0)
    w = vt.T @ (inverse[:, None] * (u.T @ r[: u.shape[0], d:]))
    return w, (y_mean - x_mean @ w)[0], s


@refuses_nonfinite
@partial(jax.jit, static_argnames=("fit_intercept", "max_iter"))
def gradient_descent(
    x: Float[Array, "N D"],
    y: Float[Array, "N T"],
    *,
    l2: Scalar = 0.0,
    fit_intercept: bool = True,
    sample_weight: Float[Array, " N"] | None = None,
    learning_rate: Scalar | None = None,
    tol: Scalar = 1e-8,
    max_iter: int = 10_000,
) -> tuple[Float[Array, "D T"], Float[Array, " T"], Int[Array, ""]]:
    """The same minimum as `least_squares` by `w -= learning_rate dE/dw`: `(w, b, steps taken)`.

    `E = (Σ_n s_n ‖x_n w + b - y_n‖² + l2 ‖w‖²) / (2 Σ s)`. Without a `learning_rate` it is one over the largest
    curvature, which power iteration finds: the largest rate that descends in each direction. It ends when no entry of
    the gradient is above `tol`, but at least 8 eps, times the largest of the first one: in float32 that is 1e-6, near
    the rounding of the gradient.

    Cost: `2 N D T` MACs a step.

    Raises:
        TypeError: arrays that are not floating point, or of mixed dtypes.
        ValueError: a wrong rank, other rows in `x` than in `y`, or `max_iter` below 1;
            NaN or infinity in an argument (under `jit` and `vmap` the result is NaN then).
    """
    _check("gradient_descent", x, y)
    check_within("gradient_descent", "max_iter", max_iter, 1)
    s = jnp.ones((x.shape[0], 1), x.dtype) if sample_weight is None else sample_weight[:, None]
    total = s.sum()
    root = jnp.sqrt(s)
    x_mean, y_mean = (_mean(a, root, total) if fit_intercept else jnp.zeros((1, a.shape[1]), a.dtype) for a in (x, y))
    x, y = x - x_mean, y - y_mean  # the best b is then 0, whatever w
    penalty = jnp.asarray(l2, x.dtype)

    def gradient(w: Array, y: Array) -> Array:
        return (x.T @ (s * (x @ w - y)) + penalty * w) / total

    if learning_rate is None:
        start = jnp.ones((x.shape[1], 1), x.dtype)

        def power(_: Any, v: Array) -> Array:
            v = gradient(v, jnp.zeros((1, 1), x.dtype))
            return v / jnp.maximum(jnp.linalg.norm(v), jnp.finfo(x.dtype).tiny)

        v = lax.fori_loop(0, 50, power, start / jnp.sqrt(jnp.asarray(start.size, x.dtype)))
        curvature = jnp.linalg.norm(gradient(v, jnp.zeros((1, 1), x.dtype)))
        rate = 1 / jnp.maximum(curvature, jnp.finfo(x.dtype).tiny)
    else:
        rate = jnp.asarray(learning_rate, x.dtype)
    w = jnp.zeros((x.shape[1], y.shape[1]), x.dtype)
    first = gradient(w, y)
    enough = jnp.maximum(tol, 8 * jnp.finfo(x.dtype).eps) * jnp.abs(first).max(initial=0.0)

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        _, g, i = carry
        return (jnp.abs(g).max(initial=0.0) > enough) & (i < max_iter)

    def step(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        w, g, i = carry
        w = w - rate * g
        return w, gradient(w, y), i + 1

    w = jnp.where(jnp.isfinite(enough), w, jnp.nan)  # no descent begins from NaN: it would say 0
    w, _, steps = lax.while_loop(unfinished, step, (w, first, jnp.zeros((), jnp.int32)))
    return w, (y_mean - x_mean @ w)[0], steps


def _mean(a: Array, root: Array, total: Array) -> Array:
    return (root * root * a).sum(axis=0, keepdims=True) / total


def _check(function: str, x: Array, y: Array) -> None:
    check_float(function, x=x, y=y)
    check_rank(function, "x", x, 2, "(N, D)")
    check_rank(function, "y", y, 2, "(N, T)")
    check_equal(function, "the rows of y", y.shape[0], x.shape[0], x=x, y=y)
