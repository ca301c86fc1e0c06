"""What SGD adds to gradient descent: `python examples/topics/sgd.py docs/topics/sgd.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, GREEN, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, descent

RATE, BATCH, EPOCHS = 0.5, 32, 40


def digits() -> tuple[jax.Array, jax.Array]:
    found = data.load("digits")
    return jnp.asarray(found.x.reshape(-1, 64)), jnp.asarray(found.y)


def loss(w: jax.Array, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Logistic regression of the ten digits, with a penalty that gives it one minimum."""
    x, y = batch
    return F.softmax_cross_entropy_with_integer_labels(x @ w, y).mean() + 5e-3 * (w * w).sum()


def ways() -> dict[str, np.ndarray]:
    """By name, the loss above the least after each epoch, which is one look at every example."""
    examples, start, key = digits(), jnp.zeros((64, 10)), jax.random.key(0)
    steps = len(examples[1]) // BATCH

    def whole(w: jax.Array) -> jax.Array:
        return loss(w, examples)

    def sgd(start: jax.Array, rate: float, epochs: int) -> descent.Trajectory:
        found = descent.sgd(key, loss, examples, start, learning_rate=rate, batch_size=BATCH, steps=epochs * steps)
        return jax.tree.map(lambda a: a[::steps], found)

    full = descent.gd(whole, start, learning_rate=RATE, steps=4000).losses
    constant = sgd(start, RATE, EPOCHS)
    half = EPOCHS // 2
    smaller = sgd(constant.points[half], RATE / 20, EPOCHS - half)
    losses = {
        "gradient descent, 1 step an epoch": full[: EPOCHS + 1],
        f"SGD, {steps} steps of {BATCH} an epoch": constant.losses,
        "the same, a twentieth of the rate\nfrom the middle on": jnp.append(constant.losses[:half], smaller.losses),
    }
    least = float(full[-1])
    return {name: np.asarray(a) - least for name, a in losses.items()}


def variances() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batch sizes, the mean of ‖gradient of a batch - that of all‖² over 400 batches, and what theory says of it."""
    x, y = digits()
    n, w = len(y), jnp.zeros((64, 10))
    gradients = jax.vmap(lambda x, y: jax.grad(loss)(w, (x[None], y[None])))(x, y)
    each = gradients - gradients.mean(0)
    sizes = 2 ** np.arange(0, 11)

    def squared(size: int) -> float:
        keys = jax.random.split(jax.random.key(1), 400)
        rows = jax.vmap(lambda k: jax.random.choice(k, n, (size,), replace=False))(keys)
        return float(jnp.mean(jax.lax.map(lambda r: jnp.square(each[r].mean(0)).sum(), rows)))

    one = float(jnp.square(each).sum((1, 2)).mean())
    return sizes, np.array([squared(int(b)) for b in sizes]), one / sizes * (n - sizes) / (n - 1)


def escapes(runs: int = 400) -> dict[int, float]:
    """By batch size, the share of runs that end in the lower valley, having begun beside the higher one."""
    valleys = descent.TWO_VALLEYS
    noise = 3 * jax.random.normal(jax.random.key(2), (256, 2))
    noise = noise - noise.mean(0)  # the mean loss is the surface itself
    start = jnp.asarray(valleys.start)

    def tilted(p: jax.Array, batch: jax.Array) -> jax.Array:
        return valleys.value(p) + (batch @ p).mean()

    def share(size: int) -> float:
        def one(key: jax.Array) -> jax.Array:
            way = descent.sgd(key, tilted, noise, start, learning_rate=0.05, batch_size=size, steps=500)
            return way.points[-1, 0] < 0

        return float(jax.lax.map(one, jax.random.split(jax.random.key(3), runs), batch_size=50).mean())

    return {size: share(size) for size in (1, 2, 4, 8, 16, 256)}


def draw() -> Figure:
    figure, (speed, variance, valley) = panels(3)
    for (name, gap), colour in zip(ways().items(), (RED, BLUE, GREEN), strict=True):
        speed.plot(np.maximum(gap, 1e-7), color=colour, label=name)
        print(f"{name!r}: loss above the least after 1, 20 and {EPOCHS} epochs:", gap[[1, 20, EPOCHS]])
    speed.set(yscale="log", xlabel="epochs", title="digits: loss above the least", ylim=(1e-6, 3))
    speed.legend(fontsize=7, frameon=False, loc="lower left")
    sizes, found, theory = variances()
    variance.plot(sizes, theory, color=RED, label="σ²/B · (N-B)/(N-1)")
    variance.plot(sizes, found, "o", color=BLUE, label="400 batches")
    variance.set(xscale="log", yscale="log", xlabel="batch size B", title="‖gradient of a batch - of all‖²")
    variance.legend(fontsize=8, frameon=False)
    print("variance over theory:", (found / theory).round(2))
    shares = escapes()
    valley.plot(list(shares), [100 * s for s in shares.values()], "o-", color=BLUE)
    valley.set(xscale="log", xlabel="batch size B", ylim=(-4, 104), title="% of runs that leave a local minimum")
    print("left the local minimum:", shares)
    return figure


if __name__ == "__main__":
    run(draw)
