"""Costs as text, 80 columns wide."""

from collections.abc import Iterator, Sequence
from typing import Any

WIDTH = 80
SHOWN = 20  # rows of a table; the rest is summed up in one line
COLUMNS = ("MACs", "FLOPs", "transc.", "bytes", "share")
CONVENTION = "one MAC is 2 FLOPs; transcendentals are no FLOPs; bytes before fusion"


def quantity(n: float) -> str:
    """Four digits and a unit: 568.7 M; integers below 10,000 stand as they are."""
    if abs(n) < 10_000:
        return f"{n:.0f}"
    for unit in ("k", "M", "G", "T", "P", "E"):
        n /= 1000
        if abs(n) < 999.95 or unit == "E":
            break
    return f"{n:.{3 - len(str(int(abs(n))))}f} {unit}" if abs(n) < 1000 else f"{n:.3g} {unit}"


def cost_text(cost: Any) -> str:
    """The totals, then a table by primitive and one by scope, then what is missing."""
    lines = [*_totals(cost), f"({CONVENTION})"]
    for title, rows in _tables(cost):
        lines += ["", f"{title:<30}" + "".join(f"{name:>10}" for name in COLUMNS)]
        lines += [f"{_cut(name, 30):<30}" + "".join(f"{cell:>10}" for cell in cells) for name, cells in rows]
    return "\n".join(lines + list(missing(cost)))


def for_rich(text: str) -> str:
    """Text that rich prints as it is: a bracket would be read as the name of a style."""
    return text.replace("[", r"\[")


def _totals(cost: Any) -> Iterator[str]:
    rows = [
        ("MACs", cost.macs, "multiply-adds"),
        ("FLOPs", cost.flops, f"2 for each MAC and {quantity(cost.other)} others"),
        ("transcendentals", cost.transcendentals, "exp, log, tanh, sqrt ..."),
        ("bytes", cost.bytes, f"{cost.intensity:.2f} FLOPs a byte"),
        ("activations", cost.activations, "written by products and convolutions"),
    ]
    if cost.params is not None:
        rows.append(("parameters", cost.params, ""))
    for name, value, note in rows:
        yield f"{name:<16}{value:>22,}  {note}".rstrip()


def _tables(cost: Any) -> Iterator[tuple[str, list[tuple[str, Sequence[str]]]]]:
    """Title and rows; the costliest primitive first, scopes in the order of the program."""
    primitives = sorted(cost.by_primitive.items(), key=lambda item: (-item[1].flops, -item[1].bytes))
    scopes = list(cost.by_scope.items())
    for title, items in (("primitive", primitives), ("scope", scopes)):
        rows = [(name, _cells(part, cost)) for name, part in items[:SHOWN]]
        if title == "primitive" and len(items) > SHOWN:
            rows.append((f"{len(items) - SHOWN} more", _cells(sum(part for _, part in items[SHOWN:]), cost)))
        elif len(items) > SHOWN:
            rows.append((f"... {len(items) - SHOWN} more in .by_scope", ("",) * len(COLUMNS)))
        if rows:
            yield title, rows


def _cells(part: Any, whole: Any) -> Sequence[str]:
    share = f"{100 * part.flops / whole.flops:.1f} %" if whole.flops else ""
    return (*map(quantity, (part.macs, part.flops, part.transcendentals, part.bytes)), share)


def missing(cost: Any) -> Iterator[str]:
    if cost.uncounted:
        yield ""
        yield "NOT COUNTED, so that all of the above are lower bounds:"
        yield from (f"  {name}: {reason}" for name, reason in cost.uncounted.items())


def _cut(text: str, width: int) -> str:
    """The end of a long path says more than its beginning."""
    return text if len(text) < width else "…" + text[-(width - 2) :]
