"""The chain rule beside differences: `python examples/topics/backpropagation.py docs/topics/backpropagation.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

from jaxml import data, descent

STEPS = np.logspace(-7, 0, 29)


def network() -> tuple[list, jax.Array, jax.Array]:
    """4-8-3 of sigmoids on the irises, float32."""
    iris = data.load("iris")
    x = jnp.asarray((iris.x - iris.x.mean(0)) / iris.x.std(0))
    keys = jax.random.split(jax.random.key(0), 2)
    params = [(jax.random.normal(k, s), jnp.zeros(s[1])) for k, s in zip(keys, ((4, 8), (8, 3)), strict=True)]
    return params, x, jax.nn.one_hot(iris.y, 3)


def exact(params: list, x: jax.Array, target: jax.Array) -> np.ndarray:
    """dE/dw of the first layer in NumPy's float64."""
    (w1, b1), (w2, b2) = [(np.asarray(w, np.float64), np.asarray(b, np.float64)) for w, b in params]
    inputs = np.asarray(x, np.float64)
    y1 = 1 / (1 + np.exp(-(inputs @ w1 + b1)))
    y2 = 1 / (1 + np.exp(-(y1 @ w2 + b2)))
    dz2 = (y2 - np.asarray(target)) / len(inputs) * y2 * (1 - y2)
    return inputs.T @ (dz2 @ w2.T * y1 * (1 - y1))


def draw() -> Figure:
    params, x, target = network()
    truth = exact(params, x, target)
    found = descent.backprop(params, x, target)
    chain = np.abs(found.gradients[0][0] - truth).max() / np.abs(truth).max()
    error = jax.jit(lambda w: descent.backprop([(w, params[0][1]), params[1]], x, target).error)
    w = np.asarray(params[0][0])

    def differences(h: float) -> float:
        made = np.zeros_like(truth)
        for at in np.ndindex(w.shape):
            moved = np.zeros_like(w)
            moved[at] = h
            made[at] = (float(error(w + moved)) - float(error(w - moved))) / (2 * h)
        return float(np.abs(made - truth).max() / np.abs(truth).max())

    errors = np.array([differences(float(h)) for h in STEPS])
    print(f"chain rule {chain:.1e}; differences at best {errors.min():.1e}, at h = {STEPS[errors.argmin()]:.1e}")
    figure, (axes, factors) = panels(2)
    axes.plot(STEPS, errors, "o-", ms=3, color=RED, label=f"differences: 2 x {w.size} forward passes")
    axes.axhline(chain, color=BLUE, label="chain rule: one backward pass")
    axes.set(xscale="log", yscale="log", xlabel="h of (E(w+h) - E(w-h)) / 2h", title="relative error of dE/dw")
    axes.legend(fontsize=8, frameon=False)
    first = found.layers[0]
    shown = {"dE/dy": first.de_dy, "dy/dz": first.dy_dz, "dz/dw": first.dz_dw}
    sizes = [np.sqrt(np.square(a).mean()) for a in shown.values()]
    factors.bar(list(shown), sizes, color=BLUE)
    factors.set(yscale="log", title="first layer's factors, root mean square")
    print({name: f"{size:.2g}" for name, size in zip(shown, sizes, strict=True)})
    return figure


if __name__ == "__main__":
    run(draw)
