"""What the claims are worth: each measured on many draws."""

from dataclasses import dataclass
from typing import Any

import jax

from ._claim import TOLERANCE, Claim, cast, error, run_ours, run_theirs


@dataclass(frozen=True)
class Score:
    """The largest error of values and of gradients over all draws, in units of the entry or of 1."""

    draws: int
    value: float
    gradient: float | None


def compare(claim: Claim, seed: int, dtype: str) -> tuple[float, float, dict[str, Any]]:
    """Errors of value and gradient on one draw, and the draw's options."""
    options, arrays = claim.draw(seed)
    arrays = cast(arrays, dtype)
    with jax.enable_x64(dtype == "float64"):
        got, slopes = run_ours(claim, options, arrays)
    want, want_slopes = run_theirs(claim, options, arrays)
    return error(got, want), error(slopes, want_slopes), options


def measure(claim: Claim, dtype: str, draws: int) -> Score:
    errors = [compare(claim, seed, dtype)[:2] for seed in range(draws)]
    value, gradient = (max(e[i] for e in errors) for i in (0, 1))
    return Score(draws, value, gradient if claim.differentiable else None)


def allowed(claim: Claim, dtype: str) -> float:
    return claim.tolerance.get(dtype, TOLERANCE[dtype])
