"""Activations, and what a loss decides: `python examples/topics/activations.py docs/topics/activations-losses.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, COLOURS, GREEN, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, descent

ACTIVATIONS = {"sigmoid": F.sigmoid, "tanh": F.tanh, "relu": F.relu, "leaky_relu": F.leaky_relu, "gelu": F.gelu}
LOSSES = {"mse_loss": F.mse_loss, "huber_loss": F.huber_loss, "l1_loss": F.l1_loss}


def moved(ruined: float) -> dict[str, float]:
    """How far the weights of a linear regression go when this share of its targets is replaced by nonsense."""
    found = data.load("diabetes")
    x = jnp.asarray(found.x / found.x.std(0))
    y = jnp.asarray((found.y - found.y.mean()) / found.y.std())
    bad = jax.random.uniform(jax.random.key(0), y.shape) < ruined
    spoiled = jnp.where(bad, 15.0, y)

    def weights(loss, y) -> jax.Array:
        def mean(w: jax.Array) -> jax.Array:
            return loss((x @ w[:10] + w[10])[:, None], y[:, None]).mean()

        return descent.gd(mean, jnp.zeros(11), learning_rate=0.05, steps=3000).points[-1][:10]

    return {name: float(jnp.linalg.norm(weights(f, spoiled) - weights(f, y))) for name, f in LOSSES.items()}


def draw() -> Figure:
    figure, (shapes, slopes, losses) = panels(3)
    z = jnp.linspace(-4, 4, 161)
    for (name, f), colour in zip(ACTIVATIONS.items(), COLOURS, strict=False):
        shapes.plot(z, f(z), color=colour, label=name)
        slopes.plot(z, jax.vmap(jax.grad(f))(z), color=colour)
    shapes.set(xlabel="z", ylim=(-1.2, 2.5), title="activations f(z)")
    shapes.legend(fontsize=7, frameon=False)
    slopes.set(xlabel="z", title="their slopes")
    error = jnp.linspace(-3, 3, 121)[:, None]
    for (name, f), colour in zip(LOSSES.items(), (RED, BLUE, GREEN), strict=True):
        losses.plot(error[:, 0], f(error, jnp.zeros_like(error)), color=colour, label=name)
    losses.set(xlabel="error", ylim=(0, 4), title="losses of an error")
    losses.legend(fontsize=7, frameon=False)
    for share in (0.02, 0.05):
        print(f"weights moved by {share:.0%} ruined targets:", {k: round(v, 3) for k, v in moved(share).items()})
    print("slope of sigmoid at 0 and 4:", np.round([float(jax.grad(F.sigmoid)(v)) for v in (0.0, 4.0)], 4))
    return figure


if __name__ == "__main__":
    run(draw)
