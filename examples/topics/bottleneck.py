"""What a bottleneck costs: `python examples/topics/bottleneck.py docs/topics/bottleneck.png`."""

import jax
import jax.numpy as jnp
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import flops

WIDTHS = (16, 32, 64, 96, 128, 192, 256)
X = jax.ShapeDtypeStruct((1, 14, 14, 256), jnp.float32)


def kernel(size: int, i: int, o: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((size, size, i, o), jnp.float32)


def bottleneck(x: jax.Array, down: jax.Array, w: jax.Array, up: jax.Array) -> jax.Array:
    return F.conv2d(F.conv2d(F.conv2d(x, down), w), up)


def draw() -> Figure:
    direct = flops.count(F.conv2d, X, kernel(3, 256, 256)).macs
    costs = {m: flops.count(bottleneck, X, kernel(1, 256, m), kernel(3, m, m), kernel(1, m, 256)).macs for m in WIDTHS}
    print("3x3, 256 -> 256:", direct, {m: f"{direct / cost:.2f}x" for m, cost in costs.items()})
    figure, (axes,) = panels(1, width=5)
    axes.plot(WIDTHS, [cost / 1e6 for cost in costs.values()], "o-", color=BLUE, label="256 → m → m → 256")
    axes.axhline(direct / 1e6, color=RED, label="3x3, 256 → 256")
    axes.annotate(f"{direct / costs[64]:.2f} times fewer", (64, costs[64] / 1e6), (76, 11), fontsize=9)
    axes.set(xlabel="m", yscale="log", title="million MACs of a block, 14x14 pixels", xticks=WIDTHS[2:])
    axes.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
