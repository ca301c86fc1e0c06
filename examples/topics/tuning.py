"""Grid or random? `python examples/topics/tuning.py docs/topics/tuning.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, tuning

SIDES = (2, 3, 4, 6, 8)


def draw() -> Figure:
    digits = data.load("digits")
    train, held_out = data.split((digits.x.reshape(-1, 64), digits.y), fractions=(0.3, 0.7), stratify=digits.y, seed=0)
    (x, y), (x_held, y_held) = (tuple(map(jnp.asarray, part)) for part in (train, held_out))

    def accuracy(key: jax.Array, *, learning_rate: jax.Array, weight_decay: jax.Array) -> jax.Array:
        """Of softmax regression on held-out digits after 60 steps of gradient descent."""

        def error(w: jax.Array) -> jax.Array:
            fit = F.softmax_cross_entropy_with_integer_labels(x @ w, y).mean()
            return fit + weight_decay * (w**2).sum()

        w = 0.1 * jax.random.normal(key, (64, 10))
        w, _ = jax.lax.scan(lambda w, _: (w - learning_rate * jax.grad(error)(w), None), w, length=60)
        return (jnp.argmax(x_held @ w, axis=1) == y_held).mean()

    low, high = {"learning_rate": 1e-2, "weight_decay": 1e-5}, {"learning_rate": 1e2, "weight_decay": 1e-1}
    space = {name: tuning.LogUniform(low[name], high[name]) for name in low}
    drawn = tuning.random_search(jax.random.key(0), accuracy, space, draws=256, mode="max", chunk=64)
    scores = np.nan_to_num(np.asarray(drawn.scores)[:, 0])
    rng = np.random.default_rng(0)
    figure, (settings, best) = panels(2)
    rates, decays = (np.asarray(drawn.settings[name]) for name in low)
    shown = settings.scatter(rates, decays, c=scores, cmap="viridis", s=12, vmin=0.8)
    figure.colorbar(shown, ax=settings)
    settings.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="weight decay", title="256 drawn settings")
    found: dict[str, list[float]] = {"grid of n settings": [], "n drawn at random": []}
    for side in SIDES:
        axes = {name: np.logspace(np.log10(low[name]), np.log10(high[name]), side) for name in low}
        grid = tuning.grid_search(jax.random.key(0), accuracy, axes, mode="max", chunk=min(side * side, 32))
        found["grid of n settings"].append(float(np.nan_to_num(np.asarray(grid.scores)).max()))
        picks = [scores[rng.choice(256, side * side, replace=False)].max() for _ in range(500)]
        found["n drawn at random"].append(float(np.mean(picks)))
    for (name, values), colour in zip(found.items(), (RED, BLUE), strict=True):
        best.plot([s * s for s in SIDES], 100 * np.array(values), "o-", color=colour, label=name)
        print(name, dict(zip([s * s for s in SIDES], np.round(values, 4), strict=True)))
    best.set(xscale="log", xlabel="n", title="% right with the best of n", xticks=[4, 9, 16, 36, 64])
    best.set_xticklabels([4, 9, 16, 36, 64])
    best.minorticks_off()
    best.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
