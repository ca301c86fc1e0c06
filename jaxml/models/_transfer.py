"""Transfer learning: a trained network, another head."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import nn
from jaxml.functional._checks import check_positive
from jaxml.nn._bridge import Model, copied

BACKBONE = "^(?!head/)"


def transfer(model: Model, num_classes: int, *, freeze: str | None = "backbone", rngs: nnx.Rngs) -> Model:
    """A copy of `model` with a new head of `num_classes` outputs, and what `freeze` says held fixed.

    `model` is a network of `jaxml.models` with its trained values in it; all but its last layer, `model.head`, is taken
    over. The new head has the old one's options and starts as a new `nn.Linear` does, from `rngs`.

    freeze: `"backbone"` holds everything but the head, None nothing, and any other word is a pattern of `nn.freeze`:
        a regular expression for paths such as `blocks/0/depthwise/w`. What is held takes no update, no weight decay and
        no gradient, and its batch norms keep their statistics and use them. `nn.unfreeze` gives it back, all at once or
        from the top down.

    The result is a model as any other: for `train.fit`, `nn.functionalize` and every optimizer as they are.

    Errors: `ValueError` for a model without a head, `num_classes` below 1, and as `nn.freeze`.

    >>> from flax import nnx; from jaxml import models, nn
    >>> digits = models.create("cnn_separable", rngs=nnx.Rngs(0), num_classes=10, widths=(8, 16), strides=(1, 2))
    >>> faces = models.transfer(digits, 2, rngs=nnx.Rngs(1))
    >>> apply, params, state = nn.functionalize(faces)
    >>> list(params), params["head"]["w"].shape
    (['head'], (16, 2))
    """
    made: Any = copied("transfer", model)
    old = _head("transfer", made)
    check_positive("transfer", "num_classes", (num_classes,))
    made.head = nn.Linear(
        old.w.shape[0],
        num_classes,
        use_bias=old.b is not None,
        dtype=old.dtype,
        param_dtype=old.w.dtype,
        rngs=rngs,
    )
    if hasattr(made, "config"):
        made.config = replace(made.config, num_classes=num_classes)
    if getattr(made, "preprocessing", None) is not None:
        made.preprocessing = replace(made.preprocessing, labels=None)  # those of the classes that were
    if freeze is None:
        return made
    return nn.freeze(made, BACKBONE if freeze == "backbone" else freeze)


def features(model: nnx.Module, x: Any, *, batch_size: int = 32) -> np.ndarray:
    """What the head of `model` is given for each example of `x`, computed in batches, as a NumPy array.

    `model` is a network of `jaxml.models` with a head, called with `train=False`. x: an array of N examples, or
    whatever has a length and gives arrays for arrays of indices, such as the lazily read x of a `data.image_folder`.
    The last batch is filled up, so one compiled program serves all.

    Shapes: x (N, ...) -> (N, features).
    Errors: `ValueError` for a model without a head, no examples, or a `batch_size` below 1.

    >>> from flax import nnx; from jaxml import models
    >>> model = models.create("cnn_separable", rngs=nnx.Rngs(0), widths=(8, 16), strides=(1, 2))
    >>> models.features(model, np.ones((5, 8, 8, 1), "float32"), batch_size=4).shape
    (5, 16)
    """
    headless: Any = copied("features", model)
    _head("features", headless)
    check_positive("features", "batch_size", (batch_size,))
    if len(x) == 0:
        raise ValueError("features: x must have at least one example, got none")
    headless.head = nn.Activation(lambda x: x)
    apply, params, state = nn.functionalize(headless)
    run: Callable[..., Any] = jax.jit(lambda params, state, x: apply(params, state, x, train=False)[0])
    found = []
    for start in range(0, len(x), batch_size):
        # The last example again, rather than a shorter batch: another shape would be compiled anew.
        positions = np.minimum(np.arange(start, start + batch_size), len(x) - 1)
        found.append(run(params, state, jnp.asarray(x[positions])))
    return np.concatenate([np.asarray(batch) for batch in found])[: len(x)]


def _head(function: str, model: nnx.Module) -> nn.Linear:
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Linear):
        got = "no head" if head is None else f"a head of class {type(head).__name__}"
        raise ValueError(f"{function}: model must have a head, an nn.Linear; {type(model).__name__} has {got}")
    return head
