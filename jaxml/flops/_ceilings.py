"""What a device can do at best: FLOP/s of a matrix product, bytes/s of a copy."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import jax.numpy as jnp


@dataclass(frozen=True)
class Ceilings:
    """The roofs of one device, measured by `flops.ceilings` or given.

    device: its kind, and of a CPU the number of cores.
    flops: FLOP/s that a large matrix product reaches, 2 for each MAC, by the name of the dtype.
    bandwidth: bytes/s, read plus written, of a copy-like pass, by the size of its working set in bytes.

    Errors: `ValueError` for a roof that is missing, or that is no positive number.

    >>> roofs = Ceilings("example", {"float32": 2e11}, {10**6: 1e11, 10**8: 2e10})
    >>> roofs.rate("float32"), roofs.bandwidth_at(10**9)
    (200000000000.0, 20000000000.0)
    """

    device: str
    flops: Mapping[str, float]
    bandwidth: Mapping[int, float]

    def __post_init__(self) -> None:
        for name, roofs in (("flops", self.flops), ("bandwidth", self.bandwidth)):
            if not roofs:
                raise ValueError(f"Ceilings: {name} must hold at least one roof, got none")
            for key, value in roofs.items():
                if not (math.isfinite(value) and value > 0):
                    raise ValueError(f"Ceilings: {name} must be positive and finite, got {value} at {key}")
        for nbytes in self.bandwidth:
            if nbytes <= 0:
                raise ValueError(f"Ceilings: a working set must have at least one byte, got {nbytes}")

    def rate(self, dtype: Any) -> float:
        """FLOP/s of products of this dtype, a name or a dtype. `ValueError` where there is no such roof."""
        name = name_of("Ceilings.rate", dtype)
        if name not in self.flops:
            raise ValueError(
                f"Ceilings.rate: no roof for {name} on {self.device} (there are: {', '.join(sorted(self.flops))})"
            )
        return self.flops[name]

    def bandwidth_at(self, nbytes: float) -> float:
        """Bytes/s for a working set of `nbytes`: logarithmic between two measured sizes, the last one beyond them."""
        sizes = sorted(self.bandwidth)
        if nbytes <= sizes[0]:
            return self.bandwidth[sizes[0]]
        for low, high in itertools.pairwise(sizes):
            if nbytes <= high:
                part = math.log(nbytes / low) / math.log(high / low)
                return self.bandwidth[low] ** (1 - part) * self.bandwidth[high] ** part
        return self.bandwidth[sizes[-1]]

    def as_dict(self) -> dict[str, Any]:
        """Everything for JSON, where keys are strings."""
        bandwidth = {str(nbytes): self.bandwidth[nbytes] for nbytes in sorted(self.bandwidth)}
        return {"device": self.device, "flops": dict(self.flops), "bandwidth": bandwidth}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> "Ceilings":
        """What `as_dict` gave. `ValueError` names what is missing."""
        if missing := [name for name in ("device", "flops", "bandwidth") if name not in d]:
            raise ValueError(f"Ceilings.from_dict: no {', '.join(missing)} in it")
        return cls(d["device"], dict(d["flops"]), {int(nbytes): value for nbytes, value in d["bandwidth"].items()})


def name_of(caller: str, dtype: Any) -> str:
    """The name of a dtype; `ValueError` for what is none."""
    try:
        return jnp.dtype(dtype).name
    except TypeError as error:
        near = get_close_matches(str(dtype), ("float16", "bfloat16", "float32", "float64", "int8"), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{caller}: no dtype is called {dtype!r}{hint}") from error
