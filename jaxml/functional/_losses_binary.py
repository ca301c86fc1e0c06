"""Losses of independent yes/no labels."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_equal, check_float, check_probabilities, check_within, static
from jaxml.functional._dtypes import wide
from jaxml.functional._guarded import guarded
from jaxml.functional._kinks import at_most, softplus_pair
from jaxml.functional._per_example import check_same_shape, mean_per_example, plain_mean, rounded
from jaxml.functional._softmax import finite


def binary_cross_entropy(
    logits: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    pos_weight: Float[Array, "..."] | None = None,
    weights: Float[Array, "*shape"] | None = None,
    label_smoothing: float = 0.0,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy of independent yes/no labels, from logits; `(N, ...)` to `(N,)`.

    `mean(-w z log σ(x) - (1 - z) log(1 - σ(x)))` over every axis but the first, for labels `z` in [0, 1]: PyTorch's
    `binary_cross_entropy_with_logits`. `pos_weight` `w` is of the shape of the last axes of `logits`, `(C,)` for
    `(N, C)`, and 1 by default. `weights`, PyTorch's `weight`, are factors of the elements, before the mean.
    `label_smoothing` `s` replaces `z` by `(1 - s) z + s / 2`.

    Its derivative `(σ(x) - z) / n` holds at ±inf too. An infinite logit counts as the largest finite one, so a right
    answer costs 0 there and a wrong one the largest number of the dtype.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ or do not fit, or `label_smoothing` is not in [0, 1].

    >>> loss = binary_cross_entropy(jnp.array([0.0, jnp.inf, -2.0]), jnp.array([1.0, 1.0, 0.0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, 0.0, 0.1269]
    """
    name = "binary_cross_entropy"
    check_same_shape(name, where, logits=logits, labels=labels, weights=weights)
    check_within(name, "label_smoothing", label_smoothing, 0, 1)
    if where is None and weights is None and pos_weight is None and not label_smoothing:
        return mean_label_entropy(logits, labels)
    x, z = wide(logits), wide(labels)
    if where is not None:
        x, z = jnp.where(where, x, 0), jnp.where(where, z, 0)
    if label_smoothing:
        z = (1 - label_smoothing) * z + label_smoothing / 2
    if pos_weight is None:
        loss = label_entropy(x, z)
    else:
        negative, positive = softplus_pair(finite(x))
        check_float(name, logits=logits, pos_weight=pos_weight)
        last = tuple(logits.shape[max(0, logits.ndim - pos_weight.ndim) :])
        check_equal(name, "the shape of pos_weight", tuple(pos_weight.shape), last, logits=logits)
        factor = wide(pos_weight).reshape((1,) * (logits.ndim - pos_weight.ndim) + pos_weight.shape)
        loss = (1 - z) * negative + z * positive * factor
    return rounded(mean_per_example(_weighted(loss, weights, where), where), logits)


def mean_label_entropy(logits: Array, labels: Array) -> Array:
    """`label_entropy`, averaged over every axis but the first, in the dtype of the logits."""
    return rounded(guarded(_plain_mean_entropy, _mean_entropy, logits, labels), logits)


def _plain_mean_entropy(logits: Array, labels: Array) -> Array:
    return plain_mean(_finite_entropy(wide(logits), wide(labels)))


def _mean_entropy(logits: Array, labels: Array) -> Array:
    return mean_per_example(label_entropy(wide(logits), wide(labels)), None)


@jax.custom_jvp
def label_entropy(x: Array, z: Array) -> Array:
    """`-z log σ(x) - (1 - z) log σ(-x)`; an infinite logit counts as the largest finite one."""
    # Bounded in here, or the bounded logits would be kept for the backward pass, which has no need of them.
    return _finite_entropy(finite(x), z)


label_entropy.defjvps(
    lambda tangent, _, x, z: tangent * excess(x, z),
    lambda tangent, _, x, z: tangent * -finite(x),
)


@jax.custom_jvp
def _finite_entropy(x: Array, z: Array) -> Array:
    # The difference is exact for a label of 0 and of 1: nothing cancels where the answer is nearly right.
    return jnp.maximum(x, 0) - x * z + jnp.log1p(jnp.exp(-jnp.abs(x)))


