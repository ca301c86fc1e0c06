"""`explain`: why XLA's figures are not jaxml's."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax

from jaxml.flops._cost import Cost
from jaxml.flops._count import check_options, traced
from jaxml.flops._errors import CountError
from jaxml.flops._explain_text import explanation_text
from jaxml.flops._rules import is_complex
from jaxml.flops._rules_elementwise import ARITHMETIC, TRANSCENDENTAL
from jaxml.flops._table import for_rich
from jaxml.flops._walk import Walker

# Primitives that become a call into LAPACK, cuSOLVER and so on, where XLA sees nothing.
LIBRARY = (
    "cholesky", "lu", "geqrf", "geqp3", "qr", "householder_product", "ormqr", "eigh", "eig", "schur", "hessenberg",
    "svd", "tridiagonal", "tridiagonal_solve", "triangular_solve", "cholesky_update", "pallas_call", "ffi_call", "fft",
)  # fmt: skip
NOTHING_BEFORE = "this backend reports nothing before it compiles"
EXAMINED_AT_MOST = 16  # kinds of equations lowered or compiled alone, to see what becomes of them


@dataclass(frozen=True)
class Gap:
    """One reason why a figure of XLA's differs: `reason` in a word, by how many `flops`, and `text` to explain it.

    stage: "lowered" for a difference that is there before XLA optimises, "compiled" for one that comes by that.
    """

    stage: str
    reason: str
    flops: int
    text: str


@dataclass(frozen=True)
class Explanation:
    """jaxml's count beside XLA's two figures, and what lies between.

    lowered, compiled: FLOPs by XLA's `cost_analysis`, before and after it optimises; None where it gives none.
    gaps: the reasons. What they leave, `unexplained(stage)`, is little before XLA optimises: conversions, folded
    constants and the like; after that, what XLA merged, removed or added.
    """

    cost: Cost
    lowered: int | None
    compiled: int | None
    gaps: tuple[Gap, ...] = ()

    def unexplained(self, stage: str) -> int | None:
        """FLOPs without a reason, in the difference from the count to `lowered`, or from that to `compiled`."""
        before = self.cost.flops if stage == "lowered" else self.lowered
        after = self.lowered if stage == "lowered" else self.compiled
        if before is None or after is None:
            return None
        return after - before - sum(gap.flops for gap in self.gaps if gap.stage == stage)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return {
            "cost": self.cost.as_dict(),
            "lowered": self.lowered,
            "compiled": self.compiled,
            "gaps": [dict(vars(gap)) for gap in self.gaps],
            "unexplained": {stage: self.unexplained(stage) for stage in ("lowered", "compiled")},
        }

    def to_json(self) -> str:
        """`as_dict` as one JSON object."""
        return json.dumps(self.as_dict())

    def __str__(self) -> str:
        return explanation_text(self)

    def __rich__(self) -> str:
        return for_rich(str(self))


def explain(
    f: Callable[..., Any],
    *args: Any,
    padding: str = "include",
    trip_count: int | None = None,
    branch: str | int = "max",
) -> Explanation:
    """jaxml's count of `f(*args)` beside the FLOPs XLA reports, and the reason for each gap between them.

    The function is compiled, though not run. So are the costliest kinds of its equations, one by one, to tell which of
    them XLA counts otherwise or rewrites: the weight gradient of a depthwise convolution becomes a dense one, say.
    Arguments and options are those of `count`.

    Errors: `CountError` as `count`, and for a function that XLA cannot compile.

    >>> x = jax.ShapeDtypeStruct((32, 32), "float32")
    >>> found = explain(lambda x: jax.lax.scan(lambda c, _: (c @ c, None), x, length=10)[0], x)
    >>> found.cost.flops, [gap.reason for gap in found.gaps]
    (655360, ['loop'])
    """
    check_options(padding=padding, trip_count=trip_count, branch=branch)
    jaxpr = traced(f, *args)

    def count(**options: Any) -> Cost:
        walker = Walker(**({"padding": padding, "branch": branch, "trip_count": trip_count} | options))
        return walker.walk(jaxpr, ())[0].cost()

    whole, once = count(), count(body_once=True)
    widest, read = count(body_once=True, branch="max"), count(body_once=True, branch="max", padding="exclude")
    lowered, program, compiled = _figures(f, *args)
    gaps = [
        Gap("lowered", "loop", once.flops - whole.flops, "XLA counts the body of a loop once, whatever its length"),
        Gap("lowered", "branch", widest.flops - once.flops, "XLA counts the costliest branch"),
        Gap("lowered", "padding", read.flops - widest.flops, "XLA leaves out the taps that read padding"),
        *_library(read, program),
        *_implementations(jaxpr, branch, program),
    ]
    if lowered is None:
        hidden = "custom_call" in program and jax.default_backend() != "gpu"
        text = "it reports nothing: the work is done by calls into a library" if hidden else NOTHING_BEFORE
        gaps.append(Gap("lowered", "no figure", 0, text))
    if compiled is None:
        gaps.append(Gap("compiled", "no figure", 0, "XLA reports nothing: the work is done by calls into a library"))
    elif lowered and abs(compiled - lowered) > 0.02 * lowered:
        gaps += _expansions(jaxpr, branch)
    return Explanation(whole, lowered, compiled, tuple(gap for gap in gaps if gap.flops or gap.reason == "no figure"))


def _figures(f: Callable[..., Any], *args: Any) -> tuple[int | None, str, int | None]:
    """FLOPs before optimisation, the program then, FLOPs after. A backend that cannot tell says None or -1."""
    try:
        lowered = (f if isinstance(f, jax.stages.Wrapped) else jax.jit(f)).lower(*args)
        compiled = lowered.compile()
    except Exception as error:
        raise CountError(f"explain: XLA cannot compile this: {type(error).__name__}: {error}") from error
    return _flops(lowered.cost_analysis()), lowered.as_text(), _flops(compiled.cost_analysis())


def _flops(analysis: Any) -> int | None:
    if analysis is None:
        return None
    flops = float(analysis.get("flops", 0.0))  # a program without any arithmetic has no such entry
    return round(flops) if flops >= 0 else None


def _library(cost: Cost, program: str) -> list[Gap]:
    """What a library does. Only where the program calls one: some platforms expand these instead."""
    return [
        Gap("lowered", "library", -part.flops, f"{name} is a call into a library, where XLA sees no FLOPs")
        for name, part in cost.by_primitive.items()
        if _is_called(name, program)
    ]


def _is_called(name: str, program: str) -> bool:
    return name in LIBRARY and "custom_call" in program and not (name == "fft" and "stablehlo.fft" in program)


def _implementations(jaxpr: Any, branch: str | int, program: str) -> list[Gap]:
    """Equations that XLA gets as other operations: jaxml's depthwise convolution, complex products, sorting, erf."""

    def wanted(eqn: Any) -> bool:
        name = eqn.primitive.name
        same = name in ARITHMETIC or name in ("dot_general", "conv_general_dilated")
        return not _is_called(name, program) and (not same or any(is_complex(v.aval) for v in eqn.invars))

    gaps = []
    for eqn, cost, times in _costliest(jaxpr, branch, wanted):
        before = _alone(eqn, compile=False)[0]
        if before is not None:
            text = f"{eqn.primitive.name} of {_shapes(eqn)} is {before:,} FLOPs as it is lowered, not {cost.flops:,}"
            gaps.append(Gap("lowered", "implementation", (before - cost.flops) * times, text))
    return gaps


