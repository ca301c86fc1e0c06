"""Explanations as text."""

import textwrap
from collections.abc import Iterator
from typing import Any

from jaxml.flops._table import WIDTH


def _rows(found: Any) -> Iterator[tuple[str, str, str]]:
    """What, how many FLOPs, and the reason."""
    yield "jaxml", f"{found.cost.flops:,}", f"{found.cost.macs:,} MACs, and {found.cost.other:,} other operations"
    for stage in ("lowered", "compiled"):
        for gap in found.gaps:
            if gap.stage == stage:
                yield f"  {gap.reason}", f"{gap.flops:+,}", gap.text
        rest = found.unexplained(stage)
        if rest:
            yield "  unexplained", f"{rest:+,}", _REST[stage]
        total = getattr(found, stage)
        yield f"XLA {stage}", "none" if total is None else f"{total:,}", _STAGE[stage]


_STAGE = {"lowered": "cost_analysis before XLA optimises", "compiled": "cost_analysis of the program that runs"}
_REST = {"lowered": "conversions, folded constants and the like", "compiled": "merged, removed or added operations"}


def explanation_text(found: Any) -> str:
    lines = [f"{'':<16}{'FLOPs':>20}"]
    for name, flops, reason in _rows(found):
        first, *more = textwrap.wrap(reason, WIDTH - 38) or [""]
        lines += [f"{name:<16}{flops:>20}  {first}".rstrip(), *(" " * 38 + line for line in more)]
    lines += [f"NOT COUNTED  {name}: {reason}" for name, reason in found.cost.uncounted.items()]
    return "\n".join(lines)
