"""Splits and folds: every example once, classes in proportion, and what cannot be split."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxml import data

LABELS = st.lists(st.integers(8, 40), min_size=1, max_size=4).map(
    lambda counts: np.repeat(np.arange(len(counts)), counts)
)
FRACTIONS = st.lists(st.integers(2, 9), min_size=1, max_size=4).map(lambda parts: tuple(p / sum(parts) for p in parts))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(y=LABELS, fractions=FRACTIONS, seed=st.integers(0, 99))
def test_stratified_split(y, fractions, seed):
    parts = data.split(len(y), fractions=fractions, stratify=y, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(y)))
    for part, fraction in zip(parts, fractions, strict=True):
        for label in set(y.tolist()):
            assert abs((y[part] == label).sum() - (y == label).sum() * fraction) < 1 + 1e-9
        assert abs(len(part) - len(y) * fraction) < 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(20, 300), fractions=FRACTIONS, shuffle=st.booleans())
def test_split(n, fractions, shuffle):
    parts = data.split(n, fractions=fractions, shuffle=shuffle)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert all(abs(len(p) - n * f) < 1 for p, f in zip(parts, fractions, strict=True))
    if not shuffle:
        assert np.concatenate(parts).tolist() == list(range(n))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(y=LABELS, k=st.integers(2, 8), how=st.sampled_from(["stratify", "shuffle", "neither"]))
def test_k_fold(y, k, how):
    options = {"stratify": {"stratify": y}, "shuffle": {}, "neither": {"shuffle": False}}[how]
    folds = list(data.k_fold(len(y), k=k, **options))
    assert sorted(np.concatenate([valid for _, valid in folds]).tolist()) == list(range(len(y)))
    assert {len(valid) for _, valid in folds} <= {len(y) // k, -(-len(y) // k)}
    for train, valid in folds:
        assert sorted([*train, *valid]) == list(range(len(y)))
        if how == "stratify":
            for label in set(y.tolist()):
                assert abs((y[valid] == label).sum() - (y == label).sum() / k) < 1


def test_seed_decides():
    first, again, other = (data.split(50, seed=s)[0].tolist() for s in (1, 1, 2))
    assert first == again != other
    assert first != sorted(first)
    folds = [[v.tolist() for _, v in data.k_fold(50, seed=s)] for s in (1, 1, 2)]
    assert folds[0] == folds[1] != folds[2]


def test_forms_are_kept():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    for form in (x, jnp.asarray(x), (x, y), {"a": y, "b": y + 1}, data.Dataset({"a": x}, y), [*range(10)]):
        a, b = data.split(form, fractions=(0.7, 0.3))
        (train, valid), *_ = data.k_fold(form, k=2)
        for part in (a, b, train, valid):
            assert type(part) is (np.ndarray if isinstance(form, list) else type(form))
    a, _ = data.split((x, y), fractions=(0.7, 0.3))
    np.testing.assert_array_equal(a[0], x[a[1]])
    d = data.split(data.Dataset(x, y, class_names=("u",), task="classification"))[2]
    assert d.class_names == ("u",) and len(d) == 1 and len(jax.tree.leaves(d)) == 2
    assert len(data.Dataset(x).take([0, 3])) == 2


N = np.arange(9)
Y = np.array([0] * 7 + [1] * 2)
ERRORS = [
    (lambda: data.split(9, fractions=(0.5, 0.4)), r"split: fractions must be above 0 and sum to 1, got .* \(sum 0.9\)"),
    (lambda: data.split(9, fractions=(1.0, 0.0)), "split: fractions must be above 0"),
    (lambda: data.split(9, fractions=()), "split: fractions must be above 0"),
    (lambda: data.split(9, fractions=(0.5, float("nan"))), "split: fractions must be above 0"),
    (lambda: data.split(3), "split: the part of fraction 0.1 would be empty with 3 examples"),
    (lambda: data.split(9, stratify=Y), "split: class 1 must have at least as many .* parts of fractions, got 2 and 3"),
    (lambda: data.split(9, stratify=Y[:8]), r"split: the shape of stratify must be \(9,\), got \(8,\)"),
    (lambda: data.split(9, stratify=Y, shuffle=False), "split: stratify needs shuffle=True"),
    (lambda: data.split(0), "split: data must have at least one example, got 0"),
    (lambda: data.split(np.float32(1.0)), "split: data must have an axis of examples"),
    (lambda: data.split(()), "split: data must hold at least one array"),
    (lambda: data.split((N, N[:5])), "split: all parts must have the same number of examples, got 0: 9, 1: 5"),
    (lambda: data.split({"a": N, "b": N[:5]}), "split: all parts must have the same number .* got a: 9, b: 5"),
    (lambda: data.k_fold(9, k=1), "k_fold: k must lie between 2 and the number of examples, 9, got 1"),
    (lambda: data.k_fold(9, k=10), "k_fold: k must lie between 2 and the number of examples, 9, got 10"),
    (lambda: data.k_fold(N, k=3, stratify=Y), "k_fold: class 1 must have at least as many .* folds, got 2 and 3"),
    (lambda: data.k_fold(N, k=3, stratify=Y, shuffle=False), "k_fold: stratify needs shuffle=True"),
]  # fmt: skip


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_error(case):
    f, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        f()