def _expansions(jaxpr: Any, branch: str | int) -> list[Gap]:
    """The equations that cost more as XLA compiles them; each is compiled alone."""

    def wanted(eqn: Any) -> bool:
        name = eqn.primitive.name
        return name not in ARITHMETIC and name not in TRANSCENDENTAL and "dot_general" not in name

    gaps = []
    for eqn, _, times in _costliest(jaxpr, branch, wanted):
        before, after = _alone(eqn)
        if before and after and after > 1.05 * before:
            text = f"XLA expands {_kind(eqn)} of {_shapes(eqn)}, to {after / before:.1f} times the FLOPs"
            gaps.append(Gap("compiled", "expansion", (after - before) * times, text))
    return gaps


def _alone(eqn: Any, compile: bool = True) -> tuple[int | None, int | None]:
    """XLA's two figures for one equation; None where it cannot stand alone, such as a sum over the devices."""
    try:
        lowered = jax.jit(partial(eqn.primitive.bind, **eqn.params)).lower(*_operands(eqn))
        before = _flops(lowered.cost_analysis())
        return before, _flops(lowered.compile().cost_analysis()) if compile else None
    except Exception:
        return None, None


def _costliest(jaxpr: Any, branch: str | int, wanted: Callable[[Any], bool]) -> list[tuple[Any, Cost, int]]:
    """Equations that compute, each kind once with its cost, and how often there is one like it; the costliest first."""
    found: dict[str, tuple[Any, Cost, int]] = {}

    def work(cost: Cost) -> int:
        return cost.flops + cost.transcendentals

    def see(eqn: Any, cost: Cost) -> None:
        if work(cost) and wanted(eqn):
            key = str((eqn.primitive.name, [str(v.aval) for v in eqn.invars], sorted(map(str, eqn.params.items()))))
            found[key] = eqn, cost, found[key][2] + 1 if key in found else 1

    Walker(branch=branch, body_once=True, padding="exclude", on_equation=see).walk(jaxpr, ())
    return sorted(found.values(), key=lambda item: -work(item[1]) * item[2])[:EXAMINED_AT_MOST]


def _operands(eqn: Any) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]


def _shapes(eqn: Any) -> str:
    return " with ".join(f"{a.dtype}{list(a.shape)}" for a in _operands(eqn))


def _kind(eqn: Any) -> str:
    """A name for a convolution that says what is special about it."""
    p = eqn.params
    if p.get("batch_group_count", 1) > 1:
        return "the weight gradient of a grouped convolution (it becomes a dense one)"
    if p.get("feature_group_count", 1) > 1:
        return "a grouped convolution"
    return eqn.primitive.name
