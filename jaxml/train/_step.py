"""The two compiled steps: one that learns from a batch and one that only measures."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxml.functional._checks import check_choice, check_equal, check_positive
from jaxml.functional._dtypes import wide_dtype
from jaxml.train._loss_scale import LossScaleState, rescaled

Apply = Callable[..., tuple[Any, Any]]  # apply(params, state, x, train=...) -> (outputs, state)
Loss = Callable[[Any, Any], Array]  # loss(outputs, labels) -> one value per example
Metrics = Mapping[str, Loss]


def make_train_step(
    apply: Apply,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    *,
    metrics: Metrics | None = None,
    accumulate: int = 1,
    nonfinite: str = "keep",
) -> Callable[..., Any]:
    """One step of training as one compiled program:

        step(params, state, opt_state, batch) -> (params, state, opt_state, metrics)

    `batch` is `(x, y)` or `(x, y, where)`, x and y arrays or trees of arrays; examples whose `where` is False count for
    nothing in loss and gradient (in batch normalisation they still take part). `loss(outputs, y)` gives one value per
    example, the step takes the mean. The step's `metrics` are the mean "loss", the "accuracy" if `y` are integer
    classes, the means of `metrics` (functions such as `loss`), and "examples", how many counted.

    accumulate: computes the batch in that many equal parts, one after the other, and their gradients' sum: the same
        step with that much less memory (batch normalisation sees one part at a time).
    nonfinite: "keep" does what the arithmetic does. "skip" leaves parameters, state and optimizer as they were where
        the loss or a gradient is not finite, and counts it in the metric "skipped"; it reads every gradient once more.

    `params`, `state` and `opt_state` are donated: their memory holds the results, so the arrays passed in are gone.

    Errors: `ValueError` for an unknown `nonfinite`, and, when traced, if the loss or a metric is not of shape (N,), or
    if the parts of `accumulate` would not be equal.

    >>> apply = lambda w, state, x, train: (x * w, state)
    >>> tx, w = optax.sgd(0.5), jnp.array(3.0)
    >>> step = make_train_step(apply, lambda outputs, y: (outputs - y) ** 2, tx)
    >>> w, *_, metrics = step(w, None, tx.init(w), (jnp.ones(4), jnp.ones(4)))
    >>> float(w), float(metrics["loss"])
    (1.0, 4.0)
    """
    check_positive("make_train_step", "accumulate", [accumulate])
    check_choice("make_train_step", "nonfinite", nonfinite, ("keep", "skip"))

    def step(params: Any, state: Any, opt_state: Any, batch: Any) -> tuple[Any, Any, Any, dict[str, Array]]:
        x, y, counts = _parts(batch)
        examples = counts.sum(dtype=jnp.float32)
        scale = opt_state.scale if isinstance(opt_state, LossScaleState) else None

        def objective(params: Any, state: Any, part: Any) -> tuple[Array, tuple[Any, dict[str, Array]]]:
            x, y, counts = part
            outputs, new_state = apply(params, state, x, train=True)
            sums = _sums("make_train_step", loss, metrics, outputs, y, counts)
            mean = sums["loss"] / jnp.maximum(examples, 1).astype(sums["loss"].dtype)
            return mean if scale is None else mean * scale.astype(mean.dtype), (new_state, sums)

        grad = jax.grad(objective, has_aux=True)
        if accumulate == 1:
            gradients, (new_state, sums) = grad(params, state, (x, y, counts))
        else:
            gradients, new_state, sums = _accumulated(grad, accumulate, params, state, (x, y, counts))
        measured = _means(sums, examples)
        gradients = rescaled(gradients, scale)
        updates, new_opt_state = optimizer.update(gradients, opt_state, params)
        new: Any = optax.apply_updates(params, updates), new_state, new_opt_state
        if nonfinite == "skip" or scale is not None:
            good = jnp.isfinite(measured["loss"]) & all_finite(gradients)
            old = params, state, opt_state
            if scale is not None:  # a step that overflowed lowers the scale, and changes nothing else
                old = params, state, opt_state.after(good)
                new = *new[:2], cast(LossScaleState, new_opt_state).after(good)
            new = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)
            measured["skipped"] = 1 - good.astype(jnp.float32)
        return *new, measured

    return jax.jit(step, donate_argnums=(0, 1, 2))


def make_eval_step(apply: Apply, loss: Loss, *, metrics: Metrics | None = None) -> Callable[..., dict[str, Array]]:
    """The metrics of `make_train_step` with `train=False`, nothing changed and nothing donated.

        step(params, state, batch) -> metrics

    >>> step = make_eval_step(lambda w, state, x, train: (x * w, state), lambda outputs, y: (outputs - y) ** 2)
    >>> where = jnp.array([True, True, False])
    >>> metrics = step(jnp.array(3.0), None, (jnp.array([0.0, 1.0, 9.0]), jnp.ones(3), where))
    >>> float(metrics["loss"]), float(metrics["examples"])
    (2.5, 2.0)
    """

    def step(params: Any, state: Any, batch: Any) -> dict[str, Array]:
        x, y, counts = _parts(batch)
        outputs, _ = apply(params, state, x, train=False)
        sums = _sums("make_eval_step", loss, metrics, outputs, y, counts)
        return _means(sums, counts.sum(dtype=jnp.float32))

    return jax.jit(step)


def pure(function: str, model: Any) -> tuple[Apply, Any, Any]:
    """`(apply, params, state)` of an NNX module, or as it was given."""
    if isinstance(model, tuple):
        if len(model) != 3 or not callable(model[0]):
            raise ValueError(
                f"{function}: model must be an NNX module or (apply, params, state), got {len(model)} parts"
            )
        return model
    from jaxml.nn import functionalize  # here, so that plain functions are trained without loading Flax

    return functionalize(model)


def all_finite(tree: Any) -> Array:
    """Whether every entry of every floating array of `tree` is finite."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.array([jnp.isfinite(leaf).all() for leaf in leaves])) if leaves else jnp.array(True)


