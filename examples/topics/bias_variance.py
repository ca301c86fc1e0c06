"""Bias against variance: `python examples/topics/bias_variance.py docs/topics/bias-variance.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, GREEN, RED, panels, run
from matplotlib.figure import Figure

from jaxml import data, diagnostics, estimators

PENALTIES = np.logspace(-2, 4, 13)


def draw() -> Figure:
    found = data.load("diabetes")
    x = found.x / found.x.std(0)
    pairs = np.triu_indices(10)
    x = np.concatenate([x, x[:, pairs[0]] * x[:, pairs[1]]], axis=1)  # squares and products: 65 columns
    x, y = (jnp.asarray(a, jnp.float32) for a in (x, (found.y - found.y.mean()) / found.y.std()))

    def training_set(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        rows = jax.random.choice(key, 300, (100,), replace=False)
        return x[rows], y[rows]

    parts = []
    for penalty in PENALTIES:

        def fit(key: jax.Array, x: jax.Array, y: jax.Array, penalty: float = float(penalty)) -> tuple:
            return estimators.least_squares(x, y[:, None], l2=penalty)[:2]

        result = diagnostics.bias_variance(
            jax.random.key(0),
            fit,
            lambda params, x: (x @ params[0] + params[1])[:, 0],
            training_set,
            (x[300:], y[300:]),
            rounds=100,
        )
        parts.append([float(result.loss), float(result.bias), float(result.variance)])
    figure, (axes,) = panels(1, width=5)
    names = ("expected error", "bias² and noise", "variance")
    for name, values, colour in zip(names, np.transpose(parts), (RED, BLUE, GREEN), strict=True):
        axes.plot(PENALTIES, values, "o-", ms=3, color=colour, label=name)
        print(name, dict(zip(PENALTIES.round(2), values.round(3), strict=True)))
    axes.set(xscale="log", yscale="log", xlabel="penalty: large is a stiff model, small a free one")
    axes.set(title="diabetes: squared error of 142 held-out patients")
    axes.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
