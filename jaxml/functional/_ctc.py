"""Connectionist temporal classification: the probability of a sequence of labels, over all its alignments."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from jaxml.functional._checks import check_equal, check_float, check_rank
from jaxml.functional._classes import check_labels, log_probabilities
from jaxml.functional._explicit import along
from jaxml.functional._per_example import rounded
from jaxml.functional._softmax import check_where

# Stands for the logarithm of 0: far below that of any path, far above where sums of such overflow.
NEVER = -1e30


def ctc_loss(
    logits: Float[Array, "N T C"],
    labels: Integer[Array, "N S"],
    *,
    lengths: Integer[Array, " N"] | None = None,
    label_lengths: Integer[Array, " N"] | None = None,
    blank: int = 0,
    where: Bool[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Negative log probability of the labels, summed over all alignments; `(N, T, C)` and `(N, S)` to `(N,)`.

    An alignment gives every step a label or the `blank`; it stands for the labels that remain when repeats are merged
    and blanks removed (Graves et al. 2006). Steps from `lengths` on and labels from `label_lengths` on are padding,
    whatever they hold; without them nothing is. Logits that are log probabilities already give the same.

    Where no alignment exists (too few steps for the labels, with one more for every repeat), the loss is the largest
    number of the dtype with gradient 0; PyTorch's is inf. Leave such examples out with `where`, which makes them 0. A
    label out of range or equal to `blank` gives NaN. PyTorch's `"mean"` is `(loss / label_lengths).mean()`.

    Raises:
        TypeError: logits that are not floating point, labels or lengths that are not integers, or a `where` that is not
            boolean.
        ValueError: shapes that do not fit, no class, or a `blank` that is no class.

    >>> logits, labels = jnp.zeros((1, 2, 3)), jnp.array([[1]])  # 1 1, 1 - and - 1 of nine
    >>> round(jnp.exp(-ctc_loss(logits, labels)).item() * 9, 4)
    3.0
    """
    _check(logits, labels, lengths, label_lengths, blank, where)
    n, steps, _ = logits.shape
    labels = labels.astype(jnp.int32)
    lengths = jnp.full((n,), steps, jnp.int32) if lengths is None else lengths.astype(jnp.int32)
    label_lengths = (
        jnp.full((n,), labels.shape[1], jnp.int32) if label_lengths is None else label_lengths.astype(jnp.int32)
    )
    if where is not None:
        logits = jnp.where(where[:, None, None], logits, 0)
    log_p = jnp.maximum(log_probabilities(logits, 2, None), NEVER)
    loss = along(logits, partial(_paths, blank), log_p, labels, lengths, label_lengths)
    if where is not None:
        loss = jnp.where(where, loss, 0)
    return rounded(loss, logits)


@partial(jax.jit, static_argnums=0)  # outside of `jax.jit` each call would else compile its loop anew
def _paths(blank: int, log_p: Array, labels: Array, lengths: Array, label_lengths: Array) -> Array:
    """Minus the logarithm of the probability of all paths, from that of every class in every step."""
    (n, steps, classes), s = log_p.shape, labels.shape[1]
    real = jnp.arange(s, dtype=jnp.int32)[None, :] < label_lengths[:, None]
    bad = jnp.any(real & ((labels < 0) | (labels >= classes) | (labels == blank)), 1)
    # (T, N, ...): what each step pays for each label, and for the blank.
    places = jnp.broadcast_to(jnp.clip(labels, 0, classes - 1)[:, None, :], (n, steps, s))
    on_labels = jnp.moveaxis(jnp.take_along_axis(log_p, places, 2), 1, 0)
    on_blank = jnp.moveaxis(log_p[:, :, blank, None], 1, 0)
    running = jnp.arange(steps, dtype=jnp.int32)[:, None, None] < lengths[None, :, None]
    # A label can follow another one directly unless it repeats it.
    repeats = jnp.concatenate([jnp.ones((n, min(s, 1)), bool), labels[:, 1:] == labels[:, :-1]], 1)
    never = jnp.asarray(NEVER, log_p.dtype)

    def step(state, inputs):
        at_blank, at_label = state  # (N, S + 1) before label i, (N, S) on label i
        pay_blank, pay_label, runs = inputs
        before = jnp.concatenate([jnp.full((n, 1), never), at_label], 1)
        blank_next = jnp.logaddexp(at_blank, before) + pay_blank
        skip = jnp.where(repeats, never, before[:, :-1])
        label_next = jnp.logaddexp(jnp.logaddexp(at_label, at_blank[:, :-1]), skip) + pay_label
        # Not below `NEVER`, where a path that cannot be would go on falling.
        advanced = (jnp.maximum(blank_next, never), jnp.maximum(label_next, never))
        return jax.tree.map(lambda new, old: jnp.where(runs, new, old), advanced, state), None

    first = jnp.full((n, s + 1), never).at[:, 0].set(0)
    (at_blank, at_label), _ = jax.lax.scan(step, (first, jnp.full((n, s), never)), (on_blank, on_labels, running))
    last = jnp.arange(s + 1, dtype=jnp.int32)[None, :] == label_lengths[:, None]
    ends = jnp.concatenate([at_blank, at_label], 1)
    at_end = jnp.concatenate([last, last[:, 1:]], 1)
    total = jax.nn.logsumexp(jnp.where(at_end, ends, never), 1)
    loss = jnp.where(total > NEVER / 2, -total, jnp.finfo(log_p.dtype).max)
    return jnp.where(bad, jnp.nan, loss)


def _check(
    logits: Array,
    labels: Array,
    lengths: Array | None,
    label_lengths: Array | None,
    blank: int,
    where: Array | None,
) -> None:
    name = "ctc_loss"
    check_float(name, logits=logits)
    check_rank(name, "logits", logits, 3, "(N, T, C)")
    check_labels(name, labels)
    check_rank(name, "labels", labels, 2, "(N, S)")
    check_where(name, where)
    n, _, classes = logits.shape
    check_equal(name, "the first axis of labels", labels.shape[0], n, logits=logits, labels=labels)
    for what, array in {"lengths": lengths, "label_lengths": label_lengths}.items():
        kind = getattr(array, "dtype", type(array).__name__)
        if array is not None and (isinstance(kind, str) or not jnp.issubdtype(kind, jnp.integer)):
            raise TypeError(f"{name}: {what} must be integers, got {kind}")
    for what, array in {"lengths": lengths, "label_lengths": label_lengths, "where": where}.items():
        if array is not None:
            check_equal(name, f"the shape of {what}", tuple(array.shape), (n,), logits=logits)
    if isinstance(blank, bool) or not isinstance(blank, int) or not 0 <= blank < classes:
        raise ValueError(f"{name}: blank must be one of the {classes} classes, got {blank} (logits: {logits.shape})")
