"""The device's ceilings, which every floor is drawn from."""

from typing import Any

from benchmarks._settings import DTYPES, Settings
from benchmarks._tables import count
from jaxml import flops

MADE_UP = "made up for a tiny run"


def probe(settings: Settings) -> flops.Ceilings:
    """Measured in every dtype, since rows are not all of the run's; a tiny run has no time for it."""
    if settings.size == "tiny":
        return flops.Ceilings(MADE_UP, dict.fromkeys(DTYPES, 1e12), {2**20: 1e12})
    return flops.ceilings(DTYPES)


def line(ceilings: dict[str, Any]) -> str:
    """One line of a report's ceilings: FLOP/s in each dtype, bytes/s at best and of the largest working set."""
    found = flops.Ceilings.from_dict(ceilings)
    rates = ", ".join(f"{count(rate)}FLOP/s in {dtype}" for dtype, rate in found.flops.items())
    best, largest = max(found.bandwidth.values()), found.bandwidth_at(max(found.bandwidth))
    return f"{rates}; {count(best)}B/s at best, {count(largest)}B/s from memory ({found.device})"
