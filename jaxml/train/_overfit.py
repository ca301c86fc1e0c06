"""Can a model learn one batch by heart? If it cannot, more data will not help it."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxml.functional._checks import check_above, check_positive
from jaxml.train._batches import as_pair
from jaxml.train._flat_step import FlatStep
from jaxml.train._step import Apply, Loss, is_classes, make_train_step, pure

SAME = 1e-6  # outputs that differ by less, relative to the largest, are the same


@dataclass(frozen=True)
class Overfit:
    """What training on one batch came to: the loss before each step and after the last, whether it fell far enough,
    and if not, what to look at. `zero_gradients` names the parameters whose gradient was zero at the start and still
    is."""

    losses: tuple[float, ...]
    ok: bool
    suggestions: tuple[str, ...]
    zero_gradients: tuple[str, ...]


def overfit_one_batch(
    model: Any,
    batch: Any,
    *,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    steps: int = 200,
    target: float = 0.1,
) -> Overfit:
    """Train on one batch `(x, y)` alone, again and again: a model without a mistake in it learns a small one by heart.

    `ok` says that the loss fell below `target` times its first value. Where it did not, the suggestions name what is
    likely: parameters whose gradient is zero (a dead unit, a part that is cut off), outputs that are the same for every
    example, a loss at chance level, the same x with different y, a learning rate too large, or too few steps. Leave
    dropout off, and take a batch of some ten examples.

    model, loss, optimizer: as for `fit`; the model is left as it is.

    Errors: those of `fit` for the model and for the batch; `ValueError` for steps below 1 or a target outside (0, 1).
    Source: Karpathy, A Recipe for Training Neural Networks (2019).

    >>> import optax
    >>> model = (lambda w, state, x, train: (x * w[None], state)), jnp.zeros(1), None
    >>> batch, loss = (jnp.ones((4, 1)), jnp.ones((4, 1))), lambda outputs, y: ((outputs - y) ** 2).mean(-1)
    >>> overfit_one_batch(model, batch, loss=loss, optimizer=optax.sgd(0.1), steps=20).ok
    True
    """
    check_positive("overfit_one_batch", "steps", [steps])
    check_above("overfit_one_batch", "target", target, 0, 1)
    x, y = jax.tree.map(np.asarray, as_pair("overfit_one_batch", "batch", batch))
    apply, params, state = pure("overfit_one_batch", model)
    carry = jax.tree.map(jnp.copy, (params, state, optimizer.init(params)))
    step = FlatStep(make_train_step(apply, loss, optimizer), carry, (x, y))
    look = _look(apply, loss)
    first = look(*carry[:2], x, y)
    leaves, losses = step.leaves(carry), []
    while len(losses) < steps and (not losses or math.isfinite(losses[-1])):
        leaves, packed = step(leaves, (x, y))
        losses.append(step.figures(packed)["loss"])
    params, state, _ = step.carry(leaves)
    last = look(params, state, x, y)
    losses.append(float(last["loss"]))
    names = ["params" + jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(params)]
    zero = [n for n, a, b in zip(names, first["zero"], last["zero"], strict=True) if bool(a) and bool(b)]
    ok = losses[-1] <= target * losses[0]
    said = (
        () if ok else tuple(_suggestions(losses, zero, bool(last["same"]), _chance(apply, params, state, x, y), x, y))
    )
    return Overfit(tuple(losses), ok, said, tuple(zero))


def _look(apply: Apply, loss: Loss) -> Callable[..., dict[str, Any]]:
    """The loss, which gradients are zero everywhere, and whether all examples have the same outputs."""

    def look(params: Any, state: Any, x: Any, y: Any) -> dict[str, Any]:
        def mean(params: Any) -> tuple[Any, Any]:
            outputs, _ = apply(params, state, x, train=True)
            return loss(outputs, y).mean(), outputs

        (value, outputs), gradients = jax.value_and_grad(mean, has_aux=True)(params)
        zero = [(g == 0).all() for g in jax.tree.leaves(gradients)]
        same = [jnp.abs(o - o[:1]).max() <= SAME * jnp.abs(o).max() for o in jax.tree.leaves(outputs)]
        return {"loss": value, "zero": zero, "same": jnp.stack(same).all()}

    return jax.jit(look)


def _chance(apply: Apply, params: Any, state: Any, x: Any, y: Any) -> float | None:
    """The cross-entropy of whoever knows how often each class comes and nothing else, -sum_c p_c log p_c."""
    outputs, _ = jax.eval_shape(lambda *args: apply(*args, train=True), params, state, x)
    if not is_classes(outputs, y):
        return None
    p = np.unique(y, return_counts=True)[1] / len(y)
    return float(-(p * np.log(p)).sum())


def _suggestions(
    losses: Sequence[float], zero: Sequence[str], same: bool, chance: float | None, x: Any, y: Any
) -> Iterator[str]:
    if zero:
        listed = ", ".join(zero[:3]) + (f" and {len(zero) - 3} more" if len(zero) > 3 else "")
        yield f"the gradient is zero at {listed}: a unit that is dead, or a part that the loss does not reach"
    if _contradicts(x, y):
        yield "examples with the same x have different y: nothing can learn both"
    if same and len(jax.tree.leaves(y)[0]) > 1:
        yield "the outputs are the same for every example: x does not reach them, or all x are alike"
    if chance is not None and abs(losses[-1] - chance) <= 0.02 * chance:
        yield f"the loss stays at chance level, {chance:.3g}: only how often each class comes was learnt"
    if not math.isfinite(losses[-1]) or losses[-1] > losses[0] or _rises(losses) > 0.25:
        yield "the loss rises: the learning rate is too large"
    elif losses[-1] < 0.98 * losses[len(losses) * 3 // 4]:
        yield "the loss is still falling: take more steps, or a larger learning rate"
    elif losses[-1] > 0.98 * losses[0] and not zero:
        yield "the loss hardly moves: the learning rate is too small, or the loss does not depend on the parameters"


def _rises(losses: Sequence[float]) -> float:
    """Which part of the steps made the loss larger, by more than rounding."""
    return sum(b > 1.001 * a for a, b in pairwise(losses)) / (len(losses) - 1)


def _contradicts(x: Any, y: Any) -> bool:
    seen: dict[bytes, set[bytes]] = defaultdict(set)
    for i in range(len(jax.tree.leaves(x)[0])):
        one, other = (b"".join(np.asarray(leaf[i]).tobytes() for leaf in jax.tree.leaves(part)) for part in (x, y))
        seen[one].add(other)
    return any(len(labels) > 1 for labels in seen.values())
