"""Digits read a pixel at a time, with gates and without: `python examples/topics/gates.py docs/topics/lstm-gru.png`."""

import numpy as np
from _draw import BLUE, GREEN, RED, panels, run
from flax import nnx
from jaxtyping import Array
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, diagnostics, nn, optim
from jaxml.train import fit

LAYERS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}


class Reader(nnx.Module):
    """64 pixels one after the other, the class from the last state."""

    def __init__(self, kind: str, units: int, rngs: nnx.Rngs):
        self.layer = LAYERS[kind](1, units, rngs=rngs)
        self.head = nn.Linear(units, 10, rngs=rngs)

    def __call__(self, x: Array, *, train: bool = False) -> Array:
        outputs, _ = self.layer(x, train=train)
        return self.head(outputs[:, -1], train=train)


def draw() -> Figure:
    digits = data.load("digits")
    pixels = digits.x.reshape(-1, 64, 1)
    train, held_out = data.split((pixels, digits.y), fractions=(0.8, 0.2), stratify=digits.y, seed=0)
    figure, (curves, norms) = panels(2)
    for kind, colour in zip(LAYERS, (RED, GREEN, BLUE), strict=True):
        model = Reader(kind, 32, nnx.Rngs(0))

        def loss(logits: Array) -> Array:
            return F.softmax_cross_entropy_with_integer_labels(logits, train[1][:64]).mean()

        profile = diagnostics.gradient_profile(model, train[0][:64], loss=loss)
        steps = profile.steps["layer"][0]
        norms.plot(np.arange(1, 65), steps / steps[-1], color=colour, label=kind)
        found = fit(
            model,
            train,
            loss=F.softmax_cross_entropy_with_integer_labels,
            optimizer=optim.adam(5e-3),
            epochs=30,
            clip_norm=1.0,
            validation=held_out,
            progress=False,
        )
        right = 100 * np.asarray(found.history["val_accuracy"])
        curves.plot(np.arange(1, 31), right, color=colour, label=kind)
        print(f"{kind}: {right[-1]:.1f} % after 30 epochs; gradient at pixel 1 / at 64: {steps[0] / steps[-1]:.1e}")
    curves.set(xlabel="epochs", ylim=(0, 100), title=f"% right of {len(held_out[1])} held-out digits")
    curves.legend(fontsize=8, frameon=False)
    norms.set(yscale="log", xlabel="pixel t", title="‖dE/dh_t‖ / ‖dE/dh_64‖ before training")
    return figure


if __name__ == "__main__":
    run(draw)
