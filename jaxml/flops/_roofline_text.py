"""Rooflines as text, 80 columns wide."""

from typing import Any

from jaxml.flops._table import missing, quantity


def roofline_text(line: Any) -> str:
    """What bounds it, the floor, what was reached, and the counts these come from."""
    achieved = "not timed" if line.seconds is None else duration(line.seconds)
    share = "" if line.share is None else f"{100 * line.share:.1f} % of the roof"
    rows = [
        ("bound by", line.bound, "which makes the larger part of the floor"),
        ("floor", duration(line.floor), "it takes at least"),
        ("achieved", achieved, share),
        ("MACs", f"{line.cost.macs:,}", "multiply-adds"),
        ("FLOPs", f"{line.cost.flops:,}", f"2 for each MAC and {quantity(line.cost.other)} others"),
        ("bytes", f"{line.moved:,}", "moved at least, elementwise work fused away"),
        ("intensity", f"{line.intensity:.2f}", "FLOPs for each of these bytes"),
        ("dtype", line.dtype, "at whose rate it counts"),
    ]
    lines = [f"{name:<12}{value:>22}  {note}".rstrip() for name, value, note in rows]
    return "\n".join(lines + list(missing(line.cost)))


def duration(seconds: float) -> str:
    """Three digits and a unit: 1.23 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}" if seconds < 999.5 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e9:.3g} ns"
