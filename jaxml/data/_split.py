"""Parts of a data set: training, validation and test, and the folds of a cross-validation."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxml.data._dataset import length, take
from jaxml.functional._checks import check_equal


def split(
    data: Any,
    *,
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1),
    stratify: Any = None,
    shuffle: bool = True,
    seed: int = 0,
) -> tuple[Any, ...]:
    """Cut `data` at random into parts of the given `fractions`; every example is in exactly one.

    data: a Dataset, an array, a dictionary of columns, a tuple of these such as `(x, y)`, or the number of examples;
        the parts have the same form, and for a number are arrays of positions.
    stratify: labels (N,); each class is then divided by the fractions, its count in a part within one of exact.
    shuffle: False leaves the order as it is and cuts it: for series in time.
    seed: the same seed gives the same parts, on every machine.

    Errors: ValueError for fractions that are not positive or do not sum to 1, a part that would be empty, a class with
    fewer examples than there are parts, labels of another length, or stratify with shuffle=False.

    >>> [part.tolist() for part in split(5, fractions=(0.6, 0.4), shuffle=False)]
    [[0, 1, 2], [3, 4]]
    """
    n, labels = _counted("split", data, stratify, shuffle)
    shares = np.asarray(fractions, np.float64)
    if (
        shares.ndim != 1
        or len(shares) == 0
        or not (shares > 0).all()
        or not math.isclose(shares.sum(), 1, abs_tol=1e-6)
    ):
        raise ValueError(f"split: fractions must be above 0 and sum to 1, got {fractions} (sum {shares.sum():.6g})")
    members = _members("split", labels, len(shares), "parts of fractions")
    counts = _apportion([len(m) for m in members], shares)
    for share, size in zip(fractions, counts.sum(axis=0), strict=True):
        if size == 0:
            raise ValueError(f"split: the part of fraction {share} would be empty with {n} examples; make it larger")
    random = np.random.default_rng(seed)
    cuts = [
        np.split(random.permutation(m) if shuffle else m, np.cumsum(c)[:-1])
        for m, c in zip(members, counts, strict=True)
    ]
    parts = [np.concatenate(part) for part in zip(*cuts, strict=True)]
    return tuple(_part(data, random.permutation(p) if shuffle else p) for p in parts)


def k_fold(
    data: Any, *, k: int = 5, stratify: Any = None, shuffle: bool = True, seed: int = 0
) -> Iterator[tuple[Any, Any]]:
    """The `k` pairs (training, validation) of a cross-validation; every example is validated on exactly once.

    `data`, `stratify`, `shuffle` and `seed` as in `split`. The folds' sizes differ by one at most, and so does every
    class's count in them with `stratify`.

    Errors: ValueError for k below 2 or above the number of examples, a class with fewer than k examples, labels of
    another length, or stratify with shuffle=False. At the call, not when the first pair is taken.

    >>> [valid.tolist() for train, valid in k_fold(5, k=2, shuffle=False)]
    [[0, 1, 2], [3, 4]]
    """
    n, labels = _counted("k_fold", data, stratify, shuffle)
    if not 2 <= k <= n:
        raise ValueError(f"k_fold: k must lie between 2 and the number of examples, {n}, got {k}")
    members = _members("k_fold", labels, k, "folds")
    random = np.random.default_rng(seed)
    if shuffle:
        # Dealt out like cards, class by class: neighbours of one class go to different folds.
        fold_of = np.empty(n, np.int64)
        fold_of[np.concatenate([random.permutation(m) for m in members])] = random.permutation(k)[np.arange(n) % k]
    else:
        fold_of = np.repeat(np.arange(k), [n // k + (fold < n % k) for fold in range(k)])
    order = random.permutation(n) if shuffle else np.arange(n)
    fold_of = fold_of[order]
    return ((_part(data, order[fold_of != f]), _part(data, order[fold_of == f])) for f in range(k))


def _counted(function: str, data: Any, stratify: Any, shuffle: bool) -> tuple[int, np.ndarray]:
    n = int(data) if isinstance(data, int | np.integer) else length(function, data)
    if n < 1:
        raise ValueError(f"{function}: data must have at least one example, got {n}")
    if stratify is None:
        return n, np.zeros(n, np.int64)
    if not shuffle:
        raise ValueError(f"{function}: stratify needs shuffle=True: the order cannot stay as it is")
    labels = np.asarray(stratify)
    check_equal(function, "the shape of stratify", labels.shape, (n,))
    return n, labels


def _members(function: str, labels: np.ndarray, parts: int, what: str) -> list[np.ndarray]:
    """The positions of each class's examples."""
    classes, of = np.unique(labels, return_inverse=True)
    members = [np.flatnonzero(of == c) for c in range(len(classes))]
    if len(classes) > 1:
        for name, positions in zip(classes.tolist(), members, strict=True):
            if len(positions) < parts:
                raise ValueError(
                    f"{function}: class {name!r} must have at least as many examples as there are {what}, got "
                    f"{len(positions)} and {parts}; leave it out, or do not stratify"
                )
    return members


def _apportion(sizes: list[int], shares: np.ndarray) -> np.ndarray:
    """(classes, parts): whole numbers that sum to `sizes`, each within one of `size * share`.

    Each class gives every part the whole examples due to it; those left over go one each to the parts that lack most
    over all classes so far.
    """
    counts = np.zeros((len(sizes), len(shares)), np.int64)
    due = np.zeros(len(shares))
    for c, size in enumerate(sizes):
        exact = np.round(size * shares / shares.sum(), 9)
        counts[c] = np.floor(exact)
        due += exact
        left = size - counts[c].sum()
        lack = np.where(exact > counts[c], due - counts[: c + 1].sum(axis=0), -np.inf)
        counts[c, np.argsort(-lack, kind="stable")[:left]] += 1
    return counts


def _part(data: Any, index: np.ndarray) -> Any:
    return index if isinstance(data, int | np.integer) else take(data, index)
