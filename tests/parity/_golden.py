"""PyTorch's results in float64 on the first draws of every claim, in one compressed file."""

from pathlib import Path

import numpy as np

from ._claim import Claim, run_theirs

PATH = Path(__file__).with_name("golden.npz")
DRAWS = 2


def make(claims: list[Claim]) -> dict[str, np.ndarray]:
    arrays = {}
    for claim in claims:
        for seed in range(DRAWS):
            options, inputs = claim.draw(seed)
            for kind, results in zip(("value", "gradient"), run_theirs(claim, options, inputs), strict=True):
                arrays |= {f"{claim}/{seed}/{kind}/{i}": a for i, a in enumerate(results)}
    return arrays


def save(claims: list[Claim]) -> None:
    np.savez_compressed(PATH, **make(claims))


def load() -> dict[str, np.ndarray]:
    with np.load(PATH, allow_pickle=False) as file:
        return dict(file)


def of(golden: dict[str, np.ndarray], claim: Claim, seed: int, kind: str) -> list[np.ndarray]:
    """The arrays of one draw, in order."""
    start = f"{claim}/{seed}/{kind}/"
    return [golden[f"{start}{i}"] for i in range(sum(key.startswith(start) for key in golden))]
