"""Losses of a batch of embeddings against itself, and margins on angles; the rules are told in `_losses.py`.

Embeddings are `(N, D)` and compared by their cosine, which is 0 for a zero vector. `where` is `(N,)` and leaves
examples out altogether, as partners of others too.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_above, check_equal, check_float, check_rank, check_within
from jaxml.functional._classes import at_labels, check_labels, chosen
from jaxml.functional._distances import check_vectors, unit
from jaxml.functional._dtypes import wide
from jaxml.functional._explicit import along
from jaxml.functional._per_example import rounded
from jaxml.functional._softmax import check_where

EPS = 1e-8  # the smallest norm, that of `cosine_similarity`


def info_nce_loss(
    queries: Float[Array, "N D"],
    keys: Float[Array, "N D"],
    *,
    temperature: float | Float[Array, ""] = 0.07,
    where: Bool[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Find the key of each query among all keys: `-log softmax_j(cos(q_i, k_j) / temperature)_i`; `(N, D)` to `(N,)`.

    CLIP's loss is the mean of this one and of that with the two exchanged. It learns the temperature, arXiv:2103.00020,
    which may be traced: one that is not positive can then not be told, and gives NaN. N² D MACs. arXiv:1807.03748; the
    default temperature is MoCo's, arXiv:1911.05722.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes that do not fit, or `temperature` is not positive.

    >>> loss = info_nce_loss(jnp.eye(2), jnp.eye(2), temperature=1.0)
    >>> [round(v, 4) for v in loss.tolist()]
    [0.3133, 0.3133]
    """
    name = "info_nce_loss"
    _check_batch(name, where, queries=queries, keys=keys)
    number, learned = _temperature(name, temperature)

    def loss(q: Array, k: Array, where: Array | None, learned: Array | None) -> Array:
        counts = None if where is None else where[:, None] & where[None]
        logits = _logits(q @ k.T, number, learned)
        return _cross_entropy(logits, jnp.arange(q.shape[0], dtype=jnp.int32), counts, where)

    return rounded(along(queries, loss, *_units(where, queries, keys), where, learned), queries)


