"""Why binary cross entropy, and why from logits.

python examples/topics/binary_cross_entropy.py docs/topics/mse-cross-entropy.png
"""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, descent

Z = jnp.linspace(-12, 12, 241)


def squared(z: jax.Array, target: jax.Array) -> jax.Array:
    return (F.sigmoid(z) - target) ** 2


def from_probability(z: jax.Array) -> jax.Array:
    """The formula as it is written, of a target of 0."""
    return -jnp.log(1 - 1 / (1 + jnp.exp(-z)))


def errors(z: np.ndarray) -> dict[str, np.ndarray]:
    """The relative error in float32 of the loss of a target of 0, beside NumPy's float64."""
    exact = np.logaddexp(0, z.astype(np.float64))
    given = jnp.asarray(z)
    forms = {
        "from the probability": from_probability(given),
        "from the logit": F.binary_cross_entropy(given, jnp.zeros_like(given)),
    }
    return {name: np.abs(np.asarray(a, np.float64) - exact) / exact for name, a in forms.items()}


def descents() -> dict[str, np.ndarray]:
    """The error rate on breast cancer of logistic regression, begun at weights that are wrong and sure of it."""
    found = data.load("breast_cancer")
    x = jnp.asarray((found.x - found.x.mean(0)) / found.x.std(0))
    y = jnp.asarray(found.y, jnp.float32)
    start = jnp.full(30, 1.0)  # the columns mean malignant, which is class 0

    def way(loss) -> np.ndarray:
        points = descent.gd(lambda w: loss(x @ w, y).mean(), start, learning_rate=0.5, steps=200).points
        return np.asarray(((points @ x.T > 0) != (y > 0.5)).mean(1))

    return {"squared error": way(squared), "cross entropy": way(F.binary_cross_entropy)}


def draw() -> Figure:
    figure, (slope, digits, learning) = panels(3)
    one = jnp.ones_like(Z)
    for name, loss, colour in (
        ("squared error", squared, RED),
        ("cross entropy", F.binary_cross_entropy, BLUE),
    ):
        slope.plot(Z, -jax.vmap(jax.grad(loss))(Z, one), color=colour, label=name)
    slope.set(xlabel="logit z, where y = 1", title="-dE/dz: how hard it pulls")
    slope.legend(fontsize=8, frameon=False)
    z = np.linspace(-30, 30, 601).astype(np.float32)
    for (name, found), colour in zip(errors(z).items(), (RED, BLUE), strict=True):
        digits.plot(z, np.where(np.isfinite(found), np.maximum(found, 1e-9), 1e2), color=colour, label=name)
        print(f"{name}: largest relative error {found.max():.1e}, infinite from z =", z[~np.isfinite(found)][:1])
    digits.set(yscale="log", xlabel="logit z, where y = 0", title="relative error in float32 (top: infinite)")
    digits.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.95))
    for (name, found), colour in zip(descents().items(), (RED, BLUE), strict=True):
        learning.plot(100 * found, color=colour, label=name)
        print(f"{name}: % wrong at the start, after 50 and 200 steps", (100 * found[[0, 50, 200]]).round(1))
    learning.set(xlabel="steps", ylim=(0, 100), title="breast cancer: % wrong, from a bad start")
    learning.legend(fontsize=8, frameon=False)
    z, y = jnp.float32(-8.0), jnp.float32(1.0)
    slopes = {name: float(jax.grad(f)(z, y)) for name, f in (("squared", squared), ("cross", F.binary_cross_entropy))}
    print("slopes at z = -8, y = 1:", slopes)
    print("float32 gradient of the written formula at z = -100:", jax.grad(from_probability)(-100.0))
    return figure


if __name__ == "__main__":
    run(draw)
