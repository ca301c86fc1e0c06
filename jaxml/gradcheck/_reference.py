"""The gradient against autodiff of a reference: element by element, without differences."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxml.gradcheck._consistency import Consistency
from jaxml.gradcheck._errors import CheckError
from jaxml.gradcheck._finding import Finding, compare
from jaxml.gradcheck._function import Scope, real_call
from jaxml.gradcheck._leaves import Leaves
from jaxml.gradcheck._point import Point, wide
from jaxml.gradcheck._probe import Probe

METHOD = "reference"
KINKS = 16  # disagreeing elements of one leaf that may be looked at with differences


def check_same_outputs(f: Callable[..., Any], reference: Callable[..., Any], leaves: Leaves) -> None:
    """The same tree with the same shapes, or a `CheckError` that names the first output that differs."""

    def described(g: Callable[..., Any]) -> dict[str, tuple[int, ...]]:
        def outputs(xs: list[Any]) -> Any:
            real_call(lambda *args: kept.append(g(*args)) or kept[-1], leaves)(xs)
            return jax.tree.map(lambda y: jax.numpy.asarray(y), kept.pop())

        kept: list[Any] = []
        xs = leaves.reals(leaves.native_dtypes())
        with Scope(x64=False)():
            try:
                out = jax.eval_shape(outputs, xs)
            except Exception:
                kept.clear()
                out = outputs(jax.tree.map(jax.numpy.asarray, xs))
        flat, _ = jax.tree_util.tree_flatten_with_path(out)
        return {"out" + jax.tree_util.keystr(path): tuple(y.shape) for path, y in flat}

    ours, theirs = described(f), described(reference)
    if ours.keys() != theirs.keys():
        only = next(path for path in [*ours, *theirs] if path not in ours or path not in theirs)
        who = "f" if only in ours else "the reference"
        raise CheckError(f"check: f and the reference return different trees: only {who} returns {only}")
    for path, shape in ours.items():
        if shape != theirs[path]:
            raise CheckError(f"check: {path} has shape {shape} from f and {theirs[path]} from the reference")


def against_reference(point: Point, reference: Point, tools: Consistency, kinks: Consistency) -> list[Finding]:
    """`tools` belong to the reference and give the tolerances; `kinks` is of `f`."""
    different = _values(point, reference, tools)
    if different:
        return [Finding(k, "wrong", "value", different) for k in range(len(point.xs))]
    found = []
    reason = "autodiff of the reference gives another gradient"
    for k, (g, want, t) in enumerate(zip(point.wide_gs, reference.wide_gs, tools.tolerances, strict=True)):
        tolerance = t + 1e-9 * np.where(np.isfinite(want), np.abs(want), 0)
        one = compare(k, g, want, np.maximum(tolerance, kinks.tolerances[k]), METHOD, reason)
        found.append(_perhaps_kink(point, one, g, want, tolerance) if one.verdict == "wrong" else one)
    return found


def unsettled(point: Point, reference: Point) -> list[int]:
    """The leaves where the two gradients are not the same to 9 digits, element by element.

    Tolerances are measured by moving the arguments a little, which at a kink leaves it: the gradient then leaps, and
    any value would pass. They also know the largest entry of a leaf better than entries much smaller.
    """
    found = []
    with np.errstate(all="ignore"):
        for k, (g, want) in enumerate(zip(point.wide_gs, reference.wide_gs, strict=True)):
            size = np.where(np.isfinite(want), np.abs(want), 0)
            if np.any(np.abs(g - want) > 1e-9 * size + 1e-14 * np.max(size, initial=0)):
                found.append(k)
    return found


def _values(point: Point, reference: Point, tools: Consistency) -> str:
    beside = point.function.outputs(tools.beside)
    for number, (y, w, b) in enumerate(zip(point.ys, reference.ys, beside, strict=True)):
        y, w = wide(y), wide(w)
        with np.errstate(all="ignore"):
            spread = np.nan_to_num(np.abs(wide(b) - y), nan=0, posinf=0)
            slack = max(1e-10, 1e3 * max(point.precision, reference.precision))
            top = np.max(np.abs(w), where=np.isfinite(w), initial=0)
        one = compare(0, y, w, 16 * spread + slack * top, "value", "")
        if one.verdict != "ok":
            return f"output {number} of f is not the reference's: {one.got:.9g} and {one.want:.9g} at one element"
    return ""


def _perhaps_kink(point: Point, one: Finding, g: Any, want: Any, tolerance: Any) -> Finding:
    """At a kink both may have chosen: what lies between the one-sided slopes is not wrong."""
    error = np.abs(g - want)
    places = np.flatnonzero(~(error <= tolerance))
    if places.size > KINKS:
        return one
    probe = Probe(point, one.leaf, np.random.default_rng(0))
    looked = [probe.single(int(i)) for i in places]
    if all(f.verdict == "kink" for f in looked):
        return replace(looked[0], reason=looked[0].reason + "; the reference has another slope between them")
    return one