def nt_xent_loss(
    x1: Float[Array, "N D"],
    x2: Float[Array, "N D"],
    *,
    temperature: float | Float[Array, ""] = 0.5,
    where: Bool[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """SimCLR's loss of two views of each example: each is to find the other among all; `(N, D)` to `(N,)`.

    `-log softmax(cos / temperature)` over all 2 N views but itself, averaged over the two. The temperature may be
    traced, as in `info_nce_loss`. 4 N² D MACs. arXiv:2002.05709.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or a `where` that is not boolean.
        ValueError: shapes that do not fit, or `temperature` is not positive.

    >>> loss = nt_xent_loss(jnp.eye(2), jnp.eye(2), temperature=1.0)
    >>> [round(v, 4) for v in loss.tolist()]
    [0.5514, 0.5514]
    """
    name = "nt_xent_loss"
    _check_batch(name, where, x1=x1, x2=x2)
    number, learned = _temperature(name, temperature)

    def loss(x1: Array, x2: Array, where: Array | None, learned: Array | None) -> Array:
        views, n = jnp.concatenate([x1, x2]), x1.shape[0]
        counts, both = ~_diagonal(2 * n), None
        if where is not None:
            both = jnp.concatenate([where, where])
            counts = counts & both[:, None] & both[None]
        partners = jnp.roll(jnp.arange(2 * n, dtype=jnp.int32), n)
        loss = _cross_entropy(_logits(views @ views.T, number, learned), partners, counts, both)
        return (loss[:n] + loss[n:]) / 2

    return rounded(along(x1, loss, *_units(where, x1, x2), where, learned), x1)


def circle_loss(
    embeddings: Float[Array, "N D"],
    labels: Integer[Array, " N"],
    *,
    margin: float = 0.4,
    scale: float = 80.0,
    where: Bool[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Circle loss of each example, `softplus(lse_n(s α_n (c_n - m)) + lse_p(-s α_p (c_p - 1 + m)))`.

    `c` are the cosines to the other examples of its label (p) and to those of other labels (n), `lse` the logarithm of
    the sum of exponentials, `α_p = max(0, 1 + m - c_p)` and `α_n = max(0, c_n + m)` weights that are constants in the
    derivative, as in the paper (Keras differentiates them). `(N, D)` and `(N,)` give `(N,)`. An example without a
    partner of both kinds costs 0. N² D MACs. arXiv:2002.10857.

    Raises:
        TypeError: embeddings that are not floating point, labels that are not integers, a `where` that is not boolean.
        ValueError: shapes that do not fit, `margin` is not strictly between 0 and 1, or `scale` is not positive.

    >>> x = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> [round(v, 4) for v in circle_loss(x, jnp.array([0, 0, 1]), scale=8.0).tolist()]
    [0.0745, 0.0745, 0.0]
    """
    name = "circle_loss"
    _check_batch(name, where, embeddings=embeddings)
    check_labels(name, labels)
    check_equal(name, "the shape of labels", labels.shape, embeddings.shape[:1], embeddings=embeddings, labels=labels)
    check_above(name, "margin", margin, 0, 1)
    check_above(name, "scale", scale, 0)

    def loss(x: Array, labels: Array, where: Array | None) -> Array:
        cos = x @ x.T
        fixed = jax.lax.stop_gradient(cos)
        same = labels[:, None] == labels[None]
        counts = jnp.ones_like(same) if where is None else where[:, None] & where[None]
        positive, negative = same & counts & ~_diagonal(x.shape[0]), ~same & counts
        pull = -scale * jnp.maximum(1 + margin - fixed, 0) * (cos - (1 - margin))
        push = scale * jnp.maximum(fixed + margin, 0) * (cos - margin)
        (near, some_near), (far, some_far) = _logsumexp(pull, positive), _logsumexp(push, negative)
        return jnp.where(some_near & some_far, jax.nn.softplus(near + far), 0)

    return rounded(along(embeddings, loss, *_units(where, embeddings), labels, where), embeddings)


def arcface_logits(
    cosines: Float[Array, "*positions C"],
    labels: Integer[Array, "*positions"],
    *,
    margin: float = 0.5,
    scale: float = 64.0,
    eps: float = 1e-6,
) -> Float[Array, "*positions C"]:
    """Logits `scale cos(θ + margin [c = label])` of classes at angles θ, given as `cos θ`; any shape `(..., C)`.

    A softmax cross entropy on them is ArcFace, arXiv:1801.07698. Beyond `θ = π - margin`, where the cosine would rise
    again, it goes on as `cos θ - margin sin margin`. `(sin θ)²` counts as at least `eps`: its root has no derivative at
    0. A label that is no class has no margin: -1 passes the cosines on.

    Raises:
        TypeError: cosines that are not floating point, or labels that are not integers.
        ValueError: shapes that do not fit, `margin` outside [0, π), `scale` or `eps` is not positive.

    >>> logits = arcface_logits(jnp.array([[0.6, 0.8]]), jnp.array([1]), margin=0.5, scale=10.0)
    >>> [round(v, 4) for v in logits[0].tolist()]
    [6.0, 4.1441]
    """
    name = "arcface_logits"
    check_float(name, cosines=cosines)
    check_labels(name, labels)
    if cosines.ndim == 0:
        raise ValueError(f"{name}: cosines must have at least 1 axis (..., C), got 0 (cosines: ())")
    check_equal(name, "the shape of labels", labels.shape, cosines.shape[:-1], cosines=cosines, labels=labels)
    check_within(name, "margin", margin, 0, math.pi)
    check_above(name, "scale", scale, 0)
    check_above(name, "eps", eps, 0)
    c = wide(cosines)
    square = 1 - jnp.square(c)
    sine = jnp.sqrt(jnp.where(square > eps, square, eps))
    moved = jnp.where(
        c > math.cos(math.pi - margin), c * math.cos(margin) - sine * math.sin(margin), c - margin * math.sin(margin)
    )
    own = chosen(labels.astype(jnp.int32), c.shape, labels.ndim)
    return (scale * jnp.where(own, moved, c)).astype(cosines.dtype)


def _check_batch(name: str, where: Array | None, **arrays: Array) -> None:
    check_vectors(name, **arrays)
    check_where(name, where)
    for what, x in arrays.items():
        check_rank(name, what, x, 2, "(N, D)")
        if where is not None:
            check_equal(name, "the shape of where", where.shape, x.shape[:1], **{what: x, "where": where})


def _units(where: Array | None, *arrays: Array) -> list[Array]:
    """The directions, in the wide dtype, of examples that count."""
    return [unit(wide(x) if where is None else jnp.where(where[:, None], wide(x), 0), -1, 2, EPS) for x in arrays]


def _temperature(name: str, temperature: float | Array) -> tuple[float, Array | None]:
    """The temperature as a number, checked, or as the array that it is; the other is 1 or `None`."""
    if not isinstance(temperature, jax.Array | np.ndarray):
        check_above(name, "temperature", temperature, 0)
        return temperature, None
    check_float(name, temperature=temperature)
    check_rank(name, "temperature", temperature, 0, "()")
    if not isinstance(temperature, Tracer):
        check_above(name, "temperature", float(temperature), 0)
    return 1.0, jnp.asarray(temperature)


def _diagonal(n: int) -> Array:
    """Not `jnp.eye`, whose size may be no symbol."""
    i = jnp.arange(n, dtype=jnp.int32)
    return i[:, None] == i[None]


def _logits(cosines: Array, number: float, learned: Array | None) -> Array:
    """`cosines / temperature`. Cosines are at most 1: but for a tiny temperature nothing is beyond the dtype."""
    least = 4 / float(jnp.finfo(cosines.dtype).max)
    if learned is None:
        return cosines / jnp.maximum(number, least)
    learned = learned.astype(cosines.dtype)
    return cosines / jnp.where(learned > 0, jnp.maximum(learned, least), jnp.nan)


def _cross_entropy(logits: Array, own: Array, counts: Array | None, rows: Array | None) -> Array:
    """`-log softmax(logits)` of the entry of each row that `own` names, over those that count; 0 where the row does
    not."""
    limit = jnp.finfo(logits.dtype)
    others = ~chosen(own, logits.shape, 1)
    rest = jnp.where(others if counts is None else others & counts, logits, limit.min)
    right = at_labels(logits, own, 1)
    top = jax.lax.stop_gradient(jnp.maximum(jnp.max(rest, -1), right))
    # The sum of exponentials less 1, which it is near for a right answer: a loss near 0 keeps its digits.
    over = jnp.sum(jnp.exp(rest - top[:, None]), -1) + jnp.expm1(right - top)
    loss = jnp.log1p(over) + (top - right)
    return loss if rows is None else jnp.where(rows, loss, 0)


def _logsumexp(x: Array, counts: Array) -> tuple[Array, Array]:
    """Of the finite entries of each row that count, and whether there are any; without, it means nothing."""
    lowest = float(jnp.finfo(x.dtype).min)
    x = jnp.where(counts, x, lowest)
    top = jax.lax.stop_gradient(jnp.max(x, -1))
    return jnp.log(jnp.sum(jnp.exp(x - top[:, None]), -1)) + top, top > lowest
