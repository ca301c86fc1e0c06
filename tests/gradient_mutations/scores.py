"""The scores of the checkers: all verdicts, kept in a file as they come, and the page of the docs made of them."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jax

from benchmarks import _device

from .case import LOW, Case
from .peers import CHECKERS, NO_REFERENCE, Verdict, judge

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gradcheck-scores.md"
FACTORS = {"factor", "one leaf", "one element", "structure", "scale"}
TITLES = {
    "jaxml": "`jaxml.gradcheck`",
    "jaxml, reference=": "the same with `reference=`",
    "check_grads": "`jax.test_util.check_grads`",
    "chex": "`chex.assert_numerical_grads`",
    "torch": "`torch.autograd.gradcheck`",
}


def load(path: Path | None) -> dict[tuple[str, str], Verdict]:
    """The verdicts of an earlier, perhaps interrupted run; one JSON object a line."""
    if path is None or not path.exists():
        return {}
    found = [Verdict(**json.loads(line)) for line in path.read_text().splitlines()]
    return {(verdict.case, verdict.checker): verdict for verdict in found}


def run(
    cases: Sequence[Case],
    checkers: Iterable[str],
    known: dict[tuple[str, str], Verdict],
    record: Path | None,
    tell: Callable[[Case, str], None],
) -> list[Verdict]:
    """All verdicts, those that are known already taken as they are and each new one written to `record` at once."""
    verdicts = []
    for number, case in enumerate(cases):
        for checker in checkers:
            tell(case, checker)
            verdict = known.get((case.name, checker))
            if verdict is None:
                verdict = judge(checker, case)
                if record is not None:
                    with record.open("a") as file:
                        file.write(json.dumps(asdict(verdict)) + "\n")
            verdicts.append(verdict)
        if number % 50 == 49:
            jax.clear_caches()  # a thousand compiled programs are much memory
    return verdicts


def row_of(case: Case) -> str:
    """The row of the table a case counts in."""
    if not case.mutant:
        return case.group
    if case.group in FACTORS:
        return f"factor of 1.01 or more, {case.dtype}"
    return case.group


def table(cases: Sequence[Case], verdicts: Sequence[Verdict], *, mutants: bool) -> list[str]:
    """A Markdown table: what each checker got right of what it could judge, by row, inconclusive ones beside."""
    of = {case.name: row_of(case) for case in cases if case.mutant == mutants}
    checkers = list(dict.fromkeys(verdict.checker for verdict in verdicts))
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        if verdict.case in of:
            for row in (of[verdict.case], "**all**"):
                counts[row, verdict.checker][verdict.outcome] += 1
    rows = Counter(of.values())
    head = "wrong gradients" if mutants else "right gradients"
    lines = [
        f"| {head} | cases | {' | '.join(TITLES[checker] for checker in checkers)} |",
        "|---|--:|" + "--:|" * len(checkers),
    ]
    for row, total in [*rows.items(), ("**all**", len(of))]:
        cells = [_cell(counts[row, checker], "caught" if mutants else "cleared") for checker in checkers]
        lines.append(f"| {row} | {total} | {' | '.join(cells)} |")
    return lines


def _cell(count: Counter[str], good: str) -> str:
    """`12 of 14`; the rest of those judged were got wrong, but for the inconclusive."""
    judged = sum(count.values()) - count["not applicable"]
    if not judged:
        return "–"
    unsure = f" ({count['inconclusive']} inconclusive)" if count["inconclusive"] else ""
    return f"{count[good]} of {judged}{unsure}"


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """One line a checker: the totals, and the time it took."""
    lines = [
        "| checker | mutants found | missed | right cleared | false alarms | inconclusive | not judged | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    outcomes = ("caught", "missed", "cleared", "accused", "inconclusive", "not applicable")
    for checker in CHECKERS:
        mine = [v for v in verdicts if v.checker == checker]
        if mine:
            count = Counter(v.outcome for v in mine)
            numbers = [*(str(count[o]) for o in outcomes), f"{sum(v.seconds for v in mine):.0f}"]
            lines.append(f"| {TITLES[checker]} | {' | '.join(numbers)} |")
    return lines


def failures(verdicts: Sequence[Verdict], checker: str) -> list[str]:
    """By name: what a checker missed, accused, left undecided or could not run."""
    lines = []
    for outcome, title in [
        ("missed", "Wrong gradients it missed"),
        ("accused", "Right gradients it called wrong"),
        ("inconclusive", "Undecided"),
        ("not applicable", "Could not be run"),
    ]:
        found = [v for v in verdicts if (v.checker, v.outcome) == (checker, outcome) and v.note != NO_REFERENCE]
        lines += [f"**{title}: {len(found)}**", ""]
        lines += [f"- `{v.case}`" + (f": {_plain(v.note)}" if v.note else "") for v in found] + [""] * bool(found)
    return lines


def _plain(note: str) -> str:
    return f"`{note.replace('`', chr(39))}`"


def page(cases: Sequence[Case], verdicts: Sequence[Verdict], kept: int = 0) -> str:
    """The page of the docs; `kept` of the verdicts come from earlier runs, perhaps of other versions."""
    device = _device.describe(peers=True)
    versions = {name: device["versions"][name] for name in ("jax", "jaxlib", "numpy", "torch")}
    versions["chex"] = version("chex")
    mutants = sum(case.mutant for case in cases)
    half = sum(case.dtype in LOW for case in cases)
    earlier = (
        f"\n**{kept} of the {len(verdicts)} verdicts were kept from earlier runs, perhaps of other commits.**"
        if kept
        else ""
    )
    text = f"""# The scores of gradient checkers

{mutants} gradients that were broken on purpose and {len(cases) - mutants} that are right but hard, of 1 to 10^6
elements, {half} of them in low precision, and what each checker says of them with its default options. Every mutant is
proved wrong, and every right one right, by tests that use none of the checkers (`tests/test_mutations.py`).

Made by `python -m tests.gradient_mutations` on {datetime.now(UTC):%Y-%m-%d} on {_device.line(device)};
commit {device["commit"]}; {", ".join(map(" ".join, versions.items()))}.{earlier}

* `check_grads` and `chex` run in the modes the rule allows: reverse only for a `custom_vjp`. A case they crash on
  (integer arguments, say) counts as one they could not judge.
* PyTorch's `gradcheck` sees the JAX function through a bridge, in float64: real functions of at most 128 inputs.
* In low precision a checker that calls everything wrong finds every mutant: see the right ones beside it. Errors of up
  to 8 ULPs count as rounding to jaxml, so that row is not one it is meant to find.
* None of the peers knows `stop_gradient`, which no difference of values shows; chex makes ones of it.
* "The same with `reference=`" gives jaxml the plain function too, where there is one.
* An inconclusive verdict is neither: nothing was found wrong, nothing was proved.

## Totals
"""
    parts = [text, *summary(verdicts), "", "## Wrong gradients: how many were found", ""]
    parts += [*table(cases, verdicts, mutants=True), "", "## Right gradients: how many were cleared", ""]
    parts += [*table(cases, verdicts, mutants=False), ""]
    for checker in ("jaxml", "jaxml, reference="):
        if any(verdict.checker == checker for verdict in verdicts):
            parts += [f"## What {TITLES[checker]} did not get right", "", *failures(verdicts, checker), ""]
    return "\n".join(parts).rstrip() + "\n"


def write(text: str, path: Path = PAGE) -> None:
    """The page in place of the old one, at once and as a whole."""
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    os.replace(draft, path)
