"""Layers without an activation are one: `python examples/topics/no_activation.py docs/topics/no-activation.png`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, optim

DEPTHS = (1, 2, 3, 4, 6)


def logit(layers: list[tuple[jax.Array, jax.Array]], x: jax.Array, *, bend: bool) -> jax.Array:
    for w, b in layers[:-1]:
        x = F.linear(x, w, b)
        x = F.relu(x) if bend else x
    return F.linear(x, *layers[-1])[:, 0]


@partial(jax.jit, static_argnames=("depth", "bend"))
def error(depth: int, bend: bool) -> jax.Array:
    """The share of digits of which `odd or even?` is answered wrong after 1500 steps of Adam on all of them."""
    digits = data.load("digits")
    x, y = jnp.asarray(digits.x.reshape(-1, 64)), jnp.asarray(digits.y % 2, jnp.float32)
    widths = [64, *[32] * (depth - 1), 1]
    keys = jax.random.split(jax.random.key(0), depth)
    start = [
        (jax.random.normal(k, (i, o)) * (2 / i) ** 0.5, jnp.zeros(o))
        for k, i, o in zip(keys, widths[:-1], widths[1:], strict=True)
    ]
    tx = optim.adam(3e-3)

    def loss(layers: list) -> jax.Array:
        return F.binary_cross_entropy(logit(layers, x, bend=bend), y).mean()

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        layers, state = carry
        change, state = tx.update(jax.grad(loss)(layers), state, layers)
        return (jax.tree.map(jnp.add, layers, change), state), None

    (layers, _), _ = jax.lax.scan(step, (start, tx.init(start)), None, length=1500)
    return ((logit(layers, x, bend=bend) > 0) != (y > 0.5)).mean()


def draw() -> Figure:
    figure, (axes,) = panels(1, width=5)
    for bend, colour, name in ((False, RED, "x w + b alone"), (True, BLUE, "relu between them")):
        found = np.array([float(error(depth, bend)) for depth in DEPTHS])
        axes.plot(DEPTHS, 100 * found, "o-", color=colour, label=name)
        print(name, dict(zip(DEPTHS, (100 * found).round(2), strict=True)))
    axes.set(xlabel="layers", ylim=(-0.5, None), title="odd or even? % wrong of the digits learned from")
    axes.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
