"""The two compiled steps: one that learns from a batch and one that only measures."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxml.functional._checks import check_equal

Apply = Callable[..., tuple[Any, Any]]  # apply(params, state, x, train=...) -> (outputs, state)
Loss = Callable[[Array, Array], Array]  # loss(outputs, labels) -> one value per example


def make_train_step(apply: Apply, loss: Loss, optimizer: optax.GradientTransformation) -> Callable[..., Any]:
    """One step of training as one compiled program:

        step(params, state, opt_state, batch) -> (params, state, opt_state, metrics)

    `batch` is `(x, y)` or `(x, y, where)`; examples whose `where` is False count for nothing in loss and gradient (in
    batch normalisation they still take part). `loss(outputs, y)` gives one value per example, the step takes the mean.
    `metrics` holds the mean "loss", the "accuracy" if `y` are integer classes, and "examples", how many counted.

    `params`, `state` and `opt_state` are donated: their memory holds the results, so the arrays passed in are gone.

    Errors, when traced: `ValueError` if the loss is not of shape (N,).

    >>> apply = lambda w, state, x, train: (x * w, state)
    >>> tx, w = optax.sgd(0.5), jnp.array(3.0)
    >>> step = make_train_step(apply, lambda outputs, y: (outputs - y) ** 2, tx)
    >>> w, *_, metrics = step(w, None, tx.init(w), (jnp.ones(4), jnp.ones(4)))
    >>> float(w), float(metrics["loss"])
    (1.0, 4.0)
    """

    def step(params: Any, state: Any, opt_state: Any, batch: Any) -> tuple[Any, Any, Any, dict[str, Array]]:
        x, *labels = batch

        def objective(params: Any) -> tuple[Array, tuple[Any, dict[str, Array]]]:
            outputs, new_state = apply(params, state, x, train=True)
            metrics = _metrics("make_train_step", loss, outputs, *labels)
            return metrics["loss"], (new_state, metrics)

        gradients, (new_state, metrics) = jax.grad(objective, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), new_state, opt_state, metrics

    return jax.jit(step, donate_argnums=(0, 1, 2))


def make_eval_step(apply: Apply, loss: Loss) -> Callable[..., dict[str, Array]]:
    """The metrics of `make_train_step` with `train=False`, nothing changed and nothing donated.

        step(params, state, batch) -> metrics

    >>> step = make_eval_step(lambda w, state, x, train: (x * w, state), lambda outputs, y: (outputs - y) ** 2)
    >>> where = jnp.array([True, True, False])
    >>> metrics = step(jnp.array(3.0), None, (jnp.array([0.0, 1.0, 9.0]), jnp.ones(3), where))
    >>> float(metrics["loss"]), float(metrics["examples"])
    (2.5, 2.0)
    """

    def step(params: Any, state: Any, batch: Any) -> dict[str, Array]:
        x, *labels = batch
        outputs, _ = apply(params, state, x, train=False)
        return _metrics("make_eval_step", loss, outputs, *labels)

    return jax.jit(step)


def _metrics(function: str, loss: Loss, outputs: Any, y: Array, where: Array | None = None) -> dict[str, Array]:
    """Means over the examples that count; over none of them, zero."""
    values = {"loss": loss(outputs, y)}
    check_equal(function, "the loss's shape, one value per example,", values["loss"].shape, (y.shape[0],), y=y)
    if jnp.issubdtype(y.dtype, jnp.integer) and y.ndim == 1 and getattr(outputs, "ndim", None) == 2:
        values["accuracy"] = outputs.argmax(-1) == y
    counts = jnp.ones(y.shape[0], bool) if where is None else where
    count = counts.sum(dtype=jnp.float32)
    # In float32 even for half-precision losses, whose sum over a batch would lose digits. A select and no product:
    # an infinite loss that does not count must not become NaN.
    sums = {name: jnp.where(counts, v.astype(jnp.float32), 0).sum() for name, v in values.items()}
    return {name: s / jnp.maximum(count, 1) for name, s in sums.items()} | {"examples": count}
