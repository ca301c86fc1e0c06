"""Why columns are scaled: `python examples/topics/preprocessing.py docs/topics/preprocessing.png`."""

import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, descent


def descend(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Losses of 300 steps of logistic regression at the largest rate that is safe, and the condition number."""
    given, target = jnp.asarray(np.c_[x, np.ones(len(x))], jnp.float32), jnp.asarray(y)
    curvatures = np.linalg.eigvalsh(np.asarray(given, np.float64).T @ np.asarray(given, np.float64) / len(y))

    def loss(w: jnp.ndarray) -> jnp.ndarray:
        return F.softmax_cross_entropy_with_integer_labels(given @ w, target).mean()

    # A softmax curves at most half as much as the inputs' second moments.
    way = descent.gd(loss, jnp.zeros((given.shape[1], 3)), learning_rate=2 / float(curvatures[-1]), steps=300)
    return np.asarray(way.losses), float(curvatures[-1] / curvatures[0])


def draw() -> Figure:
    wine = data.load("wine")
    scaled = np.asarray(data.Standardize().fit(wine.x).transform(wine.x))
    figure, (columns, losses) = panels(2)
    columns.plot(wine.x.std(0), "o", color=RED, label="as they come")
    columns.plot(scaled.std(0), "o", color=BLUE, label="standardised")
    columns.set(yscale="log", xlabel="column", title="wine: deviation of the 13 columns")
    columns.legend(fontsize=8, frameon=False)
    for name, x, colour in (("as they come", wine.x, RED), ("standardised", scaled, BLUE)):
        way, condition = descend(x, wine.y)
        losses.plot(way, color=colour, label=f"{name}: condition {condition:.1g}")
        print(f"{name}: condition number {condition:.3g}, loss after 300 steps {way[-1]:.4f}")
    losses.set(yscale="log", xlabel="steps of gradient descent", title="loss, each at its own best safe rate")
    losses.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
