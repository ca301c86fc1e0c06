"""Which class is taken for which."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jaxml.diagnostics._checks import ArrayLike, check_classes, check_finite, check_some, known
from jaxml.diagnostics._figure import ground
from jaxml.functional._checks import check_choice, check_equal, check_float, check_positive

OVER = {None: None, "true": 1, "pred": 0, "all": (0, 1)}
WRITTEN = 20  # up to so many classes the numbers stand in the picture


class ConfusionMatrix(NamedTuple):
    """`counts[i, j]`: how many examples of class i were taken for class j, (K, K); weights summed where there are any.

    `recall[i] = counts[i, i] / Σ_j counts[i, j]`, `precision[j] = counts[j, j] / Σ_i counts[i, j]`, `f1` their harmonic
    mean, (K,), `accuracy = Σ_i counts[i, i] / Σ counts`. A ratio of nothing to nothing, such as the recall of a class
    that never occurs, is NaN.
    """

    counts: Array

    @property
    def accuracy(self) -> Array:
        """The share that is right."""
        return _ratio(jnp.trace(self.counts), self.counts.sum())

    @property
    def recall(self) -> Array:
        """Of each class, the share that is found."""
        return _ratio(jnp.diagonal(self.counts), self.counts.sum(axis=1))

    @property
    def precision(self) -> Array:
        """Of what is taken for each class, the share that is of it."""
        return _ratio(jnp.diagonal(self.counts), self.counts.sum(axis=0))

    @property
    def f1(self) -> Array:
        """`2 precision recall / (precision + recall)` of each class."""
        return _ratio(2 * jnp.diagonal(self.counts), self.counts.sum(axis=0) + self.counts.sum(axis=1))

    def normalized(self, over: str = "true") -> Array:
        """`counts` as shares of their row ("true"), their column ("pred") or of everything ("all"); 0 / 0 is 0.

        scikit-learn's `normalize`. Errors: `ValueError` for another word.
        """
        check_choice("normalized", "over", over, ("true", "pred", "all"))
        return jnp.nan_to_num(_ratio(self.counts, self.counts.sum(axis=OVER[over], keepdims=True)))

    def plot(self, *, normalize: str | None = None, names: Sequence[str] | None = None, into: Any = None) -> Any:
        """A matplotlib `Figure`: true classes down, predicted ones across.

        normalize: as in `normalized`; None draws the counts.
        names: of the K classes, in place of their numbers.
        into: matplotlib's axes to draw into, in place of a figure of its own; their figure is returned.

        Errors: `ValueError` for other than K names; `ImportError` without matplotlib (`jaxml-nn[bench]`).
        """
        function, k = "ConfusionMatrix.plot", len(self.counts)
        check_choice(function, "normalize", normalize, tuple(OVER))
        if names is not None:
            check_equal(function, "the number of names", len(names), k)
        values = np.asarray(self.counts if normalize is None else self.normalized(normalize))
        figure, axes = ground(function, into, size=(5, 4.6))
        image = axes.imshow(values, cmap="Blues", vmin=0, vmax=None if normalize is None else 1)
        figure.colorbar(image, ax=axes, shrink=0.8)
        if k <= WRITTEN:
            middle = image.norm.vmin + (image.norm.vmax - image.norm.vmin) / 2
            for i, j in np.ndindex(k, k):
                text = f"{values[i, j]:.2f}" if values.dtype.kind == "f" else str(values[i, j])
                colour = "white" if values[i, j] > middle else "black"
                axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=7)
        if names is not None or k <= WRITTEN:
            slanted = {} if names is None else {"rotation": 45, "ha": "right"}
            axes.set_xticks(range(k), names or range(k), **slanted)
            axes.set_yticks(range(k), names or range(k))
        axes.set(xlabel="predicted class", ylabel="true class")
        return figure


def confusion_matrix(
    predictions: Shaped[ArrayLike, " N"],
    labels: Shaped[ArrayLike, " N"],
    *,
    num_classes: int | None = None,
    sample_weight: Float[ArrayLike, " N"] | None = None,
) -> ConfusionMatrix:
    """How often each class is taken for each: `counts[i, j] = Σ_n weight_n [label_n = i][prediction_n = j]`.

    The rows are the true classes, as in scikit-learn; the predictions come first, as in the losses here. Without
    `num_classes` there are as many as the largest class says; under `jit` it must be given, and what is out of range,
    an error outside, is not counted.

    Shapes: predictions (N,), labels (N,), integers in [0, K) -> counts (K, K), int32; with weights in their dtype.

    Errors: `TypeError` for classes that are no integers; `ValueError` for none, other numbers of the two, classes out
    of range, weights that are negative or not finite, and under `jit` without `num_classes`.

    >>> import jax.numpy as jnp; from jaxml import diagnostics
    >>> found = diagnostics.confusion_matrix(jnp.array([0, 1, 1, 1]), jnp.array([0, 0, 1, 1]))
    >>> found.counts.tolist(), found.recall.tolist()
    ([[1, 1], [0, 2]], [0.5, 1.0])
    """
    name = "confusion_matrix"
    check_some(name, predictions=predictions, labels=labels)
    check_classes(name, "predictions", predictions, num_classes)
    check_classes(name, "labels", labels, num_classes)
    if num_classes is None:
        if not known(predictions, labels):
            raise ValueError(f"{name}: num_classes must be given under jit, where the largest class is not known")
        num_classes = 1 + int(max(np.max(np.asarray(predictions)), np.max(np.asarray(labels))))
    check_positive(name, "num_classes", [num_classes])
    if sample_weight is not None:
        check_some(name, labels=labels, sample_weight=sample_weight)
        check_float(name, sample_weight=sample_weight)
        check_finite(name, sample_weight=sample_weight)
        if known(sample_weight) and np.min(np.asarray(sample_weight)) < 0:
            raise ValueError(f"{name}: sample_weight must not be negative, got {np.min(np.asarray(sample_weight))}")
    return ConfusionMatrix(_counts(predictions, labels, sample_weight, num_classes))


def _counts(predictions: Any, labels: Any, weight: Any, k: int) -> Array:
    i, j = (jnp.asarray(a).astype(jnp.int32) for a in (labels, predictions))
    inside = (i >= 0) & (i < k) & (j >= 0) & (j < k)
    weight = jnp.ones(i.shape, jnp.int32) if weight is None else jnp.asarray(weight)
    cells = jnp.zeros(k * k, weight.dtype).at[jnp.where(inside, i * k + j, k * k)].add(weight, mode="drop")
    return cells.reshape(k, k)


def _ratio(part: Array, whole: Array) -> Array:
    dtype = part.dtype if jnp.issubdtype(part.dtype, jnp.floating) else jnp.float32
    part, whole = jnp.broadcast_arrays(part.astype(dtype), whole.astype(dtype))
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), jnp.nan)
