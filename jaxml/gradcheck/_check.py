"""`check`: the evidence gathered, strongest first, and one verdict made of it for every leaf."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxml.gradcheck._errors import CheckError
from jaxml.gradcheck._evidence import Evidence
from jaxml.gradcheck._finding import Finding, worst
from jaxml.gradcheck._leaves import Leaves, split
from jaxml.gradcheck._report import GradReport, LeafReport

MODES = ("fwd", "rev")


def check(
    f: Callable[..., Any],
    *args: Any,
    reference: Callable[..., Any] | None = None,
    order: int = 1,
    modes: Sequence[str] = MODES,
    seed: int = 0,
    directions: int = 2,
    elements: int = 64,
    name: str | None = None,
) -> GradReport:
    """Verify the gradient of `f` at `args`, any pytrees: a verdict for every floating leaf. A wrong one raises nothing.

    Integers, booleans, keys, `None` and whatever is no array are passed on and listed as skipped. Truth is sought in
    float64: against autodiff of the reference where there is one, else against differences with an error estimate.

    reference: a plain differentiable function of the same arguments, with the same outputs.
    order: 2 checks the derivative of the gradient as well.
    modes: "rev" for the pull-back (always used), "fwd" to compare it with the push-forward.
    seed: of all random draws; the same seed gives the same directions.
    directions: random directions through each leaf.
    elements: how many elements of a leaf are examined one by one; all of a leaf that has no more.
    name: what the report calls `f`.

    Raises:
        CheckError: the check could not run: nothing floating among the arguments or outputs, `f` or the reference
            raises, their outputs differ in tree or shape, an option is impossible.

    >>> import jax.numpy as jnp
    >>> check(lambda x: jnp.sum(jnp.sin(x)), jnp.ones(3)).verdict
    'ok'
    """
    if order not in (1, 2):
        raise CheckError(f"check: order must be 1 or 2, got {order!r}")
    if not set(modes) <= set(MODES) or "rev" not in modes:
        raise CheckError(f"check: modes must be ('rev',) or ('fwd', 'rev'), got {modes!r}")
    if directions < 1 or elements < 1:
        raise CheckError(f"check: directions and elements must be at least 1, got {directions} and {elements}")
    leaves = split(args)
    evidence = Evidence(leaves, f, reference, "fwd" in modes, seed, directions, elements)
    evidence.gather(order)
    reports = [_leaf_report(leaves, k, n, evidence) for n in range(1, order + 1) for k in range(len(leaves.leaves))]
    reports += [LeafReport(s.path, "skipped", s.dtype, s.shape, reason=s.reason) for s in leaves.skipped]
    shown = name or getattr(f, "__name__", None) or type(f).__name__
    return GradReport(shown, tuple(reports), tuple(dict.fromkeys(evidence.notes)), order, seed)


def _leaf_report(leaves: Leaves, k: int, order: int, evidence: Evidence) -> LeafReport:
    leaf = leaves.leaves[k]
    mine = [f for f in evidence.findings[order] if f.leaf == k]
    found = worst(mine) if mine else Finding(k, "inconclusive", "", "the first derivative could not be judged")
    index, reason = None, found.reason
    if others := sorted({f.method for f in mine if f.verdict == found.verdict == "wrong"} - {found.method}):
        reason = "; ".join(filter(None, [reason, f"also by: {', '.join(others)}"]))
    if found.flat is not None:
        shape = leaf.value.shape + ((2,) if leaf.complex else ())
        index = tuple(int(i) for i in np.unravel_index(found.flat, shape))
        if leaf.complex:
            part = "along the imaginary axis" if index[-1] else "along the real axis"
            index, reason = index[:-1], f"{reason}; {part}" if reason else part
    size = math.prod(leaf.value.shape) * (2 if leaf.complex else 1)
    return LeafReport(
        path=leaf.path,
        verdict=found.verdict,
        dtype=str(leaf.value.dtype),
        shape=leaf.value.shape,
        order=order,
        index=index,
        got=found.got,
        want=found.want,
        error=found.error,
        tolerance=found.tolerance,
        method=found.method,
        reason=reason,
        dead=(order, k) in evidence.dead,
        probed=evidence.probed.get((order, k), 0) / size,
    )
