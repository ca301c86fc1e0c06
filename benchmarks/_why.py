"""Why is it not faster? A speed-up taken apart into what the operations, the memory and the program contribute.

slow / fast  =  saving        the ratio of their MACs
              x allowed/saving  what the roofline leaves of it: the ratio of their floors
              x share_fast/share_slow  how near each comes to its own floor
"""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks._results import Row
from benchmarks._tables import MISSING, Table, percent, times

NEAR = 0.9  # of the saving: all of it, as far as can be measured here
CAPTION = (
    "saving: of MACs. roof allows: ratio of the floors. of roof: floor / time. faster = roof allows * sep of roof / "
    "std of roof. Limited by memory: the separable form's bytes set its floor, and no program could gain that back; by "
    "the roof: likewise, in some of its layers; by the program: it is farther from its floor than the standard form; "
    "by nothing: all of the saving became time."
)


@dataclass(frozen=True)
class Why:
    """Two forms of one job: MAC saving, ratio of floors, what bounds the fast form, share of the roof of each."""

    saving: float
    allowed: float
    bound: str
    fast: float
    slow: float

    @property
    def speedup(self) -> float:
        """Ratio of the medians: of the same rounds as the paired speed-up, and near it."""
        return self.allowed * self.fast / self.slow

    def reason(self) -> str:
        """The larger of the two losses, in a word."""
        if self.speedup >= NEAR * self.saving:
            return "nothing"
        by_floor, by_program = self.saving / self.allowed, self.slow / self.fast
        if by_program > by_floor:
            return "program"
        return "memory" if self.bound == "memory" else "roof"


def why(row: Row, what: str, fast: str, slow: str) -> Why | None:
    """The parts of `fast`'s speed-up over `slow`; None where one was not timed, or without floors."""
    quick, other = (row.times.get(f"{what}.{who}") for who in (fast, slow))
    if quick is None or other is None or not quick.floor or not other.floor or "saving" not in row.facts:
        return None
    shares = quick.floor / quick.median, other.floor / other.median
    return Why(row.facts["saving"], other.floor / quick.floor, quick.bound or "", *shares)


def table(rows: Iterable[Row], whats: Iterable[tuple[str, str]], *, fast: str = "separable", slow: str = "standard"):
    """A line for each row and direction; `whats` are `(key, title)` pairs. None where there is nothing to say."""
    cells = []
    for row in rows:
        for what, title in whats:
            parts = why(row, what, fast, slow)
            if parts is not None:
                name = f"{row.name} {title}".strip()
                factors = (times(parts.saving), times(parts.allowed), percent(parts.slow), percent(parts.fast))
                cells.append([name, *factors, times(parts.speedup), parts.reason()])
            elif row.notes and not row.times:
                cells.append([row.name, *[MISSING] * 5, row.notes[0]])
    if not cells:
        return []
    columns = ("", "saving", "roof allows", "std of roof", "sep of roof", "faster", "limited by")
    return [Table("Why is it not faster?", columns, cells, CAPTION)]
