"""What one run of the suites was asked to do."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

DTYPES = ("float32", "bfloat16", "float16")
Size = Literal["tiny", "quick", "full"]


@dataclass(frozen=True)
class Settings:
    """`tiny` exists for the tests, `quick` is the default run, `full` is what is worth committing."""

    size: Size = "quick"
    dtype: str = "float32"
    batch: int | None = None
    peers: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            near = get_close_matches(self.dtype, DTYPES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype}{hint}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")

    def examples(self, *, quick: int = 4, full: int = 8) -> int:
        """The batch size: what was asked for, or a suite's own default."""
        return self.pick(tiny=1, quick=quick, full=full) if self.batch is None else self.batch

    def pick(self, *, tiny: Any, quick: Any, full: Any) -> Any:
        """The value that belongs to this run's size."""
        return {"tiny": tiny, "quick": quick, "full": full}[self.size]

    def rounds(self, patience: float = 1.0) -> dict[str, Any]:
        """How long one comparison is timed, as options of `jaxml.timing.compare`; `patience` times as long if full."""
        return self.pick(
            tiny={"warmup": 0, "repeats": 2, "max_seconds": 0.2},
            quick={"warmup": 0, "repeats": 9, "max_seconds": 0.6},
            full={"warmup": 2, "repeats": 25, "max_seconds": 4.0 * patience},
        )
