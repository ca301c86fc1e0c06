"""What sigmoid and ReLU do to a gradient: `python examples/topics/sigmoid_relu.py docs/topics/sigmoid-relu.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data

DEPTH, WIDTH = 20, 64


def gradients(f, gain: float) -> np.ndarray:
    """‖dE/dz‖ at each of 20 layers of 64 units on 256 digits, at random weights of the gain that suits `f`."""
    digits = data.load("digits")
    x, y = jnp.asarray(digits.x[:256].reshape(-1, 64)), jnp.asarray(digits.y[:256])
    keys = jax.random.split(jax.random.key(0), DEPTH)
    weights = [jax.random.normal(k, (WIDTH, WIDTH)) * gain / WIDTH**0.5 for k in keys]
    head = jax.random.normal(jax.random.key(1), (WIDTH, 10)) * WIDTH**-0.5

    def loss(added: jax.Array) -> jax.Array:
        h = x
        for w, zero in zip(weights, added, strict=True):
            h = f(h @ w + zero)
        return F.softmax_cross_entropy_with_integer_labels(h @ head, y).mean()

    found = jax.jit(jax.grad(loss))(jnp.zeros((DEPTH, 256, WIDTH)))
    return np.asarray(jnp.sqrt(jnp.square(found).sum((1, 2))))


def written(z: jax.Array) -> jax.Array:
    """The sigmoid as it is written."""
    return 1 / (1 + jnp.exp(-z))


def draw() -> Figure:
    figure, (slopes, layers) = panels(2)
    z = jnp.linspace(-6, 6, 241)
    for name, f, gain, colour in (("sigmoid", F.sigmoid, 1.0, RED), ("ReLU", F.relu, 2**0.5, BLUE)):
        slopes.plot(z, f(z), color=colour, label=name)
        slopes.plot(z, jax.vmap(jax.grad(f))(z), color=colour, ls="--", label="its slope")
        norms = gradients(f, gain)
        layers.plot(np.arange(1, DEPTH + 1), norms / norms[-1], "o-", ms=3, color=colour, label=name)
        print(f"{name}: gradient at layer 1 over that at layer {DEPTH}: {norms[0] / norms[-1]:.1e}")
    print("slope at z = -100, written and F.sigmoid:", jax.grad(written)(-100.0), jax.grad(F.sigmoid)(-100.0))
    slopes.set(xlabel="z", ylim=(-0.1, 2), title="both, and their slopes")
    slopes.legend(fontsize=7, frameon=False)
    layers.set(yscale="log", xlabel="layer", xticks=(1, 5, 10, 15, 20), title="digits: ‖dE/dz‖ over the last layer's")
    layers.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
