"""The mutation suite: its cases are what they claim to be, and jaxml's checker finds the wrong ones and no other.

`python -m tests.gradient_mutations` lets every checker judge all cases; here a share of them is judged by jaxml's.
"""

from collections import Counter

import pytest
from gradient_mutations import CORRECT, MUTANTS, Case, evidence, mutations
from gradient_mutations.peers import judge

from jaxml import gradcheck

LARGE = 100_000  # elements; compiling is what takes long below that


def share(cases: list[Case], every: int, large: int) -> list[Case]:
    """Every so manyth case of each group, the first included, and a few of the large ones."""
    seen: Counter[str] = Counter()
    chosen = []
    for case in cases:
        kind = "large" if case.size >= LARGE else f"{case.group} {case.dtype}"
        if seen[kind] < large if kind == "large" else seen[kind] % every == 0:
            chosen.append(case)
        seen[kind] += 1
    return chosen


def distinct(cases: list[Case]) -> list[Case]:
    """One case of those that differ in dtype alone, all being checked in float64; of the plainest ones, one size."""
    chosen = {}
    for case in cases:
        dtype = case.dtype if case.where in ("low precision", "dtype") else ""
        size = 0 if case.group in ("factor", "right rule") else case.size
        chosen.setdefault((case.f, size, case.order, dtype), case)
    return list(chosen.values())


@pytest.mark.slow
@pytest.mark.parametrize("case", distinct(MUTANTS), ids=str)
def test_mutant_is_wrong(case):
    evidence.check_mutant(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", distinct(CORRECT), ids=str)
def test_correct_case_is_right(case):
    evidence.check_correct(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", share([case for case in MUTANTS if "to 8 ULPs" not in case.group], 12, 1), ids=str)
def test_mutant_is_found(case):
    verdict = judge("jaxml", case)
    assert verdict.outcome == "caught", verdict


@pytest.mark.slow
@pytest.mark.parametrize("case", share(CORRECT, 16, 1), ids=str)
def test_correct_case_is_not_accused(case):
    verdict = judge("jaxml", case)
    assert verdict.outcome in ("cleared", "inconclusive"), verdict


def test_the_suite_is_as_large_as_promised():
    names = [case.name for case in [*MUTANTS, *CORRECT]]
    assert len(set(names)) == len(names)
    assert len(CORRECT) >= len(MUTANTS) >= 150
    assert {1, 7, 100, 10_000, 1_000_000} <= {case.size for case in MUTANTS} & {case.size for case in CORRECT}
    assert {case.kind for case in MUTANTS} == {"vjp", "jvp", "plain"}
    assert all(case.mutant for case in MUTANTS) and not any(case.mutant for case in CORRECT)


@pytest.mark.parametrize(
    ("base", "mutation", "n", "path", "index"),
    [
        ("mlp", mutations.zero(1), 5, "args[0]['b2']", None),
        ("mlp", mutations.zero(2), 5, "args[0]['w1']", None),
        ("linear", mutations.element("middle", 2, 1), 3, "args[1]", (1, 1)),
        ("scaled_sin", mutations.factor(1.01, 0), 7, "args[0]['scale']", ()),
        ("sin", mutations.element("middle", 1.01), 100, "args[0]", (50,)),
        ("sin", mutations.element("last", 0), 10_000, "args[0]", (9_999,)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.slow
def test_the_report_names_the_place(base, mutation, n, path, index, dtype):
    """The one leaf that is wrong, and where one element alone is, that element."""
    case = mutations.mutant("", base, mutation, n, dtype)
    with case.scope():
        report = gradcheck.check(case.f, *case.make_args())
    wrong = [leaf for leaf in report.leaves if leaf.verdict == "wrong"]
    assert [leaf.path for leaf in wrong] == [path], str(report)
    assert index is None or wrong[0].index == index, str(report)