_finite_entropy.defjvps(
    lambda tangent, _, x, z: tangent * excess(x, z),
    lambda tangent, _, x, z: tangent * -x,
)


@jax.custom_jvp
def excess(x: Array, z: Array) -> Array:
    """`σ(x) - z`, exact in both tails: for labels of 0 and 1 it never is the difference of two numbers near 1."""
    smaller = jax.nn.sigmoid(-jnp.abs(x))
    # Compared with 0, as `max(x, 0)` in the value is, XLA:CPU would write an array of zeros for both.
    return jnp.where(jnp.sign(x) == 1, (1 - z) - smaller, smaller - z)


excess.defjvps(
    lambda tangent, _, x, z: tangent * (jax.nn.sigmoid(x) * jax.nn.sigmoid(-x)),
    lambda tangent, _, x, z: -tangent,
)


def binary_cross_entropy_from_probabilities(
    probabilities: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    weights: Float[Array, "*shape"] | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Cross entropy of independent yes/no labels, from probabilities; `(N, ...)` to `(N,)`.

    `mean(-z log p - (1 - z) log(1 - p))` over every axis but the first, each logarithm at least -100, as in PyTorch's
    `binary_cross_entropy`. The derivative of a logarithm is taken as `1 / max(p, 1e-12)` (float16: `1.6e-5`), so it
    does not vanish where the logarithm is cut off and is finite at 0. A probability outside [0, 1] is an error, and NaN
    where it is traced and its value not known. `weights` are factors of the elements, before the mean.

    Prefer `binary_cross_entropy`: a sigmoid in float32 is exactly 1 from 17 on, and has no gradient left there.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or a probability is not in [0, 1].

    >>> loss = binary_cross_entropy_from_probabilities(jnp.array([0.5, 1.0, 0.0]), jnp.array([1.0, 1.0, 1.0]))
    >>> [round(v, 4) for v in loss.tolist()]
    [0.6931, -0.0, 100.0]
    """
    name = "binary_cross_entropy_from_probabilities"
    check_same_shape(name, where, probabilities=probabilities, labels=labels, weights=weights)
    check_probabilities(name, where, probabilities=probabilities)
    p, z = wide(probabilities), wide(labels)
    if where is not None:
        p, z = jnp.where(where, p, 0.5), jnp.where(where, z, 0)
    # The largest derivative that the argument's own dtype can hold.
    least = max(1e-12, 1 / float(jnp.finfo(probabilities.dtype).max))
    loss = -(z * clamped_log(p, least) + (1 - z) * clamped_log(1 - p, least))
    if weights is None and where is None:  # at most 100 each: their sum is finite
        return rounded(plain_mean(loss), probabilities)
    return rounded(mean_per_example(_weighted(loss, weights, where), where), probabilities)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def clamped_log(p: Array, least: float) -> Array:
    """`max(log p, -100)` with derivative `1 / max(p, least)`, finite and not 0 where the logarithm is cut off."""
    return jnp.maximum(jnp.log(p), -100)


@clamped_log.defjvp
def _clamped_log_jvp(least: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (p,), (dp,) = primals, tangents
    return clamped_log(p, least), dp / jnp.maximum(p, least)


def sigmoid_focal_loss(
    logits: Float[Array, "*shape"],
    labels: Float[Array, "*shape"],
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    where: Bool[Array, "*shape"] | None = None,
) -> Float[Array, "..."]:
    """Binary cross entropy that well classified entries add little to; `(N, ...)` to `(N,)`, arXiv:1708.02002.

    `mean(a (1 - q)^γ (-z log p - (1 - z) log(1 - p)))` over every axis but the first, where `p = σ(x)` and
    `q = z p + (1 - z)(1 - p)` is the probability of the right answer; `a = α z + (1 - α)(1 - z)`, or 1 where `alpha` is
    `None`. With `gamma=0` it is the plain cross entropy. torchvision's default is `alpha=0.25`; optax's is `None`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, `gamma` is negative, or `alpha` is not in [0, 1].

    >>> loss = sigmoid_focal_loss(jnp.array([0.0, 4.0, -jnp.inf]), jnp.array([1.0, 1.0, 0.0]))
    >>> [round(v, 6) for v in loss.tolist()]
    [0.173287, 6e-06, 0.0]
    """
    name = "sigmoid_focal_loss"
    check_same_shape(name, where, logits=logits, labels=labels)
    check_within(name, "gamma", gamma, 0)
    if alpha is not None:
        check_within(name, "alpha", alpha, 0, 1)
    options = {"gamma": static(gamma), "alpha": None if alpha is None else static(alpha)}
    if where is None:
        loss = guarded(_plain_mean_focal, _mean_focal, logits, labels, shared=True, **options)
    else:
        loss = _mean_focal(logits, labels, where=where, **options)
    return rounded(loss, logits)


def _plain_mean_focal(logits: Array, labels: Array, *, gamma: float, alpha: float | None) -> Array:
    x, z = wide(logits), wide(labels)
    return plain_mean(_balanced(_finite_focal(x, z, gamma), z, alpha))


def _mean_focal(
    logits: Array, labels: Array, *, gamma: float, alpha: float | None, where: Array | None = None
) -> Array:
    x, z = wide(logits), wide(labels)
    if where is not None:
        x, z = jnp.where(where, x, 0), jnp.where(where, z, 0)
    return mean_per_example(_balanced(focal(x, z, gamma), z, alpha), where)


def _balanced(loss: Array, z: Array, alpha: float | None) -> Array:
    return loss if alpha is None else loss * (alpha * z + (1 - alpha) * (1 - z))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def focal(x: Array, z: Array, gamma: float) -> Array:
    """`(1 - q)^γ` times the cross entropy of logits `x` and labels `z`; finite, with its derivatives, at ±inf too."""
    return _finite_focal(finite(x), z, gamma)


def _finite_focal(x: Array, z: Array, gamma: float) -> Array:
    # Two sigmoids here, since XLA:CPU fuses the choices in `_sigmoids` into no sum.
    return _power(z * jax.nn.sigmoid(-x) + (1 - z) * jax.nn.sigmoid(x), gamma) * _finite_entropy(x, z)


@partial(focal.defjvp, symbolic_zeros=True)
def _focal_jvp(gamma: float, primals: tuple[Array, Array], tangents: Any) -> tuple[Array, Array]:
    x, z = finite(primals[0]), primals[1]
    p, n = _sigmoids(x)
    wrong = z * n + (1 - z) * p
    entropy, weight, slope = _finite_entropy(x, z), _power(wrong, gamma), gamma * _power(wrong, gamma - 1)
    by_logits, by_labels = tangents
    change = jnp.zeros_like(entropy)
    if not isinstance(by_logits, SymbolicZero):
        # The weight's derivative is 0 beyond ±100; bounded, the entropy leaves it that in the backward pass as well.
        change = slope * (1 - 2 * z) * (p * n) * at_most(entropy, 2.0**20) + weight * excess(x, z)
        change = change * by_logits
    if not isinstance(by_labels, SymbolicZero):
        change = change + by_labels * (slope * (n - p) * entropy - weight * x)
    return weight * entropy, change


@jax.custom_jvp
def _sigmoids(x: Array) -> tuple[Array, Array]:
    """`σ(x)` and `σ(-x)` for one exponential and one division."""
    small = jnp.exp(-jnp.abs(x))
    larger = 1 / (1 + small)
    smaller = small * larger
    return jnp.where(x > 0, larger, smaller), jnp.where(x > 0, smaller, larger)


@_sigmoids.defjvp
def _sigmoids_jvp(primals: tuple[Array], tangents: tuple[Array]) -> Any:
    p, n = _sigmoids(*primals)
    change = tangents[0] * (p * n)
    return (p, n), (change, -change)


def _power(wrong: Array, exponent: float) -> Array:
    """`wrong^exponent` for a probability. Below `eps²` it stays as it is there, or the derivatives of a power below 2
    would be infinite at 0; the cross entropy beside it is as small, so that nothing is lost."""
    whole = int(exponent) if float(exponent).is_integer() else exponent  # those are products, which are faster
    return jnp.maximum(wrong, float(jnp.finfo(wrong.dtype).eps) ** 2) ** whole


def _weighted(loss: Array, weights: Array | None, where: Array | None) -> Array:
    if weights is None:
        return loss
    return loss * wide(weights if where is None else jnp.where(where, weights, 0))