def is_classes(outputs: Any, y: Any) -> bool:
    """`y` are integer classes, one an example, and `outputs` a score for each class."""
    if not hasattr(y, "ndim") or getattr(outputs, "ndim", None) != 2 or y.ndim != 1:
        return False
    return jnp.issubdtype(y.dtype, jnp.integer)


def _parts(batch: Any) -> tuple[Any, Any, Array]:
    x, y, *where = batch
    n = jax.tree.leaves(x)[0].shape[0]
    return x, y, where[0] if where else jnp.ones(n, bool)


def _sums(function: str, loss: Loss, metrics: Metrics | None, outputs: Any, y: Any, counts: Array) -> dict[str, Array]:
    """Sums over the examples that count."""
    values = {"loss": loss(outputs, y)}
    if is_classes(outputs, y):
        values["accuracy"] = outputs.argmax(-1) == y
    values |= {name: metric(outputs, y) for name, metric in (metrics or {}).items()}
    for name, value in values.items():
        what = "the loss's shape" if name == "loss" else f"the shape of metric {name!r}"
        check_equal(function, f"{what}, one value per example,", value.shape, counts.shape, y=jax.tree.leaves(y)[0])
    # In float32 at least: half-precision losses, summed over a batch, would lose digits. A select and no product: an
    # infinite loss that does not count must not become NaN.
    return {name: jnp.where(counts, v, jnp.zeros_like(v)).sum() for name, v in _widened(values).items()}


def _widened(values: dict[str, Array]) -> dict[str, Array]:
    return {
        n: v.astype(wide_dtype(v.dtype)) if jnp.issubdtype(v.dtype, jnp.floating) else v.astype(jnp.float32)
        for n, v in values.items()
    }


def _means(sums: dict[str, Array], examples: Array) -> dict[str, Array]:
    """Over no examples, zero."""
    at_least_one = jnp.maximum(examples, 1)
    return {name: s / at_least_one.astype(s.dtype) for name, s in sums.items()} | {"examples": examples}


def _accumulated(grad: Any, parts: int, params: Any, state: Any, batch: Any) -> tuple[Any, Any, dict[str, Array]]:
    """The sums of gradients and metrics over `parts` equal parts of the batch, the state carried through them."""
    n = batch[2].shape[0]
    if n % parts:
        raise ValueError(f"make_train_step: a batch of {n} examples cannot be cut in accumulate={parts} equal parts")
    # Every parts-th example and not a block: of a batch cut over devices each part then has a share on every device,
    # and no example needs to be sent to another.
    cut = jax.tree.map(lambda a: a.reshape(n // parts, parts, *a.shape[1:]).swapaxes(0, 1), batch)
    shapes = jax.eval_shape(grad, params, state, jax.tree.map(lambda a: a[0], cut))
    gradients, (_, sums) = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), (shapes[0], (None, shapes[1][1])))

    def body(carry: Any, part: Any) -> tuple[Any, None]:
        gradients, state, sums = carry
        more, (state, more_sums) = grad(params, state, part)
        return (*jax.tree.map(jnp.add, (gradients,), (more,)), state, jax.tree.map(jnp.add, sums, more_sums)), None

    return jax.lax.scan(body, (gradients, state, sums), cut)[0]
