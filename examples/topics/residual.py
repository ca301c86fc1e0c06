"""What residual learning is: `python examples/topics/residual.py docs/topics/residual.png`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, optim

WIDTH, BATCH, STEPS = 32, 64, 600
DEPTHS = (1, 2, 4, 8, 16, 32)  # blocks, of two layers each


def initial(key: jax.Array, depth: int) -> dict[str, jax.Array]:
    """Stem, blocks and head, every matrix with He's deviation."""
    stem, blocks, head = jax.random.split(key, 3)
    return {
        "stem": jax.random.normal(stem, (64, WIDTH)) * (2 / 64) ** 0.5,
        "blocks": jax.random.normal(blocks, (depth, 2, WIDTH, WIDTH)) * (2 / WIDTH) ** 0.5,
        "head": jax.random.normal(head, (WIDTH, 10)) * WIDTH**-0.5,
    }


def logits(params: dict[str, jax.Array], x: jax.Array, *, skip: bool) -> tuple[jax.Array, jax.Array]:
    """`h ← relu(f(h))` or `relu(h + f(h))`, `f(h) = norm(relu(norm(h w1)) w2)`; and ‖f(h)‖ / ‖h‖ of each block."""

    def block(h: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        f = F.layer_norm(F.relu(F.layer_norm(h @ w[0])) @ w[1])
        size = jnp.linalg.norm(f) / jnp.maximum(jnp.linalg.norm(h), 1e-9)
        return F.relu(h + f if skip else f), size

    h, sizes = jax.lax.scan(block, F.relu(x @ params["stem"]), params["blocks"])
    return h @ params["head"], sizes


@partial(jax.jit, static_argnames=("depth", "skip"))
def trained(key: jax.Array, depth: int, skip: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Training loss, training error and the blocks' sizes after `STEPS` steps of momentum."""
    digits = data.load("digits")
    x, y = jnp.asarray(digits.x.reshape(-1, 64)), jnp.asarray(digits.y)

    def loss(params: dict[str, jax.Array], rows: jax.Array) -> jax.Array:
        return F.softmax_cross_entropy_with_integer_labels(logits(params, x[rows], skip=skip)[0], y[rows]).mean()

    tx = optim.momentum(0.02)
    params = initial(key, depth)

    def step(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        params, state = carry
        rows = jax.random.randint(key, (BATCH,), 0, len(y))
        change, state = tx.update(jax.grad(loss)(params, rows), state, params)
        return (jax.tree.map(jnp.add, params, change), state), None

    (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), jax.random.split(key, STEPS))
    out, sizes = logits(params, x, skip=skip)
    return loss(params, jnp.arange(len(y))), (out.argmax(1) != y).mean(), sizes


def draw() -> Figure:
    figure, (losses, branch) = panels(2)
    for skip, colour, name in ((False, RED, "plain: relu(f(h))"), (True, BLUE, "residual: relu(h + f(h))")):
        found = [[trained(jax.random.key(seed), depth, skip) for seed in range(3)] for depth in DEPTHS]
        errors = np.array([[float(e) for _, e, _ in seeds] for seeds in found])
        values = np.array([[float(v) for v, _, _ in seeds] for seeds in found])
        layers = [2 + 2 * depth for depth in DEPTHS]
        losses.plot(layers, values.mean(1), "o-", color=colour, label=name)
        print(f"{name}: layers {layers}, loss {values.mean(1).round(4)}, error % {100 * errors.mean(1).round(4)}")
        sizes = np.mean([np.asarray(s) for _, _, s in found[-1]], axis=0)
        if skip:
            branch.plot(np.arange(1, len(sizes) + 1), sizes, "o-", ms=3, color=colour)
            print(f"‖f(h)‖/‖h‖: first block {sizes[0]:.2f}, last {sizes[-1]:.2f}")
    losses.set(xscale="log", yscale="log", xlabel="layers", title=f"digits: training loss after {STEPS} steps")
    losses.set_xticks(layers, map(str, layers))
    losses.minorticks_off()
    losses.legend(fontsize=8, frameon=False)
    branch.set(xlabel="block", ylim=(0, None), title="‖f(h)‖ / ‖h‖ of 32 trained blocks")
    return figure


if __name__ == "__main__":
    run(draw)
