"""The plain training loop."""

import math
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxml.functional._checks import check_positive
from jaxml.train._batches import as_pair, batches
from jaxml.train._progress import progress_bar
from jaxml.train._step import Apply, Loss, make_eval_step, make_train_step


@dataclass(frozen=True)
class Result:
    """What training made. `history` has a value per epoch: "loss", "accuracy" for integer classes, and the same with
    "val_" in front. `step_seconds` has one per step, compilation apart."""

    params: Any
    state: Any
    opt_state: Any
    history: dict[str, tuple[float, ...]]
    step_seconds: tuple[float, ...]
    compile_seconds: float

    @property
    def seconds_per_step(self) -> float:
        """The median of `step_seconds`."""
        return median(self.step_seconds)


def fit(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    epochs: int,
    validation: Any = None,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = True,
) -> Result:
    """Train `model` on `data = (x, y)`; every epoch sees every example once, in a fresh order that `seed` fixes.

    model: an NNX module, or the `(apply, params, state)` that `nn.functionalize` makes of one, or such a triple
        written by hand. It is left as it is: take `params` and `state` from the result
        (`nnx.update(model, result.params, result.state)` writes them back).
    loss: `loss(outputs, y)`, one value per example.
    validation: another `(x, y)`, measured with `train=False` after each epoch.
    batch_size: at most this many examples a step. An incomplete last batch is filled up with examples that do not
        count, so that one compiled program serves them all.

    The history's training figures are means over the epoch, while the parameters were changing; the validation's are
    those of the epoch's end. The loss of a step is read while the next one runs, so the device does not wait for it.

    Errors, before anything is compiled: `ValueError` for x and y of different lengths, no data, or a batch size or
    number of epochs below 1. `FloatingPointError` that names the step whose loss is not finite.
    """
    x, y = as_pair("fit", "data", data)
    check = None if validation is None else as_pair("fit", "validation", validation)
    check_positive("fit", "epochs", [epochs])
    check_positive("fit", "batch_size", [batch_size])
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(f"fit: optimizer must be an optax.GradientTransformation, got {type(optimizer).__name__}")
    apply, *carry = _pure(model)
    # Copies: a step reuses the memory of what it is given, and that must not be the caller's.
    carry = jax.tree.map(jnp.copy, [*carry, optimizer.init(carry[0])])

    size = min(batch_size, len(x))
    start = time.perf_counter()
    lowered = make_train_step(apply, loss, optimizer).lower(*carry, next(batches(x, y, size, np.arange(len(x)))))
    _check_carry(carry, lowered.out_info)
    step = lowered.compile()
    compile_seconds = time.perf_counter() - start
    evaluate = make_eval_step(apply, loss)

    steps = math.ceil(len(x) / size)
    history: dict[str, list[float]] = {}
    seconds: list[float] = []
    with progress_bar(progress, epochs * steps) as advance:
        for epoch in range(epochs):
            measured: list[dict[str, float]] = []
            last = time.perf_counter()

            def read(metrics: Any, epoch: int = epoch, measured: list[dict[str, float]] = measured) -> None:
                """Wait for a step's figures, and keep them."""
                nonlocal last
                figures = _floats(metrics)
                measured.append(figures)
                now = time.perf_counter()
                seconds.append(now - last)
                last = now
                if not math.isfinite(figures["loss"]):
                    where = f"step {len(seconds)} (epoch {epoch + 1}, batch {len(measured)} of {steps})"
                    raise FloatingPointError(f"fit: loss is {figures['loss']} at {where}")
                advance(f"epoch {epoch + 1}/{epochs}", figures["loss"], 1 / seconds[-1])

            pending = None
            order = np.random.default_rng([seed, epoch]).permutation(len(x))
            for batch in batches(x, y, size, order):
                *carry, metrics = step(*carry, batch)
                if pending is not None:
                    read(pending)
                pending = metrics
            read(pending)

            figures = _mean(measured)
            if check is not None:
                figures |= {f"val_{name}": v for name, v in _evaluate(evaluate, carry, check, batch_size).items()}
            for name, value in figures.items():
                history.setdefault(name, []).append(value)
    params, state, opt_state = carry
    return Result(
        params, state, opt_state, {name: tuple(v) for name, v in history.items()}, tuple(seconds), compile_seconds
    )


def _pure(model: Any) -> tuple[Apply, Any, Any]:
    if isinstance(model, tuple):
        if len(model) != 3 or not callable(model[0]):
            raise ValueError(f"fit: model must be an NNX module or (apply, params, state), got {len(model)} parts")
        return model
    from jaxml.nn import functionalize  # here, so that plain functions are trained without loading Flax

    return functionalize(model)


def _evaluate(step: Any, carry: list[Any], data: tuple[np.ndarray, np.ndarray], batch_size: int) -> dict[str, float]:
    params, state, _ = carry
    x, y = data
    size = min(batch_size, len(x))
    return _mean([_floats(step(params, state, batch)) for batch in batches(x, y, size, np.arange(len(x)))])


def _floats(metrics: Any) -> dict[str, float]:
    return {name: float(value) for name, value in jax.device_get(metrics).items()}


def _mean(measured: list[dict[str, float]]) -> dict[str, float]:
    """Over all examples of several batches, each batch weighing as many as counted in it."""
    count = sum(m["examples"] for m in measured)
    names = [name for name in measured[0] if name != "examples"]
    return {name: sum(m[name] * m["examples"] for m in measured) / count for name in names}


def _check_carry(before: list[Any], after: Any) -> None:
    """A step's results are the next one's arguments, so their types must be the same."""
    for name, old, new in zip(("params", "state", "opt_state"), before, after[:3], strict=True):
        old, new = jax.tree.flatten_with_path(old), jax.tree.flatten_with_path(new)
        if old[1] != new[1]:
            raise ValueError(f"fit: a step must keep the tree of {name}: {old[1]} became {new[1]}")
        for (path, a), (_, b) in zip(old[0], new[0], strict=True):
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                at = name + jax.tree_util.keystr(path)
                raise ValueError(
                    f"fit: a step must keep shapes and dtypes: {at} went from {a.dtype}{a.shape} to {b.dtype}{b.shape}"
                )
