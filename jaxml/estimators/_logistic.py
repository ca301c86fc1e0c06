"""Multinomial and binary logistic regression: Newton's method and L-BFGS on the penalised likelihood."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int

import jaxml.functional as F
from jaxml.estimators._base import Scalar, refuses_nonfinite
from jaxml.functional._checks import check_choice, check_equal, check_float, check_rank, check_within

SOLVERS = ("newton", "lbfgs")


@refuses_nonfinite
@partial(jax.jit, static_argnames=("num_classes", "fit_intercept", "solver", "max_iter"))
def logistic_regression(
    x: Float[Array, "N D"],
    labels: Int[Array, " N"],
    *,
    num_classes: int,
    l2: Scalar = 0.0,
    fit_intercept: bool = True,
    sample_weight: Float[Array, " N"] | None = None,
    solver: str = "newton",
    tol: Scalar = 1e-8,
    max_iter: int = 100,
) -> tuple[Float[Array, "D K"], Float[Array, " K"], Int[Array, ""]]:
    """`argmin_{w,b} Σ_n s_n crossentropy(x_n w + b, label_n) + l2/2 ‖w‖²`: `(w, b, steps taken)`.

    Two classes have one column, the logit of class 1; more have one each. `l2` is not applied to `b`; it is
    scikit-learn's `1 / C`. Newton's method solves with the whole Hessian of `(D + 1) K` unknowns and halves a step that
    does not descend; L-BFGS (`optax.lbfgs`) keeps ten pairs and suits many unknowns. Both end when no entry of the
    gradient of the mean loss is above `tol`, or where rounding lets the loss fall no further.

    A label outside of [0, num_classes) makes all weights NaN, and under `jit` so does NaN or infinity in `x`.

    Shapes: x (N, D), labels (N,) in [0, num_classes) -> (D, K), (K,), K = 1 for two classes.
    Cost: Newton `N D² K²` MACs a step, L-BFGS `2 N D K` an evaluation.

    Raises:
        TypeError: `x` that is not floating point.
        ValueError: a wrong rank, other rows in `labels` than in `x`, fewer than 2 classes, an unknown solver;
            NaN or infinity in an argument.

    >>> x, labels = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.array([0, 1, 1, 0])
    >>> w, b, _ = logistic_regression(x, labels, num_classes=2, l2=1.0)
    >>> round(abs(float(w[0, 0])), 4)
    0.0
    """
    name = "logistic_regression"
    check_float(name, x=x)
    check_rank(name, "x", x, 2, "(N, D)")
    check_equal(name, "the shape of labels", tuple(labels.shape), x.shape[:1], x=x)
    check_within(name, "num_classes", num_classes, 2)
    check_within(name, "max_iter", max_iter, 1)
    check_choice(name, "solver", solver, SOLVERS)
    columns = 1 if num_classes == 2 else num_classes
    s = jnp.ones(len(x), x.dtype) if sample_weight is None else sample_weight
    total = s.sum()
    ones = [jnp.ones((len(x), 1), x.dtype)] if fit_intercept else []
    design = jnp.concatenate([x, *ones], axis=1)
    penalty = jnp.zeros((design.shape[1], 1), x.dtype).at[: x.shape[1]].set(jnp.asarray(l2, x.dtype)) / total

    targets = jnp.where((labels == 0) | (labels == 1), labels.astype(x.dtype), jnp.nan)  # of two classes

    def mean_loss(w: Array) -> Array:
        logits = design @ w.astype(x.dtype)  # optax's line search makes float32 wider where JAX has 64 bits
        if columns == 1:
            losses = F.binary_cross_entropy(logits[:, 0], targets)
        else:
            losses = F.softmax_cross_entropy_with_integer_labels(logits, labels)
        return (s * losses).sum() / total + 0.5 * (penalty * w * w).sum()

    def curvature(w: Array) -> Array:
        """The Hessian of the mean loss, `(D K, D K)`, in the order of `w.T.ravel()`."""
        logits = design @ w
        if columns == 1:
            p = jax.nn.sigmoid(logits)[:, None]
            second = p * (1 - p)
        else:
            p = jax.nn.softmax(logits)
            second = p[:, :, None] * (jnp.eye(columns, dtype=x.dtype)[None] - p[:, None, :])

        def rows(h: Array) -> Array:
            """Those of one class: `(D, K D)`."""
            return design.T @ (h[:, :, None] * s[:, None, None] * design[:, None]).reshape(len(x), -1)

        h = lax.map(rows, jnp.moveaxis(second, 1, 0)).reshape(columns * design.shape[1], -1)
        return h / total + jnp.diag(jnp.tile(penalty[:, 0], columns))

    start = jnp.zeros((design.shape[1], columns), x.dtype)
    run = _newton if solver == "newton" else _lbfgs
    w, steps = run(mean_loss, curvature, start, tol, max_iter)
    w = jnp.where(jnp.isfinite(mean_loss(start)), w, jnp.nan)  # no descent begins from NaN: it would say 0
    if columns > 1:  # a number added to all logits changes nothing: of all solutions, the one without
        w = w - w.mean(axis=1, keepdims=True)
    b = w[-1] if fit_intercept else jnp.zeros(columns, x.dtype)
    return w[: x.shape[1]], b, steps


def _newton(
    loss: Callable[[Array], Array], curvature: Callable[[Array], Array], w: Array, tol: Scalar, max_iter: int
) -> tuple[Array, Array]:
    """Newton's method; a step is halved until the loss falls by a hundredth of what its slope promises."""
    evaluate = jax.value_and_grad(loss)
    eps = jnp.finfo(w.dtype).eps

    def unfinished(carry: tuple[Array, Array, Array, Array, Array]) -> Array:
        _, _, g, i, moving = carry
        return (jnp.abs(g).max(initial=0.0) > tol) & (i < max_iter) & moving

    def step(carry: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        w, value, g, i, _ = carry
        h = curvature(w)
        # Adding a number to all classes' logits changes nothing, so that without a penalty H has no inverse.
        h = h + jnp.eye(len(h), dtype=w.dtype) * (10 * eps * jnp.trace(h))
        factor = jax.scipy.linalg.cho_factor(h)
        d = -jax.scipy.linalg.cho_solve(factor, g.T.ravel()).reshape(w.T.shape).T
        slope = (g * d).sum()

        def too_long(t: Array) -> Array:
            return ~(loss(w + t * d) <= value + 0.01 * t * slope + 4 * eps * jnp.abs(value)) & (t > 1e-8)

        t = lax.while_loop(too_long, lambda t: t / 2, jnp.ones((), w.dtype))
        new = w + t * d
        new_value, new_g = evaluate(new)
        better = jnp.abs(new_g).max(initial=0.0) < jnp.abs(g).max(initial=0.0)
        moving = (new_value < value) | better
        w, value, g = (jnp.where(moving, a, b) for a, b in ((new, w), (new_value, value), (new_g, g)))
        return w, value, g, i + 1, moving

    value, g = evaluate(w)
    w, _, _, steps, _ = lax.while_loop(
        unfinished, step, (w, value, g, jnp.zeros((), jnp.int32), jnp.ones((), jnp.bool_))
    )
    return w, steps


def _lbfgs(
    loss: Callable[[Array], Array], _: Callable[[Array], Array], w: Array, tol: Scalar, max_iter: int
) -> tuple[Array, Array]:
    rule = optax.lbfgs()
    evaluate: Any = optax.value_and_grad_from_state(loss)

    def unfinished(carry: tuple[Array, optax.OptState, Array, Array, Array]) -> Array:
        _, _, g, i, moving = carry
        return (jnp.abs(g).max(initial=0.0) > tol) & (i < max_iter) & moving

    def step(carry: tuple[Array, optax.OptState, Array, Array, Array]) -> Any:
        w, state, g, i, _ = carry
        value, g = evaluate(w, state=state)
        change: Any
        change, state = rule.update(g, state, w, value=value, grad=g, value_fn=loss)
        w, old_g = w + change, g
        g, new_value = optax.tree.get(state, "grad"), optax.tree.get(state, "value")
        moving = (new_value < value) | (jnp.abs(g).max(initial=0.0) < jnp.abs(old_g).max(initial=0.0))
        return w, state, g, i + 1, moving

    carry = (w, rule.init(w), jax.grad(loss)(w), jnp.zeros((), jnp.int32), jnp.ones((), jnp.bool_))
    w, _, _, steps, _ = lax.while_loop(unfinished, step, carry)
    return w, steps
