"""`python -m tests.parity [NAME...]`: measure the claims (or those of these names) against PyTorch.

Without names it also writes `golden.npz`, `docs/coverage.json` and `docs/coverage.md`.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from . import _golden, _page
from ._all import CLAIMS, ROWS
from ._measure import allowed, measure

DRAWS = 5


def main(names: list[str]) -> int:
    chosen = [claim for claim in CLAIMS if not names or claim.name in names]
    if not chosen:
        print(f"no claim has a name of {', '.join(names)}", file=sys.stderr)
        return 2
    failed = 0
    scores: dict[str, dict] = {"float64": {}, "float32": {}}
    for claim in chosen:
        for dtype, column in scores.items():
            score = measure(claim, dtype, DRAWS)
            column[str(claim)] = asdict(score)
            worst, limit = max(score.value, score.gradient or 0.0), allowed(claim, dtype)
            failed += not worst <= limit
            gradient = "" if score.gradient is None else f"{score.gradient:9.1e}"
            print(
                f"{claim!s:40} {dtype:8} {score.value:9.1e} {gradient:9} {'' if worst <= limit else 'FAILED'}",
                flush=True,
            )
    if failed:
        print(f"{failed} claims do not hold", file=sys.stderr)
    elif not names:
        versions = {name: version(name) for name in ("jax", "torch")}
        figures = {"date": datetime.now(UTC).date().isoformat(), "draws": DRAWS, "versions": versions, **scores}
        _page.FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        _page.PAGE.write_text(_page.page(ROWS, figures), encoding="utf-8")
        _golden.save(CLAIMS)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
