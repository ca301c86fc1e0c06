"""How far one distribution is from another."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_equal, check_flags, check_probabilities
from jaxml.functional._classes import class_axis, without
from jaxml.functional._dtypes import wide
from jaxml.functional._kinks import above_zero, absolute, at_least
from jaxml.functional._per_example import check_same_shape, mean_per_example, rounded
from jaxml.functional._softmax import check_where, finite


def kl_divergence(
    log_predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    log_targets: bool = False,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Kullback-Leibler divergence `Σ_i t_i (log t_i - q_i)` along `axis` of targets `t` from log probabilities `q`.

    `(N, C)` gives `(N,)`, whose mean is PyTorch's `"batchmean"` of `kl_div`; of the axes that remain without `axis`,
    every one but the first is averaged. With `log_targets`, `targets` holds `log t`. `where` has the shape without
    `axis`. A target that is 0 costs nothing; one that the predictions exclude costs the largest number of the dtype.

    The derivatives are `-t` and `log t + 1 - q`; that by a target of 0, -inf in the limit, is taken to be `-q`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, `axis` does not exist or is empty, or a probability is not in [0, 1] (unless it is
            traced: its value is not known then).

    >>> round(kl_divergence(jnp.log(jnp.array([[0.5, 0.5]])), jnp.array([[1.0, 0.0]])).item(), 4)
    0.6931
    """
    name = "kl_divergence"
    check_flags(name, log_targets=log_targets)
    axis = _checked(name, axis, where, log_predictions=log_predictions, targets=targets)
    q, t = _kept(wide(log_predictions), axis, where), _kept(wide(targets), axis, where)
    if not log_targets:
        check_probabilities(name, None if where is None else jnp.expand_dims(where, axis), targets=targets)
    if log_targets:
        log_t = finite(t)
        terms = jnp.exp(log_t) * (log_t - finite(q))
    else:
        terms = _relative_entropy(t, q)
    return rounded(mean_per_example(jnp.sum(terms, axis), where), log_predictions)


@jax.custom_jvp
def _relative_entropy(t: Array, q: Array) -> Array:
    """`t (log t - q)`, 0 where t is; its derivative there, -inf in the limit, is `-q`. An infinite q is finite."""
    return t * _excess(t, q)


_relative_entropy.defjvps(
    lambda tangent, _, t, q: tangent * jnp.where(t == 0, -finite(q), _excess(t, q) + 1),
    lambda tangent, _, t, q: tangent * -t,
)


def _excess(t: Array, q: Array) -> Array:
    # The smallest number is nothing beside any other, and its logarithm times 0 is 0. Value and derivative share the
    # difference, one array.
    return jnp.log(t + float(jnp.finfo(t.dtype).tiny)) - finite(q)


def js_divergence(
    log_p: Float[Array, "*shape"],
    log_q: Float[Array, "*shape"],
    *,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Jensen-Shannon divergence of two distributions, from log probabilities: the mean of both's KL from their mean.

    `½ Σ_i p_i log(p_i / m_i) + ½ Σ_i q_i log(q_i / m_i)` along `axis` with `m = (p + q) / 2`: symmetric, between 0 and
    log 2, and finite with finite gradients where a probability is 0. `(N, C)` gives `(N,)`; axes and `where` are as in
    `kl_divergence`. The square root of it is a metric, `scipy.spatial.distance.jensenshannon`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, or `axis` does not exist or is empty.

    >>> round(js_divergence(jnp.array([[0.0, -jnp.inf]]), jnp.array([[-jnp.inf, 0.0]])).item(), 4)
    0.6931
    """
    name = "js_divergence"
    axis = _checked(name, axis, where, log_p=log_p, log_q=log_q)
    # Their difference is finite then, and a probability of exp(-max / 2) is none.
    lowest = float(jnp.finfo(wide(log_p).dtype).min) / 2
    p, q = (_kept(at_least(wide(x), lowest), axis, where) for x in (log_p, log_q))
    return rounded(mean_per_example(jnp.sum(mutual_entropy(p, q), axis) / 2, where), log_p)


@jax.custom_jvp
def mutual_entropy(p: Array, q: Array) -> Array:
    """`exp(p) log(p / m) + exp(q) log(q / m)` for `m = (p + q) / 2`, of log probabilities that are finite.

    With the larger of the two probabilities `l` and their quotient `r <= 1` it is `l ((1 + r) log(2 / (1 + r)) + r log
    r)`. Its derivative by p is the first term, by q the second one: those of the logarithms cancel.
    """
    distance = _distance(p, q)
    r = jnp.exp(-distance)
    return jnp.exp(jnp.maximum(p, q)) * ((1 + r) * _log_of_two_over_one_plus(r) - distance * r)


@mutual_entropy.defjvp
def _mutual_entropy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    from_p, from_q = _parts(*primals)
    return from_p + from_q, from_p * tangents[0] + from_q * tangents[1]


def _parts(p: Array, q: Array) -> tuple[Array, Array]:
    share = _log_of_two_over_one_plus(jnp.exp(-_distance(p, q)))
    return jnp.exp(p) * (share - above_zero(q - p)), jnp.exp(q) * (share - above_zero(p - q))


def _distance(p: Array, q: Array) -> Array:
    return jnp.minimum(absolute(p - q), float(jnp.finfo(p.dtype).max))


def _log_of_two_over_one_plus(r: Array) -> Array:
    return jnp.log(jnp.asarray(2, r.dtype)) - jnp.log1p(r)


def wasserstein_loss(
    predictions: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    *,
    axis: int = -1,
    where: Bool[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Earth mover's distance of probabilities over ordered classes, `Σ_{i < C} |Σ_{j <= i} (p_j - t_j)|` along `axis`.

    The mass times the number of classes that it has to be moved, so that the class next to the right one costs 1 and
    one far off costs more; `(N, C)` gives `(N,)`; axes and `where` are as in `kl_divergence`. Both must sum to 1, so
    the last inner sum, 0 but for rounding, is left out. At a kink, where one is 0, its derivative is 0.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes differ, `axis` does not exist or is empty, or a probability is not in [0, 1] (unless it is
            traced: its value is not known then).

    >>> wasserstein_loss(jnp.array([[0.0, 0.5, 0.5]]), jnp.array([[1.0, 0.0, 0.0]])).tolist()
    [1.5]
    """
    axis = _checked("wasserstein_loss", axis, where, predictions=predictions, targets=targets)
    kept = None if where is None else jnp.expand_dims(where, axis)
    check_probabilities("wasserstein_loss", kept, predictions=predictions, targets=targets)
    difference = _kept(wide(predictions), axis, where) - _kept(wide(targets), axis, where)
    moved = jnp.cumsum(jax.lax.slice_in_dim(difference, 0, -1, axis=axis), axis)
    return rounded(mean_per_example(jnp.sum(absolute(moved), axis), where), predictions)


def _checked(name: str, axis: int, where: Array | None, **pair: Array) -> int:
    check_same_shape(name, None, **pair)
    check_where(name, where)
    ((first_name, first), _) = pair.items()
    axis = class_axis(name, axis, **{first_name: first})
    if where is not None:
        want = without(first.shape, axis)
        check_equal(name, "the shape of where", tuple(where.shape), want, **{first_name: first}, where=where)
    return axis


def _kept(x: Array, axis: int, where: Array | None) -> Array:
    return x if where is None else jnp.where(jnp.expand_dims(where, axis), x, 0)
