"""Operations saved and time saved, from a committed run.

python examples/topics/mobilenet.py docs/topics/mobilenet.png
"""

import json
from pathlib import Path

import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "2026-11-24-cpu-full.json"


def draw() -> Figure:
    report = json.loads(RESULTS.read_text())
    rows = next(s["rows"] for s in report["suites"] if s["name"] == "separable_conv")
    rows = [r for r in rows if r["facts"]["section"] == "layers"]
    saved = np.array([r["facts"]["saving"] for r in rows])
    faster = np.array([r["speedups"]["forward.separable/standard"][0] for r in rows])
    stock = np.array([r["speedups"]["forward.stock/standard"][0] for r in rows])
    print(f"{len(rows)} layers; MACs saved {saved.min():.1f} to {saved.max():.1f} times; faster: jaxml "
          f"{faster.min():.1f} to {faster.max():.1f}, stock {stock.min():.2f} to {stock.max():.2f}")  # fmt: skip
    figure, (axes,) = panels(1, width=6)
    at = np.arange(len(rows))
    axes.plot(at, saved, "k_", ms=14, label="multiplications saved")
    axes.bar(at - 0.2, faster, 0.38, color=BLUE, label="time saved, jaxml")
    axes.bar(at + 0.2, stock, 0.38, color=RED, label="time saved, stock JAX")
    axes.axhline(1, color="#777777", lw=1)
    axes.set_xticks(at, [r["name"].removeprefix("layer ") for r in rows], rotation=60, ha="right", fontsize=6)
    axes.set(title=f"MobileNetV1's layers, {report['device']['cpu']}: standard over separable")
    axes.set_ylim(0, 13.5)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure


if __name__ == "__main__":
    run(draw)
