"""Are the probabilities of a classifier true?"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jaxml.diagnostics._checks import ArrayLike, check_classes, check_finite, check_some, known
from jaxml.diagnostics._figure import finish, ground, next_colour
from jaxml.functional._checks import check_choice, check_float, check_positive, check_probabilities, check_rank
from jaxml.functional._dtypes import wide

STRATEGIES = ("uniform", "quantile")


class Calibration(NamedTuple):
    """A reliability diagram in numbers: `bins` intervals of the confidence and what came true in each.

    edges (B + 1,): interval b is `(edges[b], edges[b + 1]]`.
    counts (B,): the examples in each; confidence (B,): the mean probability; accuracy (B,): the share that came true.
        Both are NaN where there is no example.
    brier (): the mean squared error of the probabilities.
    """

    edges: Array
    counts: Array
    confidence: Array
    accuracy: Array
    brier: Array

    @property
    def ece(self) -> Array:
        """The expected calibration error, `Σ_b counts_b / N |accuracy_b - confidence_b|`."""
        share = self.counts / self.counts.sum()
        return (share.astype(self.confidence.dtype) * self._gaps()).sum()

    @property
    def mce(self) -> Array:
        """The maximum calibration error, `max_b |accuracy_b - confidence_b|`."""
        return self._gaps().max()

    def _gaps(self) -> Array:
        return jnp.where(self.counts > 0, jnp.abs(self.accuracy - self.confidence), 0)

    def plot(self, *, name: str = "model", into: Any = None) -> Any:
        """A matplotlib `Figure`: accuracy over confidence, the diagonal being right; an area is a share of examples.

        name: in the legend. into: matplotlib's axes to draw into; several calibrations may share them.

        Errors: `ImportError` without matplotlib (`jaxml-nn[bench]`).
        """
        figure, axes = ground("Calibration.plot", into, size=(4.6, 4.4))
        colour = next_colour(axes)
        some = np.asarray(self.counts) > 0
        x, y, share = (np.asarray(a)[some] for a in (self.confidence, self.accuracy, self.counts / self.counts.sum()))
        label = f"{name}: ECE {float(self.ece):.3f}, Brier {float(self.brier):.3f}"
        axes.axline((0, 0), (1, 1), color="#9a9a9a", lw=1, ls="--")
        axes.plot(x, y, color=colour, lw=1.4, label=label)
        axes.scatter(x, y, s=15 + 250 * share, color=colour, alpha=0.6, lw=0, zorder=3)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="share that came true")
        axes.set_aspect("equal")
        finish(axes)
        return figure


def calibration(
    probabilities: Float[ArrayLike, "N *K"],
    labels: Shaped[ArrayLike, " N"],
    *,
    bins: int = 10,
    strategy: str = "uniform",
) -> Calibration:
    """Of what is said to happen with probability p, does a share of p happen? Of each interval of p, both.

        accuracy_b = mean of [came true] over the n with p_n in bin b        confidence_b = mean of p_n over them

    Of two classes p is the probability of class 1, and what comes true is label 1: scikit-learn's `calibration_curve`.
    Of K classes p is the probability of the likeliest, and what comes true is that it is the label: Guo's. Brier's
    score is `mean (p_n - label_n)²`, or `mean Σ_k (p_nk - [label_n = k])²`.

    strategy: "uniform", bins of equal width, or "quantile", bins of equal numbers of examples.

    Shapes: probabilities (N,) or (N, K), labels (N,), integers -> `bins` entries each.

    Errors: `TypeError` for dtypes; `ValueError` for no examples, other numbers of the two, NaN, probabilities outside
    [0, 1] or whose rows do not sum to 1 (logits?), labels out of range, `bins` below 1 and an unknown strategy. Under
    `jit` values are not looked at.

    References: Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, arXiv:1706.04599; Brier 1950.

    >>> import jax.numpy as jnp; from jaxml import diagnostics
    >>> found = diagnostics.calibration(jnp.array([0.2, 0.2, 0.9, 0.9]), jnp.array([0, 1, 1, 1]), bins=2)
    >>> found.accuracy.tolist(), round(float(found.ece), 3)
    ([0.5, 1.0], 0.2)
    """
    name = "calibration"
    check_some(name, probabilities=probabilities, labels=labels)
    check_float(name, probabilities=probabilities)
    check_rank(name, "probabilities", jnp.asarray(probabilities), (1, 2), "(N,) or (N, K)")
    check_classes(name, "labels", labels, 2 if probabilities.ndim == 1 else probabilities.shape[1])
    check_positive(name, "bins", [bins])
    check_choice(name, "strategy", strategy, STRATEGIES)
    check_finite(name, probabilities=probabilities)
    check_probabilities(name, None, probabilities=probabilities)
    p, y = wide(jnp.asarray(probabilities)), jnp.asarray(labels).astype(jnp.int32)
    if p.ndim == 1:
        confidence, true = p, y.astype(p.dtype)
        brier = jnp.square(p - true).mean()
    else:
        _check_sums(name, probabilities)
        confidence, true = p.max(axis=1), (p.argmax(axis=1) == y).astype(p.dtype)
        brier = jnp.square(p - jax.nn.one_hot(y, p.shape[1], dtype=p.dtype)).sum(axis=1).mean()
    edges = _uniform_edges(bins, p.dtype) if strategy == "uniform" else _quantile_edges(confidence, bins)
    place = jnp.searchsorted(edges[1:-1], confidence)

    def per_bin(values: Array) -> Array:
        return jnp.zeros(bins, values.dtype).at[place].add(values)

    counts = per_bin(jnp.ones(p.shape[0], jnp.int32))
    size = jnp.where(counts > 0, counts.astype(p.dtype), jnp.nan)
    return Calibration(edges, counts, per_bin(confidence) / size, per_bin(true) / size, brier)


def _check_sums(function: str, probabilities: Any) -> None:
    """Each row sums to 1, but for the rounding of its dtype, or of float32, which it may have been before."""
    if not known(probabilities):
        return
    sums = np.asarray(probabilities, np.float64).sum(axis=1)
    eps = max(float(jnp.finfo(dtype).eps) for dtype in (probabilities.dtype, jnp.float32))
    wrong = np.abs(sums - 1) > eps**0.5
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"{function}: each row of probabilities must sum to 1, row {at} sums to {sums[at]:.6g}; jax.nn.softmax "
            f"makes them of logits"
        )


def _uniform_edges(bins: int, dtype: Any) -> Array:
    return jnp.asarray(np.linspace(0, 1, bins + 1), dtype)


def _quantile_edges(p: Array, bins: int) -> Array:
    """NumPy's linear quantiles. Where they fall is known before the values are, and worked out in float64."""
    at = np.linspace(0, 1, bins + 1) * (p.shape[0] - 1)
    low = np.floor(at).astype(int)
    part = jnp.asarray(at - low, p.dtype)
    ordered = jnp.sort(p)
    below, above = ordered[low], ordered[np.minimum(low + 1, p.shape[0] - 1)]
    return jnp.where(part < 0.5, below + (above - below) * part, above - (above - below) * (1 - part))
