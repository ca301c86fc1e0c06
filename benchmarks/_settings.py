"""What one run of the suites was asked to do."""

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

from jaxml import flops

DTYPES = ("float32", "bfloat16", "float16")
Size = Literal["tiny", "quick", "full"]


@dataclass(frozen=True)
class Settings:
    """`tiny` exists for the tests, `quick` is the default run, `full` is what is worth committing.

    The last three are not asked for: the device's `ceilings`, measured as the run starts; by what the batch of the row
    at hand is divided, since memory was short; and the batch sizes that this row asked for, which tell whether there is
    anything to halve.
    """

    size: Size = "quick"
    dtype: str = "float32"
    batch: int | None = None
    peers: bool = False
    seed: int = 0
    ceilings: flops.Ceilings | None = field(default=None, compare=False)
    divisor: int = field(default=1, compare=False)
    asked: list[int] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            near = get_close_matches(self.dtype, DTYPES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype}{hint}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")

    def as_dict(self) -> dict[str, Any]:
        """What was asked for, for JSON."""
        return {"size": self.size, "dtype": self.dtype, "batch": self.batch, "peers": self.peers, "seed": self.seed}

    def examples(self, *, tiny: int = 1, quick: int = 4, full: int = 8) -> int:
        """The batch size: what was asked for or a suite's own default, halved as often as memory was short."""
        wanted = self.pick(tiny=tiny, quick=quick, full=full) if self.batch is None else self.batch
        size = max(1, wanted // self.divisor)
        if self.asked is not None:
            self.asked.append(size)
        return size

    def for_row(self) -> "Settings":
        """The same for one row, which may halve its batch."""
        return replace(self, asked=[])

    def halved(self) -> "Settings":
        """The same with half the batch, for another try at the row."""
        return replace(self, asked=[], divisor=2 * self.divisor)

    @property
    def can_halve(self) -> bool:
        """Whether the row at hand asked for a batch of more than one example."""
        return self.largest > 1

    @property
    def largest(self) -> int:
        """The largest batch the row at hand asked for, 1 for none."""
        return max(self.asked or [1])

    def pick(self, *, tiny: Any, quick: Any, full: Any) -> Any:
        """The value that belongs to this run's size."""
        return {"tiny": tiny, "quick": quick, "full": full}[self.size]

    def rounds(self, patience: float = 1.0, least: float = 0.0) -> dict[str, Any]:
        """How long one comparison is timed, as options of `jaxml.timing.compare`; `patience` times as long if full, and
        then not under `least` seconds."""
        return self.pick(
            tiny={"warmup": 0, "repeats": 2, "max_seconds": 0.2},
            quick={"warmup": 0, "repeats": 9, "max_seconds": 0.6},
            full={"warmup": 2, "repeats": 25, "min_seconds": least, "max_seconds": 4.0 * patience},
        )
